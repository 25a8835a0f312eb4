"""``--check`` finds every way in which a deployment may differ from its record or the build."""

from __future__ import annotations

import json

import artifact
import deploying
import pytest
import record as records
from chain import mapping_slot
from check import compare
from view import CURRENCY, IMPLEMENTATION_SLOT, PLATFORM_HASH

STRANGER = "0x" + "57" * 20
PROXIES = {
    "GlobalParams": "global_params",
    "CampaignInfoFactory": "campaign_info_factory",
    "TreasuryFactory": "treasury_factory",
}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """A chain with the deployment on it, its URL, and where its record lies."""
    path = tmp_path_factory.mktemp("deployed") / "record.json"
    with deploying.anvil(deploying.LOCAL.chain_id) as url:
        with deploying.connected(url) as chain:
            deploying.deploy(chain, path)
        yield url, path


@pytest.fixture
def chain(deployed):
    url, _ = deployed
    snapshot = deploying.rpc(url, "evm_snapshot")
    with deploying.connected(url) as found:
        yield found
    deploying.rpc(url, "evm_revert", snapshot)


@pytest.fixture
def record(deployed):
    _, path = deployed
    return json.loads(path.read_text(encoding="utf-8"))


def differing(record, chain):
    return {item.name for item in compare(record, chain) if not item.equal}


def address_of(record, name):
    return next(entry["address"] for entry in record["deployed"] if entry["name"] == name)


def test_check_finds_a_deployment_as_it_was_recorded(chain, record):
    assert differing(record, chain) == set()


@pytest.mark.parametrize(
    "name",
    [
        "GlobalParams implementation", "GlobalParams", "LiveParams", "CampaignInfo implementation",
        "TreasuryFactory", "RefundEscrow", "Payouts", "PaymentTreasury", "MirrorPaymentTreasury",
    ],
)  # fmt: skip
def test_check_names_the_contract_whose_code_is_another(chain, record, name):
    code = chain.code(address_of(record, name))
    chain.request("anvil_setCode", address_of(record, name), "0x" + code.hex() + "00")
    found = differing(record, chain)
    assert {f"code of {name} as recorded", f"contract {name}"} <= found


def test_check_names_an_immutable_that_is_not_the_deployments(chain, record):
    """The build has zeros there, and a record may have been written after the fact."""
    address = address_of(record, "PaymentTreasury")
    escrow = address_of(record, "RefundEscrow")[2:].lower()
    code = chain.code(address).hex().replace(escrow, STRANGER[2:])
    chain.request("anvil_setCode", address, "0x" + code)
    for entry in record["deployed"]:
        entry["code_hash"] = artifact.code_hash(chain.code(entry["address"]))
    assert differing(record, chain) == {"contract PaymentTreasury"}
    (item,) = (item for item in compare(record, chain) if not item.equal)
    assert item.found.split(", made")[0].endswith(
        f"with foreign immutable 0x{'0' * 24}{STRANGER[2:]}"
    )


def test_check_names_a_library_that_is_linked_from_elsewhere(chain, record):
    address = address_of(record, "PaymentTreasury")
    library = address_of(record, "Payouts")[2:].lower()
    code = chain.code(address).hex().replace(library, STRANGER[2:])
    chain.request("anvil_setCode", address, "0x" + code)
    assert "contract PaymentTreasury" in differing(record, chain)


@pytest.mark.parametrize("name", PROXIES)
def test_check_names_the_proxy_that_delegates_elsewhere(chain, record, name):
    other = address_of(record, "CampaignInfo implementation")
    slot = f"0x{IMPLEMENTATION_SLOT:064x}"
    word = "0x" + other[2:].lower().rjust(64, "0")
    chain.request("anvil_setStorageAt", address_of(record, name), slot, word)
    assert f"code behind {name}" in differing(record, chain)


