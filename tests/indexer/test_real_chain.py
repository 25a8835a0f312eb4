"""The same follower and the same proofs on a real chain: anvil, real receipts, a real reorg."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from indexer.chain.deployments import Deployment
from indexer.chain.networks import Finality
from indexer.chain.rpc import ChainReader
from indexer.chain.types import Address, BlockNumber, PaymentId, TxHash, to_checksum
from indexer.follow import Follower
from indexer.payment_keys import crypto_key
from indexer.proof import verify_transaction
from indexer.queries import read_marks
from indexer.tables import orphans, reorgs
from indexer.verify import Proven, check_header, prove_receipts
from stack.anvil import Anvil
from tests.support.echo import ECHO_CODE, deploy, emit
from tests.support.fake_blocks import FakeLog
from tests.support.fake_chain import FakeChain
from tests.support.fresh_index import differences, new_network
from tests.support.indexing import (
    CHAIN,
    NETWORK,
    catch_up,
    claimed_of,
    present_of,
    rows_of,
    state_of,
)
from tests.support.protocol_logs import (
    address,
    batch_confirmed,
    campaign_created,
    deployment,
    payment_confirmed,
    payment_created,
    settled,
    treasury_deployed,
)
from tests.support.waiting import eventually

PAYMENT = PaymentId(b"p" * 32)
OTHER_PAYMENT = PaymentId(b"q" * 32)
CAMPAIGN = Address(b"c" * 20)


@dataclass(frozen=True, slots=True)
class Site:
    """Echo contracts on anvil that stand for the protocol's."""

    anvil: Anvil
    reader: ChainReader
    record: Deployment
    treasury: Address

    def mine(self, count: int) -> None:
        self.anvil.call("anvil_mine", hex(count))

    def emit(self, log: FakeLog, *, waits: bool = True) -> TxHash:
        return emit(self.anvil, log, waits=waits)


@pytest.fixture
def site(anvil: Anvil) -> Iterator[Site]:
    reader = ChainReader([anvil.url])
    genesis = reader.block_by_number(BlockNumber(0))
    assert genesis is not None
    campaign_factory, treasury_factory, treasury = (deploy(anvil, ECHO_CODE) for _ in range(3))
    template = deployment(genesis.hash)
    contracts = template.contracts.model_copy(
        update={
            "campaign_info_factory": campaign_factory,
            "treasury_factory": treasury_factory,
        }
    )
    record = template.model_copy(update={"contracts": contracts})
    emit(anvil, campaign_created(CAMPAIGN, b"i" * 32, emitter=campaign_factory))
    emit(anvil, treasury_deployed(treasury, CAMPAIGN, emitter=treasury_factory))
    yield Site(anvil, reader, record, treasury)
    reader.close()


def test_rows_follow_when_a_real_chain_reorganizes(site: Site, engine: Engine) -> None:
    follower = Follower(engine, site.reader, network=NETWORK, deployment=site.record)
    follower.start()
    site.emit(payment_created(site.treasury, PAYMENT))
    site.mine(3)
    site.emit(payment_confirmed(site.treasury, PAYMENT))
    catch_up(follower)
    assert [row["state"] for row in present_of(engine)] == ["confirmed"]

    site.anvil.call("anvil_reorg", 1, [])
    catch_up(follower)
    assert [row["state"] for row in present_of(engine)] == ["created"]
    assert [row["fact"] for row in rows_of(engine, orphans)] == ["payments_confirmed"]

    site.emit(batch_confirmed(site.treasury, OTHER_PAYMENT, PAYMENT))
    site.mine(2)
    catch_up(follower)
    (row,) = present_of(engine)
    assert (row["state"], row["confirmed_ordinal"], row["confirmed_proven"]) == (
        "confirmed",
        1,
        True,
    )
    marks = follower.marks
    assert marks.finalized is not None
    assert marks.indexed is not None
    assert marks.finalized.number == marks.indexed.number - 2


def test_every_block_proves_itself_when_made_by_a_real_node(site: Site) -> None:
    """Header hashes, receipt encodings and blooms against a node that is not ours."""
    site.anvil.call("evm_setAutomine", False)
    hashes = [
        site.emit(payment_created(site.treasury, bytes([n]) * 32), waits=False) for n in range(20)
    ]
    site.mine(1)
    head = site.reader.block_by_number("latest")
    assert head is not None
    headers = site.reader.headers(map(BlockNumber, range(head.number + 1)))
    assert len(headers) == head.number + 1
    verdicts = [
        prove_receipts(check_header(header), site.reader.receipts(header.hash) or [])
        for header in headers
    ]
    assert all(isinstance(verdict, Proven) for verdict in verdicts)
    last = verdicts[-1]
    assert isinstance(last, Proven)
    assert {receipt.tx_hash for receipt in last.receipts} == set(hashes)


