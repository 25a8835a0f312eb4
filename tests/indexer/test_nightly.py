from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, insert, select

from indexer.chain.blocks import Header, Transaction
from indexer.chain.networks import network_by_name
from indexer.chain.rpc import ChainReader
from indexer.chain.source import Block
from indexer.chain.types import Address, BlockNumber, TxHash
from indexer.errors import RpcError
from indexer.nightly import RETRY_AFTER, NightlyAudit, last_due
from indexer.projection_tables import treasuries
from indexer.tables import audits, marks
from stack.anvil import Anvil
from stack.ports import free_port
from tests.support.waiting import eventually

NETWORK = network_by_name("celo-local")
CHAIN = NETWORK.chain_id
OTHER = Address(b"o" * 20)


class Clock:
    """Stands until it is moved. Postgres dates the rows of an audit itself, hence near now."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reader(anvil: Anvil) -> Iterator[ChainReader]:
    made = ChainReader([anvil.url])
    yield made
    made.close()


@pytest.fixture
def finalized(engine: Engine, reader: ChainReader) -> None:
    """A chain of which the genesis block is final, and one treasury without code."""
    genesis = reader.block_by_number(BlockNumber(0))
    assert genesis is not None
    stamp = {"number": 0, "hash": genesis.hash, "timestamp": genesis.timestamp}
    with engine.begin() as connection:
        connection.execute(
            insert(marks).values(
                chain_id=CHAIN,
                network=NETWORK.name,
                first_block=0,
                **{
                    f"{mark}_{name}": value
                    for mark in ("fetched", "indexed", "finalized")
                    for name, value in stamp.items()
                },
            )
        )
        connection.execute(
            insert(treasuries).values(
                chain_id=CHAIN,
                block_number=0,
                log_index=0,
                block_hash=genesis.hash,
                tx_hash=bytes(32),
                factory=b"f" * 20,
                treasury=b"t" * 20,
                campaign=b"c" * 20,
                platform_hash=bytes(32),
                implementation_id=2,
            )
        )


def runs(engine: Engine) -> int:
    """How many audits left their rows."""
    with engine.connect() as connection:
        return int(
            connection.execute(select(func.count(func.distinct(audits.c.ran_at)))).scalar_one()
        )


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (datetime(2026, 1, 2, 3, 59, tzinfo=UTC), datetime(2026, 1, 1, 4, tzinfo=UTC)),
        (datetime(2026, 1, 2, 4, 0, tzinfo=UTC), datetime(2026, 1, 2, 4, tzinfo=UTC)),
        (datetime(2026, 1, 2, 23, 0, tzinfo=UTC), datetime(2026, 1, 2, 4, tzinfo=UTC)),
    ],
)
def test_audit_is_due_at_its_hour(now: datetime, due: datetime) -> None:
    assert last_due(now, hour=4) == due


@pytest.mark.usefixtures("finalized")
def test_audit_runs_once_a_night_when_the_process_restarts(
    engine: Engine, reader: ChainReader, clock: Clock
) -> None:
    hour = clock.now.hour
    night = NightlyAudit(engine, reader, NETWORK, hour=hour, clock=clock)
    assert night.run_if_due()
    eventually(lambda: runs(engine) == 1, what="the audit leaves its rows")
    assert not night.run_if_due()
    restarted = NightlyAudit(engine, reader, NETWORK, hour=hour, clock=clock)
    assert not restarted.run_if_due()

    clock.now += timedelta(days=1)
    assert restarted.run_if_due()
    eventually(lambda: runs(engine) == 2, what="the next night's audit")


@pytest.mark.usefixtures("finalized")
def test_audit_waits_and_tries_again_when_no_node_answers(engine: Engine, clock: Clock) -> None:
    reader = ChainReader([f"http://127.0.0.1:{free_port()}"])
    night = NightlyAudit(engine, reader, NETWORK, hour=clock.now.hour, clock=clock)
    assert night.run_if_due()
    eventually(lambda: not night.is_running, what="the audit gives up")
    assert not night.run_if_due()  # it would ask at every idle moment otherwise
    clock.now += RETRY_AFTER
    assert night.run_if_due()
    eventually(lambda: not night.is_running, what="the audit gives up again")
    assert runs(engine) == 0
    reader.close()


class Forgetful:
    """A node that has lost the state of one treasury, for a while."""

    def __init__(self, reader: ChainReader) -> None:
        self.reader = reader
        self.lost: set[Address] = {OTHER}
        self.asked: set[Address] = set()

    def block_by_number(self, block: Block) -> Header | None:
        return self.reader.block_by_number(block)

    def transaction_by_hash(self, tx_hash: TxHash) -> Transaction | None:
        return self.reader.transaction_by_hash(tx_hash)

    def call(self, to: Address, data: bytes, block: Block = "latest") -> bytes:
        self.asked.add(to)
        if to in self.lost:
            raise RpcError(-32000, "missing trie node 12")
        return self.reader.call(to, data, block)


@pytest.mark.usefixtures("finalized")
def test_audit_asks_again_for_what_was_postponed_and_nothing_else(
    engine: Engine, reader: ChainReader, clock: Clock
) -> None:
    with engine.begin() as connection:
        known = dict(connection.execute(select(treasuries)).one()._mapping)
        other = {"treasury": OTHER, "platform_hash": b"o" * 32, "log_index": 1}
        connection.execute(insert(treasuries), known | other)
    node = Forgetful(reader)
    night = NightlyAudit(engine, node, NETWORK, hour=clock.now.hour, clock=clock)
    assert night.run_if_due()
    eventually(lambda: not night.is_running, what="the first is audited")
    assert (runs(engine), node.asked) == (1, {known["treasury"], OTHER})

    node.lost, node.asked = set(), set()
    restarted = NightlyAudit(engine, node, NETWORK, hour=clock.now.hour, clock=clock)
    clock.now += RETRY_AFTER
    assert night.run_if_due()
    eventually(lambda: not night.is_running, what="the other is audited")
    assert not restarted.run_if_due()
    assert (runs(engine), node.asked) == (2, {OTHER})


def test_audit_does_no_harm_when_nothing_is_final_yet(
    engine: Engine, reader: ChainReader, clock: Clock
) -> None:
    night = NightlyAudit(engine, reader, NETWORK, hour=clock.now.hour, clock=clock)
    assert night.run_if_due()
    eventually(lambda: not night.is_running, what="the audit gives up")
    assert runs(engine) == 0