@pytest.mark.parametrize(
    ("contract", "function", "arguments", "names"),
    [
        ("GlobalParams", "updateProtocolAdminAddress", [STRANGER], {"protocol admin"}),
        ("GlobalParams", "updateProtocolFeePercent", [7], {"protocol fee"}),
        (
            "GlobalParams", "addToRegistry",
            [artifact.keccak(text="bufferTime"), (7).to_bytes(32)], {"registry bufferTime"},
        ),
        (
            "GlobalParams", "updatePlatformAdminAddress", [PLATFORM_HASH, STRANGER],
            {"platform admin"},
        ),
        ("GlobalParams", "setPlatformAdapter", [PLATFORM_HASH, STRANGER], {"adapter"}),
        ("GlobalParams", "addTokenToCurrency", [CURRENCY, STRANGER], {"tokens for BRL"}),
        (
            "GlobalParams", "delistPlatform", [PLATFORM_HASH],
            {"platform listed", "platform admin", "platform fee", "adapter"},
        ),
        (
            "CampaignInfoFactory", "updateImplementation", [STRANGER],
            {"implementation of campaigns"},
        ),
        (
            "TreasuryFactory", "setCampaignInfoFactory", [STRANGER],
            {"campaign factory of the treasury factory"},
        ),
    ],
)  # fmt: skip
def test_check_names_what_the_protocol_admin_changed(
    chain, record, contract, function, arguments, names
):
    deploying.send(chain, record, contract, function, *arguments)
    assert differing(record, chain) == names


def test_check_names_the_treasury_that_is_no_longer_approved(chain, record):
    implementation = record["implementations"][1]["address"]
    deploying.send(
        chain, record, "TreasuryFactory", "disapproveTreasuryImplementation", implementation
    )
    assert differing(record, chain) == {"approval of TimeConstrainedPaymentTreasury"}


def test_check_names_the_treasury_that_another_is_registered_for(chain, record):
    slot, _ = artifact.slot_of("lastro.storage.TreasuryFactory", "implementations")
    slot = mapping_slot(slot, bytes.fromhex(PLATFORM_HASH[2:]), (4).to_bytes(32))
    word = "0x" + STRANGER[2:].rjust(64, "0")
    factory = record["contracts"]["treasury_factory"]
    chain.request("anvil_setStorageAt", factory, f"0x{slot:064x}", word)
    assert differing(record, chain) == {
        "registration of MirrorPaymentTreasury", "implementation 4",
    }  # fmt: skip


def test_check_names_what_a_record_says_otherwise(chain, record):
    record["contracts"]["refund_escrow"] = STRANGER
    record["tokens"][0]["address"] = STRANGER
    record["implementations"][0]["address"] = STRANGER
    record["genesis_hash"] = "0x" + "00" * 32
    assert differing(record, chain) == {
        "address of refund_escrow", "tokens for BRL", "implementation 2", "genesis",
    }  # fmt: skip


def test_command_checks_with_exit_code_0_1_and_2(deployed, chain, tmp_path):
    url, path = deployed
    options = ["--network", "celo-local", "--check", "--record"]
    equal = deploying.run(tmp_path, *options, path, "--rpc-url", url, key=None)
    assert (equal.returncode, equal.stderr) == (0, "")
    lines = equal.stdout.splitlines()
    assert all(line.startswith("ok  ") for line in lines)

    chain.request("anvil_setCode", records.read(path)["contracts"]["live_params"], "0x00")
    differs = deploying.run(tmp_path, *options, path, "--rpc-url", url, "--json", key=None)
    assert differs.returncode == 1
    document = json.loads(differs.stdout)
    assert document["equal"] is False
    assert len(document["items"]) == len(lines)
    assert "contract LiveParams" in {
        item["name"] for item in document["items"] if not item["equal"]
    }

    nowhere = deploying.run(tmp_path, *options, path, "--rpc-url", "http://127.0.0.1:1", key=None)
    assert nowhere.returncode == 2
    missing = deploying.run(tmp_path, *options, "none.json", "--rpc-url", url, key=None)
    assert missing.returncode == 2
    assert missing.stderr == (
        "celo-local: there is no record none.json: deploy first, or name it with --record\n"
    )
    other = ["--network", "polygon-local", "--check", "--record", path, "--rpc-url", url]
    assert deploying.run(tmp_path, *other, key=None).returncode == 2