def test_proof_holds_when_the_batch_names_the_payment_and_is_final(site: Site) -> None:
    tx_hash = site.emit(batch_confirmed(site.treasury, OTHER_PAYMENT, PAYMENT))
    site.mine(2)
    steps = verify_transaction(site.reader, tx_hash, payment_id=PAYMENT, treasury=site.treasury)
    assert [step.name for step in steps] == [
        "transaction mined",
        "header hash",
        "canonical block",
        "receipts root",
        "logs bloom",
        "event",
        "finalized",
    ]
    assert all(step.ok for step in steps)


@pytest.mark.parametrize(
    ("log", "confirms"),
    [
        (payment_created(CAMPAIGN, PAYMENT), False),
        (payment_created(CAMPAIGN, PAYMENT, is_crypto=True), False),
        (payment_confirmed(CAMPAIGN, PAYMENT), True),
        (batch_confirmed(CAMPAIGN, PAYMENT), True),
        (batch_confirmed(CAMPAIGN, OTHER_PAYMENT), False),
    ],
)
def test_proof_of_a_confirmation_needs_an_event_that_confirms_the_payment(
    log: FakeLog, *, confirms: bool
) -> None:
    chain = FakeChain()
    chain.mine([payment_created(CAMPAIGN, PAYMENT), log])
    tx_hash = chain.blocks[1].receipts[0].tx_hash
    named = {step.name: step for step in verify_transaction(chain, tx_hash, payment_id=PAYMENT)}
    assert named["event"].ok
    steps = verify_transaction(chain, tx_hash, payment_id=PAYMENT, confirms=True)
    assert {step.name: step.ok for step in steps}["event"] == confirms


def test_proof_of_a_crypto_payment_needs_its_key() -> None:
    chain = FakeChain()
    buyer = address("buyer")
    chain.mine([payment_created(CAMPAIGN, PAYMENT, is_crypto=True, buyer=buyer)])
    tx_hash = chain.blocks[1].receipts[0].tx_hash
    found = {
        name: verify_transaction(chain, tx_hash, payment_id=name, confirms=True)
        for name in (PAYMENT, crypto_key(PAYMENT, buyer))
    }
    oks = [{step.name: step.ok for step in steps}["event"] for steps in found.values()]
    assert oks == [False, True]


def test_proof_lists_both_events_when_a_payment_was_settled_in_one_call() -> None:
    chain = FakeChain()
    chain.mine(settled(CAMPAIGN, OTHER_PAYMENT, PAYMENT))
    steps = verify_transaction(chain, chain.blocks[1].receipts[0].tx_hash, payment_id=PAYMENT)
    (event,) = (step for step in steps if step.name == "event")
    emitter = to_checksum(CAMPAIGN)
    assert event.detail == (
        f"PaymentCreated at log 1 of {emitter}, PaymentBatchConfirmed at log 2 of {emitter}"
    )


@pytest.mark.parametrize("wrong", ["payment", "treasury"])
def test_proof_fails_at_the_event_when_it_names_another(site: Site, wrong: str) -> None:
    tx_hash = site.emit(payment_confirmed(site.treasury, PAYMENT))
    steps = verify_transaction(
        site.reader,
        tx_hash,
        payment_id=OTHER_PAYMENT if wrong == "payment" else PAYMENT,
        treasury=CAMPAIGN if wrong == "treasury" else site.treasury,
    )
    assert (steps[-1].name, steps[-1].ok) == ("event", False)


def test_proof_fails_when_the_transaction_is_unknown(site: Site) -> None:
    steps = verify_transaction(site.reader, TxHash(bytes(32)))
    assert [(step.name, step.ok) for step in steps] == [("transaction mined", False)]


def test_proof_fails_at_the_receipts_root_when_the_node_lies() -> None:
    chain = FakeChain()
    chain.mine([payment_confirmed(CAMPAIGN, PAYMENT)])
    chain.drops_log_from_receipts = True
    steps = verify_transaction(chain, chain.blocks[1].receipts[0].tx_hash, payment_id=PAYMENT)
    assert (steps[-1].name, steps[-1].ok) == ("receipts root", False)


def record_json(record: Deployment) -> str:
    """The record as the deployment writes it."""

    def text(value: object) -> str:
        assert isinstance(value, bytes)
        return "0x" + value.hex()

    return json.dumps(record.model_dump(), default=text)


