"""The deployment command, run as operators run it, against an anvil of its own."""

from __future__ import annotations

import json
import re
import subprocess

import artifact
import deploying
import pytest
from accounts import published_addresses
from deploying import ADMIN, KEY, rpc, run
from eth_account import Account
from networks import NETWORKS

BRLA = "0x" + "b1" * 20
COIN = 10**18
DEPLOYER_KEY = "0x" + "2b" * 32
ANVIL_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "a home"
    folder.mkdir()
    return folder


def test_deploy_writes_a_true_record_once_and_again_when_the_chain_is_new(home):
    path = home / "records" / "polygon-local.json"
    options = ["--network", "polygon-local", "--record", path, "--mint-brl-centavos", 12_345]
    with deploying.anvil(31338) as url:
        first = run(home, *options, "--rpc-url", url, "--platform-admin", ADMIN)
        assert first.returncode == 0, first.stderr
        assert first.stdout == f"polygon-local: deployed from block 1, {path}\n"
        progress = re.findall(r"polygon-local: (\d+)/(\d+) ", first.stderr)
        assert [int(step) for step, _ in progress] == list(range(1, int(progress[0][1]) + 1))
        record = json.loads(path.read_text(encoding="utf-8"))
        assert (record["network"], record["chain_id"]) == ("polygon-local", 31338)
        assert record["genesis_hash"] == rpc(url, "eth_getBlockByNumber", "0x0", False)["hash"]
        assert record["platform"]["admin"] == ADMIN
        assert record["first_block"] == 1
        token = record["tokens"][0]["address"]
        balance_of = {"to": token, "data": "0x70a08231" + ADMIN[2:].rjust(64, "0")}
        assert int(rpc(url, "eth_call", balance_of, "latest"), 16) == 12_345 * 10**16

        height = rpc(url, "eth_blockNumber")
        again = run(home, *options, "--rpc-url", url)
        assert (again.returncode, "already deployed" in again.stdout) == (0, True)
        assert rpc(url, "eth_blockNumber") == height
        assert json.loads(path.read_text(encoding="utf-8")) == record

    with deploying.anvil(31338) as url:
        anew = run(home, *options, "--rpc-url", url)
        assert anew.returncode == 0, anew.stderr
        assert "its genesis differs; deploying again" in anew.stderr
        renewed = json.loads(path.read_text(encoding="utf-8"))
        assert renewed["genesis_hash"] == rpc(url, "eth_getBlockByNumber", "0x0", False)["hash"]
    assert [entry.name for entry in home.iterdir()] == ["records"]
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.fixture(scope="module")
def local_record(tmp_path_factory):
    with deploying.anvil(deploying.LOCAL.chain_id) as url, deploying.connected(url) as chain:
        path = tmp_path_factory.mktemp("local") / "celo-local.json"
        record = deploying.deploy(chain, path)
        codes = {entry["name"]: chain.code(entry["address"]) for entry in record["deployed"]}
    return path, record, codes


def test_record_says_what_stands_where_and_what_it_was_made_of(local_record):
    _, record, codes = local_record
    by_name = {entry["name"]: entry for entry in record["deployed"]}
    assert {(item["id"], item["kind"], item["address"]) for item in record["implementations"]} == {
        (2, "payment-treasury", by_name["PaymentTreasury"]["address"]),
        (
            3,
            "time-constrained-payment-treasury",
            by_name["TimeConstrainedPaymentTreasury"]["address"],
        ),
        (4, "mirror-payment-treasury", by_name["MirrorPaymentTreasury"]["address"]),
    }
    escrow, live_params = by_name["RefundEscrow"]["address"], by_name["LiveParams"]["address"]
    assert record["contracts"] == {
        "global_params": by_name["GlobalParams"]["address"],
        "campaign_info_factory": by_name["CampaignInfoFactory"]["address"],
        "treasury_factory": by_name["TreasuryFactory"]["address"],
        "live_params": live_params,
        "refund_escrow": escrow,
    }
    for item in record["implementations"]:
        (entry,) = (found for found in record["deployed"] if found["address"] == item["address"])
        assert entry["arguments"] == [live_params, escrow]
        assert sorted(entry["libraries"]) == artifact.libraries_of(entry["artifact"])
        for library, address in entry["libraries"].items():
            assert by_name[library]["address"] == address
    for name, code in codes.items():
        assert by_name[name]["code_hash"] == artifact.code_hash(code)
        assert 0 < len(code) <= 24_576  # EIP-170
    assert by_name["LiveParams"]["creator"] == by_name["GlobalParams"]["address"]
    assert record["compiler"]["version"] == "0.8.30"
    assert record["artifacts_hash"] == artifact.manifest_hash()
    assert record["retired"] == []


