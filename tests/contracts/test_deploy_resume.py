"""A deployment that dies anywhere is finished by running it again, and nothing is made twice."""

from __future__ import annotations

import json
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Thread

import accounts
import deploying
import journal as journals
import pytest
import record as records
import requests
from chain import Chain
from deploying import ADMIN, Crash, DyingChain
from deployment import gas_left
from faults import DeploymentError, ForeignRecordError
from plan import make_plan
from sender import Patience, Request, Sender
from step import DEPLOYER, PLATFORM
from view import View

DEPLOYER_ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
TRANSACTIONS = 32


@pytest.fixture(scope="module")
def url():
    with deploying.anvil(deploying.LOCAL.chain_id) as found:
        yield found


@pytest.fixture
def chain(url):
    """An empty chain, the same one for every test: the same genesis, and no transaction."""
    snapshot = deploying.rpc(url, "evm_snapshot")
    with deploying.connected(url) as found:
        yield found
    deploying.rpc(url, "evm_revert", snapshot)


@pytest.fixture(scope="module")
def uninterrupted(url, tmp_path_factory):
    """The record of a deployment in which nothing happened, and the height it left."""
    snapshot = deploying.rpc(url, "evm_snapshot")
    with deploying.connected(url) as found:
        record = deploying.deploy(found, tmp_path_factory.mktemp("whole") / "record.json")
        height = found.number("eth_blockNumber")
    deploying.rpc(url, "evm_revert", snapshot)
    assert height == TRANSACTIONS
    return record, height


def die(*_: object):
    raise Crash


class MiningChain(Chain):
    def broadcast(self, raw):
        try:
            super().broadcast(raw)  # answers that it knows the transaction
        finally:
            self.request("evm_mine")


class RivalChain(Chain):
    def broadcast(self, _raw):
        mine = {"from": DEPLOYER_ADDRESS, "to": ADMIN, "value": "0x1"}
        self.request("eth_sendTransaction", mine)


class ShortChain(Chain):
    def broadcast(self, raw):
        if self.number("eth_blockNumber") == 2:
            self.request("evm_setBlockGasLimit", "0x7a120")
        super().broadcast(raw)


def without_hashes(record):
    """A record without its transactions' hashes, which depend on the fees of the moment."""
    deployed = [entry | {"transaction": ""} for entry in record["deployed"]]
    return record | {"deployed": deployed}


def assert_whole(chain, path, uninterrupted):
    record, height = uninterrupted
    found = json.loads(path.read_text(encoding="utf-8"))
    assert without_hashes(found) == without_hashes(record)
    assert chain.number("eth_blockNumber") == height
    for entry in found["deployed"]:
        receipt = chain.receipt(entry["transaction"])
        assert receipt["contractAddress"] == (entry["creator"] or entry["address"]).lower()
        assert int(receipt["blockNumber"], 16) == entry["block"]
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("number", range(0, TRANSACTIONS, 5))
def test_deploy_deploys_nothing_twice_when_killed_before_the_receipt_of_transaction(
    chain, tmp_path, uninterrupted, number
):
    path = tmp_path / "record.json"
    with pytest.raises(Crash):
        deploying.deploy(DyingChain(chain.provider, number, "sent"), path)
    assert not path.exists()
    deploying.deploy(chain, path)
    assert_whole(chain, path, uninterrupted)


@pytest.mark.parametrize("moment", DyingChain.MOMENTS)
def test_deploy_deploys_nothing_twice_when_killed_at_every_transaction(
    chain, tmp_path, uninterrupted, moment
):
    path = tmp_path / "record.json"
    # How often a run passes the moment again while it ends the transaction of the last one.
    passed = dict(zip(DyingChain.MOMENTS, (1, 0, 2), strict=True))[moment]
    for crashes in count():
        try:
            deploying.deploy(DyingChain(chain.provider, passed if crashes else 0, moment), path)
        except Crash:
            continue
        break
    assert crashes >= TRANSACTIONS - 1
    assert_whole(chain, path, uninterrupted)


