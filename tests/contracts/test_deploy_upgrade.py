"""A deployment whose build changed is upgraded: only what changed is deployed, and once."""

from __future__ import annotations

import json
from functools import partial

import deploying
import pytest
from deploying import Crash, DyingChain, changed_build
from faults import DeploymentError
from view import CURRENCY, PLATFORM_HASH

STRANGER = "0x" + "57" * 20


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    path = tmp_path_factory.mktemp("deployed") / "record.json"
    with deploying.anvil(deploying.LOCAL.chain_id) as url:
        with deploying.connected(url) as chain:
            deploying.deploy(chain, path)
        yield url, path.read_bytes()


@pytest.fixture
def chain(deployed):
    url, _ = deployed
    snapshot = deploying.rpc(url, "evm_snapshot")
    with deploying.connected(url) as found:
        yield found
    deploying.rpc(url, "evm_revert", snapshot)


@pytest.fixture
def path(deployed, tmp_path):
    _, text = deployed
    copy = tmp_path / "record.json"
    copy.write_bytes(text)
    return copy


@pytest.fixture
def another_build(tmp_path, monkeypatch):
    return partial(changed_build, tmp_path, monkeypatch)


def addresses(record):
    return {entry["name"]: entry["address"] for entry in record["deployed"]}


def upgraded(chain, path):
    """Deploy again; returns what stands elsewhere now, and how many transactions that took."""
    before = json.loads(path.read_text(encoding="utf-8"))
    height = chain.number("eth_blockNumber")
    record = deploying.deploy(chain, path)
    assert json.loads(path.read_text(encoding="utf-8")) == record
    old, new = addresses(before), addresses(record)
    moved = {name for name in new if new[name] != old[name]}
    assert {entry["name"] for entry in record["retired"]} == moved
    assert record["first_block"] == before["first_block"]
    return record, moved, chain.number("eth_blockNumber") - height


@pytest.mark.parametrize(
    ("artifact", "contracts", "transactions"),
    [
        ("GlobalParams", {"GlobalParams implementation"}, 2),
        ("TreasuryFactory", {"TreasuryFactory implementation"}, 2),
        ("CampaignInfoFactory", {"CampaignInfoFactory implementation"}, 2),
        ("CampaignInfo", {"CampaignInfo implementation"}, 2),
        ("PaymentTreasury", {"PaymentTreasury"}, 3),
        ("Mirrors", {"Mirrors", "MirrorPaymentTreasury"}, 4),
        (
            "RefundEscrow",
            {
                "RefundEscrow", "PaymentTreasury", "TimeConstrainedPaymentTreasury",
                "MirrorPaymentTreasury",
            },
            10,
        ),
    ],
)  # fmt: skip
def test_deploy_replaces_only_what_changed(
    chain, path, another_build, artifact, contracts, transactions
):
    with another_build(artifact):
        record, moved, sent = upgraded(chain, path)
        assert (moved, sent) == (contracts, transactions)
        again = deploying.deploy(chain, path)
        assert again == record
    for treasury, name in zip(
        record["implementations"],
        ("PaymentTreasury", "TimeConstrainedPaymentTreasury", "MirrorPaymentTreasury"),
        strict=True,
    ):
        assert treasury["address"] == addresses(record)[name]


@pytest.mark.parametrize("number", range(5))
def test_upgrade_deploys_nothing_twice_when_killed_before_the_receipt_of_transaction(
    chain, path, another_build, number
):
    height = chain.number("eth_blockNumber")
    with another_build("GlobalParams", "PaymentTreasury"):
        with pytest.raises(Crash):
            deploying.deploy(DyingChain(chain.provider, number, "sent"), path)
        _, moved, _ = upgraded(chain, path)
    assert moved == {"GlobalParams implementation", "PaymentTreasury"}
    assert chain.number("eth_blockNumber") == height + 5


def test_deploy_leaves_what_cannot_be_replaced_and_says_so(chain, path, another_build):
    said = []
    with another_build("LiveParams"):
        deploying.deploy(chain, path, said.append)
    (line,) = (line for line in said if line.startswith("DIFFERS"))
    assert line.startswith("DIFFERS contract LiveParams: ")


def test_deploy_changes_terms_that_may_change(chain, path):
    record = deploying.deploy(chain, path, protocol_fee_bps=25)
    assert record["protocol_fee_bps"] == 25
    assert (
        chain.read("GlobalParams", record["contracts"]["global_params"], "getProtocolFeePercent")
        == 25
    )


def test_deploy_records_what_others_added(chain, path):
    """An upgrade must not stop at a token or an adapter that the protocol admin chose."""
    record = json.loads(path.read_text(encoding="utf-8"))
    other = addresses(record)["TestBRLA"][:-1] + "0"
    code = chain.code(addresses(record)["TestBRLA"]).hex()
    chain.request("anvil_setCode", other, "0x" + code)
    deploying.send(chain, record, "GlobalParams", "addTokenToCurrency", CURRENCY, other)
    deploying.send(chain, record, "GlobalParams", "setPlatformAdapter", PLATFORM_HASH, STRANGER)
    renewed = deploying.deploy(chain, path)
    assert [token["address"].lower() for token in renewed["tokens"]] == [
        record["tokens"][0]["address"].lower(), other.lower(),
    ]  # fmt: skip
    assert renewed["adapter"].lower() == STRANGER


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"platform_fee_bps": 7}, "a listed platform keeps its fee"),
        ({"platform_admin": STRANGER}, "platform admin is 0xef4B.*hand over"),
        ({"protocol_admin": STRANGER}, "only the protocol admin deploys"),
    ],
)
def test_deploy_refuses_to_change_what_it_may_not(chain, path, terms, message):
    height = chain.number("eth_blockNumber")
    with pytest.raises(DeploymentError, match=message):
        deploying.deploy(chain, path, **terms)
    assert chain.number("eth_blockNumber") == height