def ask_service(code, *arguments: object):
    """Run a line in the service's environment, which is another one; returns what it prints."""
    done = subprocess.run(
        [str(deploying.ROOT / ".venv" / "bin" / "python"), "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=deploying.ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


READ = """
import json, sys
from pathlib import Path
from indexer.chain.deployments import load_deployment
from indexer.chain.networks import network_by_name
found = load_deployment(Path(sys.argv[1]), network_by_name("celo-local"))
print(json.dumps([found.first_block, [treasury.kind for treasury in found.implementations]]))
"""
SERVED = """
import json
from indexer.chain.networks import NETWORKS
print(json.dumps({network.name: network.chain_id for network in NETWORKS}))
"""


def test_record_is_one_that_the_service_reads(local_record):
    path, record, _ = local_record
    kinds = [item["kind"] for item in record["implementations"]]
    assert ask_service(READ, path.parent) == [1, kinds]


def test_every_network_of_the_service_can_be_deployed_to():
    assert ask_service(SERVED) == {name: found.chain_id for name, found in NETWORKS.items()}


def test_deploy_refuses_another_chain_than_the_network_names(home):
    with deploying.anvil(31338) as url:
        refused = run(home, "--network", "celo-local", "--rpc-url", url, "--record", "r.json")
    assert refused.returncode == 1
    assert refused.stderr == "celo-local: the RPC serves chain 31338, not 31337\n"
    assert not (home / "r.json").exists()


@pytest.mark.parametrize(
    ("arguments", "key", "message"),
    [
        (["--network", "celo-local"], KEY, "celo-local needs --rpc-url"),
        (["--network", "celo-local", "--rpc-url", "http://127.0.0.1:1"], None, "set LASTRO_PLAT"),
        (["--network", "celo-local", "--rpc-url", "http://127.0.0.1:1"], KEY, "No (supported) no"),
        (["--network", "celo-local", "--rpc-url", "x", "--brla", "x"], KEY, "are for public netw"),
        (["--network", "polygon"], None, "polygon is a mainnet; say --allow-mainnet"),
        (["--network", "celo"], None, "celo is a mainnet; say --allow-mainnet"),
        (["--network", "polygon-amoy"], None, "polygon-amoy needs --account"),
    ],
)
def test_deploy_says_what_is_missing(home, arguments, key, message):
    refused = run(home, *arguments, "--record", "r.json", key=key)
    assert refused.returncode == 1
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr


def keep_account(home, alias, key):
    """Write a key file where Ape finds it, with a passphrase and no work to derive from it."""
    folder = home / ".ape" / "accounts"
    folder.mkdir(parents=True, exist_ok=True)
    document = Account.encrypt(key, "a passphrase", kdf="pbkdf2", iterations=1)
    (folder / f"{alias}.json").write_text(json.dumps(document), encoding="utf-8")


PASSPHRASES = {
    "APE_ACCOUNTS_deployer_PASSPHRASE": "a passphrase",
    "APE_ACCOUNTS_platform_PASSPHRASE": "a passphrase",
}


def run_public(home, url, *arguments: object, network="celo"):
    options = ["--network", network, "--rpc-url", url, "--record", home / "r.json", "--brla", BRLA]
    options += ["--account", "deployer", "--platform-account", "platform", "--allow-mainnet"]
    return run(home, *options, *arguments, key=None, **PASSPHRASES)


@pytest.fixture
def mainnet(home):
    """An anvil that says it is Celo, with BRLA on it, and two accounts that hold nothing."""
    keep_account(home, "deployer", DEPLOYER_KEY)
    keep_account(home, "platform", KEY)
    with deploying.anvil(42220) as url:
        code = artifact.load("TestBRLA")["deployedBytecode"]
        rpc(url, "anvil_setCode", BRLA, code)
        yield url


@pytest.mark.parametrize(("alias", "role"), [("deployer", "deployer"), ("platform", "platform")])
def test_deploy_refuses_a_published_key_on_a_public_network(home, mainnet, alias, role):
    keep_account(home, alias, ANVIL_KEY)
    refused = run_public(home, mainnet)
    assert refused.returncode == 1
    assert f"the {role}" in refused.stderr
    assert "is a published test account: anyone holds its key" in refused.stderr
    assert rpc(mainnet, "eth_blockNumber") == "0x0"


def test_published_addresses_hold_what_anvil_and_ganache_give_everyone():
    published = published_addresses()
    assert "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266" in published  # anvil's first
    assert "0x8626f6940E2eb28930eFb4CeF49B2d1F2C9C1199" in published  # and its twentieth
    assert "0x90F8bf6A479f320ead074411a4B0e7944Ea8c9C1" in published  # Ganache's first
    assert len(published) == 30


def test_deploy_refuses_a_mainnet_when_the_balance_is_below_the_dry_runs_cost(home, mainnet):
    refused = run_public(home, mainnet)
    assert refused.returncode == 1
    address = Account.from_key(DEPLOYER_KEY).address
    assert f"the deployer {address} holds 0.000000 of the " in refused.stderr
    assert f"the platform admin {ADMIN} holds 0.000000 of the " in refused.stderr
    assert rpc(mainnet, "eth_blockNumber") == "0x0"
    assert [entry.name for entry in home.iterdir()] == [".ape"]


def test_deploy_refuses_what_is_not_brla(home, mainnet):
    rpc(mainnet, "anvil_setCode", BRLA, artifact.load("OddToken")["deployedBytecode"])
    refused = run_public(home, mainnet)
    assert refused.returncode == 1
    assert "--brla is not the address of BRLA" in refused.stderr


def test_deploy_deploys_to_a_mainnet_when_told_to_with_funded_keys_of_ones_own(home, mainnet):
    """And at what its dry run said that it costs."""
    for address in (Account.from_key(DEPLOYER_KEY).address, ADMIN):
        rpc(mainnet, "anvil_setBalance", address, hex(COIN))
    done = run_public(home, mainnet, "--protocol-fee-bps", 100, "--platform-fee-bps", 300)
    assert done.returncode == 0, done.stderr
    (expected,) = re.findall(r"to do: ([\d,]+) gas, about", done.stderr)
    used = [number_of(gas) for gas in re.findall(r"done, ([\d,]+) gas", done.stderr)]
    assert abs(sum(used) - number_of(expected)) < 1_000 * len(used)
    record = json.loads((home / "r.json").read_text(encoding="utf-8"))
    assert record["tokens"][0]["address"].lower() == BRLA
    assert "TestBRLA" not in {entry["name"] for entry in record["deployed"]}
    again = run_public(home, mainnet)
    assert "already deployed" in again.stdout, again.stderr
    assert json.loads((home / "r.json").read_text(encoding="utf-8")) == record
    assert (record["protocol_fee_bps"], record["platform"]["fee_bps"]) == (100, 300)


def number_of(text):
    return int(text.replace(",", ""))


def test_dry_run_says_what_every_step_costs_and_needs_no_network_and_no_account(home):
    done = run(home, "--network", "polygon", "--dry-run", "--gas-price-gwei", 40, key=None)
    assert done.returncode == 0, done.stderr
    rows = re.findall(
        r"^ +\d+  (.+?) +(deployer|platform admin) +([\d,]+)$", done.stdout, re.MULTILINE
    )
    gas = {name: number_of(number) for name, _, number in rows}
    assert gas["contract PaymentTreasury"] > 3_000_000
    assert "registration of MirrorPaymentTreasury" in gas
    total = sum(gas.values())
    micro = -(-total * 40 * 10**9 // 10**12)
    assert f"total: {total:,} gas, {micro // 10**6}.{micro % 10**6:06} coins at 40 gwei" in (
        done.stdout
    )
    assert list(home.iterdir()) == []