def test_deploy_deploys_nothing_twice_when_killed_before_signing(chain, tmp_path, uninterrupted):
    path = tmp_path / "record.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journals.Journal, "attempt", die)
        with pytest.raises(Crash):
            deploying.deploy(chain, path)
    deploying.deploy(chain, path)
    assert_whole(chain, path, uninterrupted)


def test_deploy_deploys_nothing_twice_when_killed_with_a_transaction_in_the_pool(
    chain, tmp_path, uninterrupted
):
    path = tmp_path / "record.json"
    chain.request("evm_setAutomine", False)
    with pytest.raises(Crash):
        deploying.deploy(DyingChain(chain.provider, 0, "sent"), path)
    assert chain.number("eth_blockNumber") == 0

    deploying.deploy(MiningChain(chain.provider), path)
    chain.request("evm_setAutomine", True)
    assert_whole(chain, path, uninterrupted)


def test_deploy_ignores_the_line_that_a_crash_tore(chain, tmp_path, uninterrupted):
    path = tmp_path / "record.json"
    with pytest.raises(Crash):
        deploying.deploy(DyingChain(chain.provider, 5, "mined, and not journalled as mined"), path)
    with (tmp_path / "record.json.partial").open("a", encoding="utf-8") as journal:
        journal.write('{"mined": {"transaction": "0x')
    deploying.deploy(chain, path)
    assert_whole(chain, path, uninterrupted)


def test_deploy_writes_the_same_record_when_killed_before_the_journal_went(
    chain, tmp_path, uninterrupted
):
    path = tmp_path / "record.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journals.Journal, "finish", die)
        with pytest.raises(Crash):
            deploying.deploy(chain, path)
    assert path.exists()
    deploying.deploy(chain, path)
    assert_whole(chain, path, uninterrupted)


def test_gas_left_counts_what_a_crash_left_undone(chain, tmp_path, uninterrupted):
    """A resumed deployment must be affordable, not one from nothing."""
    path, book = tmp_path / "record.json", journals.Book()
    with pytest.raises(Crash):
        deploying.deploy(DyingChain(chain.provider, 20, "sent"), path)
    identity = {"chain_id": chain.chain_id, "genesis_hash": chain.genesis_hash()}
    journals.Journal(tmp_path / "record.json.partial", book, identity).close()
    _, terms = records.restore(uninterrupted[0])
    plan = make_plan(terms, 100)
    left = gas_left(plan, View(chain, book, terms), dict.fromkeys((s.name for s in plan), 1))
    assert left[PLATFORM] == 3
    assert 0 < left[DEPLOYER] < TRANSACTIONS - 20


def test_deploy_refuses_while_another_process_deploys(chain, tmp_path):
    path = tmp_path / "record.json"
    identity = {"chain_id": chain.chain_id, "genesis_hash": chain.genesis_hash()}
    held = journals.Journal(tmp_path / "record.json.partial", journals.Book(), identity)
    with pytest.raises(DeploymentError, match="another process is deploying"):
        deploying.deploy(chain, path)
    held.close()
    assert chain.number("eth_blockNumber") == 0


def test_journal_of_another_chain_is_refused(tmp_path):
    path = tmp_path / "record.json.partial"
    journal = journals.Journal(path, journals.Book(), {"chain_id": 1, "genesis_hash": "0x01"})
    journal.intend(journals.Intent("a step", ADMIN, 0, ADMIN, "0x", 0, 21_000))
    journal.close()
    with pytest.raises(ForeignRecordError, match="is of chain 1, genesis 0x01"):
        journals.Journal(path, journals.Book(), {"chain_id": 1, "genesis_hash": "0x02"})


def test_sender_stops_when_another_transaction_took_the_nonce(chain, tmp_path):
    """Two transactions of one nonce: only one is mined, and the other is never sent again."""
    signers = accounts.local_accounts(deploying.KEY)
    journal = journals.Journal(
        tmp_path / "journal", journals.Book(), {"chain_id": 31337, "genesis_hash": "0x"}
    )

    patience = Patience(poll_s=0.01, attempt_s=0.1, attempts=1)
    sender = Sender(RivalChain(chain.provider), journal, signers, patience)
    with pytest.raises(DeploymentError, match="another transaction took nonce 0 of 0xf39F"):
        sender.send("a step", Request(DEPLOYER, ADMIN, b""))
    assert journal.intent is None