@pytest.fixture
def start_indexer(
    site: Site, database_url: str, tmp_path: Path
) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    (tmp_path / "celo-local.json").write_text(record_json(site.record))
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "LASTRO_CHAIN": "celo-local",
        "LASTRO_RPC_URLS": site.anvil.url,
        "LASTRO_DEPLOYMENTS_DIR": str(tmp_path),
        "LASTRO_INDEXER_POLL_INTERVAL_S": "0.05",
    }
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str) -> subprocess.Popen[bytes]:
        with (tmp_path / f"{name}.log").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "indexer"], env=environment, stderr=output
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_second_process_takes_over_at_once_when_the_first_is_killed(
    site: Site,
    engine: Engine,
    start_indexer: Callable[[str], subprocess.Popen[bytes]],
    tmp_path: Path,
) -> None:
    def indexed() -> int:
        return indexed_number(engine)

    def says(name: str, what: str) -> bool:
        return what in (tmp_path / f"{name}.log").read_text()

    first = start_indexer("first")
    eventually(lambda: indexed() == 5, timeout_s=60, what="the first follows")
    second = start_indexer("second")
    eventually(lambda: says("second", "writer_lock_awaited"), timeout_s=60, what="the second waits")
    site.emit(payment_created(site.treasury, PAYMENT))
    eventually(lambda: indexed() == 6, timeout_s=60, what="the first goes on")

    first.send_signal(signal.SIGKILL)
    site.emit(payment_confirmed(site.treasury, PAYMENT))
    eventually(lambda: indexed() == 7, timeout_s=60, what="the second takes over")
    assert [row["state"] for row in present_of(engine)] == ["confirmed"]
    assert len(claimed_of(engine)) == 4

    second.send_signal(signal.SIGTERM)
    assert second.wait(60) == 0


def test_process_says_what_postgres_refused_when_the_schema_is_another(
    start_indexer: Callable[[str], subprocess.Popen[bytes]], login_engine: Engine, tmp_path: Path
) -> None:
    with login_engine.begin() as connection:
        connection.execute(text("ALTER TABLE chain.blocks DROP COLUMN parent_hash"))
    assert start_indexer("refusing").wait(60) == 2
    said = (tmp_path / "refusing.log").read_text()
    assert "Postgres refused a statement (UndefinedColumn)" in said
    assert "Traceback" not in said


def test_process_refuses_when_the_record_is_of_another_chain(
    start_indexer: Callable[[str], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    record = tmp_path / "celo-local.json"
    raw = json.loads(record.read_text())
    record.write_text(json.dumps(raw | {"genesis_hash": "0x" + "11" * 32}))
    assert start_indexer("refusing").wait(60) == 2
    assert "is of another chain" in (tmp_path / "refusing.log").read_text()


@pytest.mark.parametrize("depth", [10, 45, 75])
def test_rows_equal_a_fresh_index_when_a_real_chain_replaces_many_blocks(
    site: Site, engine: Engine, depth: int
) -> None:
    network = replace(NETWORK, finality=Finality(depth_blocks=200))
    follower = Follower(engine, site.reader, network=network, deployment=site.record)
    follower.start()
    site.emit(payment_created(site.treasury, PAYMENT))
    site.mine(depth - 2)
    site.emit(payment_confirmed(site.treasury, PAYMENT))
    site.mine(1)
    catch_up(follower)
    assert [row["state"] for row in present_of(engine)] == ["confirmed"]

    site.anvil.call("anvil_reorg", depth, [])
    catch_up(follower)
    states = [row["state"] for row in present_of(engine)]
    assert states == ["created"]
    site.emit(batch_confirmed(site.treasury, PAYMENT))
    catch_up(follower)
    (reorg,) = rows_of(engine, reorgs)
    assert reorg["orphaned_tip_number"] - reorg["ancestor_number"] == depth

    fresh = replace(new_network(), finality=network.finality)
    anew = Follower(engine, site.reader, network=fresh, deployment=site.record)
    anew.start()
    catch_up(anew)
    assert differences(state_of(engine), state_of(engine, fresh.chain_id)) == []


def test_process_is_current_within_two_seconds_of_work_when_started_after_a_kill(
    site: Site,
    engine: Engine,
    start_indexer: Callable[[str], subprocess.Popen[bytes]],
    tmp_path: Path,
) -> None:
    """The work begins when the lock is taken; how long Python takes to load is not ours."""
    first = start_indexer("first")
    eventually(lambda: indexed_number(engine) == 5, timeout_s=60, what="the first follows")
    first.send_signal(signal.SIGKILL)
    first.wait(60)
    site.emit(payment_created(site.treasury, PAYMENT))
    site.mine(300)
    start_indexer("second")

    def locked() -> bool:
        return "writer_lock_taken" in (tmp_path / "second.log").read_text()

    eventually(locked, timeout_s=60, what="the second may write")
    eventually(lambda: indexed_number(engine) == 306, timeout_s=2, what="it is current")
    assert [row["state"] for row in present_of(engine)] == ["created"]


def indexed_number(engine: Engine) -> int:
    with engine.connect() as connection:
        marks = read_marks(connection, CHAIN)
    return 0 if marks is None or marks.indexed is None else marks.indexed.number