def test_sender_raises_the_fees_when_a_transaction_is_not_mined(chain, tmp_path):
    signers = accounts.local_accounts(deploying.KEY)
    journal = journals.Journal(
        tmp_path / "journal", journals.Book(), {"chain_id": 31337, "genesis_hash": "0x"}
    )
    chain.request("evm_setAutomine", False)
    patience = Patience(poll_s=0.01, attempt_s=0.05, attempts=3)
    sender = Sender(chain, journal, signers, patience)
    with pytest.raises(
        DeploymentError, match=r"is not mined yet \(0x\w+\): run again to go on waiting"
    ):
        sender.send("a step", Request(DEPLOYER, ADMIN, b"", 1))
    fees = [attempt.max_fee for attempt in journal.attempts]
    assert fees == sorted(set(fees))
    assert len(fees) == 3
    chain.request("evm_mine")
    chain.request("evm_setAutomine", True)
    assert sender.resume() == "a step"
    assert chain.nonce(DEPLOYER_ADDRESS) == 1


def test_deploy_says_which_step_reverted_and_goes_on_from_there(chain, tmp_path, uninterrupted):
    """A transaction that ran out of gas took a nonce: the contracts after it stand elsewhere."""
    path = tmp_path / "record.json"

    with pytest.raises(DeploymentError, match="TreasuryFactory implementation was refused"):
        deploying.deploy(ShortChain(chain.provider), path)
    chain.request("evm_setBlockGasLimit", "0x1c9c380")
    deploying.deploy(chain, path)
    assert_whole(chain, path, uninterrupted)


class KillingProxy(BaseHTTPRequestHandler):
    """Passes requests on to a node, and kills the sender at its n-th transaction."""

    protocol_version = "HTTP/1.1"
    wbufsize = 2**16  # headers and body in one packet

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        sends = b"eth_sendRawTransaction" in body
        die = sends and next(self.server.transactions) == self.server.die_at
        if die and not self.server.passes_it_on:
            self.server.victim.kill()
            return
        json_body = {"Content-Type": "application/json"}
        answer = requests.post(self.server.node, data=body, headers=json_body, timeout=10)
        if die:
            self.server.victim.kill()
            return
        self.send_response(answer.status_code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: object):
        pass


def killed_at(node, arguments, home, die_at, *, passes_it_on):
    """Run the command through a proxy that kills it; returns its exit code."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), KillingProxy)
    server.node, server.die_at, server.passes_it_on = node, die_at, passes_it_on
    server.transactions = count()
    Thread(target=server.serve_forever, daemon=True).start()
    proxy = f"http://127.0.0.1:{server.server_address[1]}"
    server.victim = subprocess.Popen(
        deploying.command(*arguments, "--rpc-url", proxy),
        env=deploying.environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return server.victim.wait(timeout=60)
    finally:
        server.shutdown()
        server.server_close()


def test_command_deploys_nothing_twice_when_killed_by_signal_9_before_and_after_sending(
    chain, url, tmp_path, uninterrupted
):
    home, path = tmp_path / "home", tmp_path / "records" / "celo-local.json"
    home.mkdir()
    arguments = ["--network", "celo-local", "--record", path, "--mint-brl-centavos", 100]
    assert killed_at(url, arguments, home, 3, passes_it_on=False) == -9
    assert chain.number("eth_blockNumber") == 3
    assert killed_at(url, arguments, home, 8, passes_it_on=True) == -9
    assert chain.number("eth_blockNumber") == 12
    finished = deploying.run(home, *arguments, "--rpc-url", url)
    assert finished.returncode == 0, finished.stderr
    assert "was under way, and is done" in finished.stderr
    assert_whole(chain, path, uninterrupted)
