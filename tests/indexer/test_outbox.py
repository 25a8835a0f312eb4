from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, event, func, insert, literal_column, select

from indexer.chain.types import BlockNumber, BlockStamp, PaymentId
from indexer.outbox import FACTS, Delivery, Message, acknowledge, read_outbox
from indexer.tables import marks, orphans, outbox, reorgs
from tests.support.facts import (
    CHAIN,
    GENESIS,
    FactRow,
    add,
    add_marks,
    block_hash,
    confirmed,
    created,
    hash_of,
    paid,
    refunded,
)


@pytest.fixture
def engine(engine_as: Callable[[str], Engine]) -> Engine:
    return engine_as("chain")


def payment(number: int, branch: str = "") -> PaymentId:
    return PaymentId(hash_of(f"payment {number}{branch}"))


def mined(number: int, branch: str = "") -> list[FactRow]:
    """One payment created and confirmed in one block."""
    made = created(number, 0, payment(number, branch))
    sealed = confirmed(number, 1, payment(number, branch))
    for _, values in (made, sealed):
        values["block_hash"] = block_hash(number, branch)
    return [made, sealed]


def write(connection: Connection, low: int, *rows: FactRow, high: int | None = None) -> None:
    """What the writer commits for a range."""
    add(connection, *rows)
    announce(connection, "added", low, low if high is None else high)


def announce(
    connection: Connection, action: str, low: int, high: int, reorg_id: int | None = None
) -> None:
    revision = select(func.count() + 1).select_from(reorgs).scalar_subquery()
    connection.execute(
        insert(outbox).values(
            chain_id=CHAIN, action=action, low=low, high=high, revision=revision, reorg_id=reorg_id
        )
    )


def reorganise(connection: Connection, ancestor: int, tip: int) -> None:
    """What the writer commits when blocks go: facts become orphans."""
    stamp = BlockStamp(BlockNumber(tip), block_hash(tip), GENESIS)
    reorg_id = connection.execute(
        insert(reorgs)
        .values(
            chain_id=CHAIN,
            ancestor_number=ancestor,
            orphaned_tip_number=stamp.number,
            orphaned_tip_hash=stamp.hash,
        )
        .returning(reorgs.c.id)
    ).scalar_one()
    for table in FACTS:
        gone = select(table, func.to_jsonb(literal_column(table.name)).label("whole")).where(
            table.c.block_number > ancestor
        )
        for row in connection.execute(gone).all():
            connection.execute(
                insert(orphans).values(
                    reorg_id=reorg_id,
                    chain_id=CHAIN,
                    fact=table.name,
                    block_number=row.block_number,
                    block_hash=row.block_hash,
                    log_index=row.log_index,
                    ordinal=getattr(row, "ordinal", 0),
                    values=row.whole,
                )
            )
        connection.execute(delete(table).where(table.c.block_number > ancestor))
    announce(connection, "removed", ancestor + 1, tip, reorg_id)


class Consumer:
    """Keeps what it is told, as a downstream service would, and notices what makes no sense."""

    def __init__(self, engine: Engine, delivery: Delivery = "latest", *, limit: int = 100) -> None:
        self.engine, self.delivery, self.limit = engine, delivery, limit
        self.holds: dict[Any, Any] = {}
        self.heard: list[Message] = []

    def read(self) -> list[Message]:
        """One read, one acknowledgement."""
        with self.engine.begin() as connection:
            name: dict[str, Any] = {
                "consumer": "test",
                "chain_id": CHAIN,
                "delivery": self.delivery,
            }
            told = read_outbox(connection, **name, limit=self.limit)
            for message in told.messages:
                self._take(message)
            acknowledge(connection, **name, through=told.through)
        self.heard += told.messages
        return list(told.messages)

    def read_all(self) -> list[Message]:
        found: list[Message] = []
        while more := self.read():
            found += more
        return found

    def _take(self, message: Message) -> None:
        if message.kind == "assert":
            before = self.holds.setdefault(message.identity, message.values)
            assert before == message.values
        else:
            assert self.holds.pop(message.identity) == message.values


def facts_of(engine: Engine, up_to: int | None = None) -> dict[Any, Any]:
    """What stands, as a consumer that was told all would hold it."""
    told = Consumer(engine)
    with engine.connect() as connection:
        messages = read_outbox(
            connection, consumer="nobody", chain_id=CHAIN, delivery="latest", limit=10_000
        ).messages
    for message in messages:
        if up_to is None or message.block_number <= up_to:
            told._take(message)
    return told.holds


def shape(messages: list[Message]) -> list[tuple[str, int, str, int]]:
    return [(one.kind, one.block_number, one.identity.fact, one.revision) for one in messages]


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_latest_tells_a_reorg_as_retractions_newest_first_and_then_the_new_branch(
    engine: Engine, limit: int
) -> None:
    consumer = Consumer(engine, limit=limit)
    with engine.begin() as connection:
        write(connection, 1, *mined(1))
        write(connection, 2, *mined(2), *mined(3), high=3)
    consumer.read_all()
    with engine.begin() as connection:
        reorganise(connection, 1, 3)
        write(connection, 2, *mined(2, "b"))
    assert shape(consumer.read_all()) == [
        ("retract", 3, "payments_confirmed", 2),
        ("retract", 3, "payments_created", 2),
        ("retract", 2, "payments_confirmed", 2),
        ("retract", 2, "payments_created", 2),
        ("assert", 2, "payments_created", 2),
        ("assert", 2, "payments_confirmed", 2),
    ]
    assert consumer.holds == facts_of(engine)


def test_latest_tells_nothing_of_what_was_added_and_removed_before_it_read(
    engine: Engine,
) -> None:
    consumer = Consumer(engine)
    with engine.begin() as connection:
        write(connection, 1, *mined(1))
    consumer.read_all()
    with engine.begin() as connection:
        write(connection, 2, *mined(2))
        reorganise(connection, 1, 2)
        write(connection, 2, *mined(2, "b"))
        reorganise(connection, 1, 2)
    assert consumer.read_all() == []


def test_latest_retracts_just_what_it_told_when_a_reorg_meets_it_in_the_middle_of_a_block(
    engine: Engine,
) -> None:
    """Survives: a consumer that stopped after one of the two facts of a log."""
    consumer = Consumer(engine, limit=1)
    with engine.begin() as connection:
        write(connection, 1, *paid(1, 0), *mined(2), high=2)
    assert shape(consumer.read()) == [("assert", 1, "payments_created", 1)]
    with engine.begin() as connection:
        reorganise(connection, 0, 2)
    assert shape(consumer.read_all()) == [("retract", 1, "payments_created", 2)]
    assert consumer.holds == {}


def test_latest_keeps_its_order_when_a_reorg_commits_between_its_two_reads(
    engine: Engine, engine_as: Callable[[str], Engine]
) -> None:
    """Survives: the writer swaps branches after the changes are read and before the facts are."""
    consumer = Consumer(engine)
    with engine.begin() as connection:
        write(connection, 1, *mined(1), *mined(2), high=2)
    consumer.read_all()
    writer = engine_as("chain")
    swapped: list[bool] = []

    def swap(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "payments_created" in statement and not swapped:
            swapped.append(True)
            with writer.begin() as connection:
                reorganise(connection, 1, 2)
                write(connection, 2, *mined(2, "b"), *mined(3, "b"), high=3)

    event.listen(engine, "before_cursor_execute", swap)
    messages = consumer.read()
    event.remove(engine, "before_cursor_execute", swap)
    assert swapped
    assert [one.kind for one in messages] == ["retract"] * 2 + ["assert"] * 4
    assert consumer.holds == facts_of(engine)


def test_latest_tells_again_from_an_amended_block_on(engine: Engine) -> None:
    """Survives: logs of a contract that became known after the consumer had passed them."""
    consumer = Consumer(engine)
    with engine.begin() as connection:
        write(connection, 1, *mined(1), *mined(3), high=3)
    consumer.read_all()
    with engine.begin() as connection:
        add(connection, *mined(2))
        announce(connection, "amended", 2, 2)
    assert [one.block_number for one in consumer.read_all()] == [2, 2, 3, 3]
    assert consumer.holds == facts_of(engine)


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_finalized_tells_each_fact_once_in_order_up_to_the_mark_and_retracts_nothing(
    engine: Engine, limit: int
) -> None:
    consumer = Consumer(engine, "finalized", limit=limit)
    with engine.begin() as connection:
        add_marks(connection, indexed=3, finalized=1)
        write(connection, 1, *mined(1), *mined(2), *mined(3), refunded(1, 2, payment(1)), high=3)
    assert [one.block_number for one in consumer.read_all()] == [1, 1, 1]
    with engine.begin() as connection:
        reorganise(connection, 1, 3)
        write(connection, 2, *mined(2, "b"))
        connection.execute(marks.update().values(finalized_number=2))
    assert [(one.kind, one.block_number) for one in consumer.read_all()] == [("assert", 2)] * 2
    assert consumer.holds == facts_of(engine)
    assert len(consumer.heard) == len(consumer.holds)


def test_finalized_hears_of_late_facts_below_its_place(engine: Engine) -> None:
    consumer = Consumer(engine, "finalized")
    with engine.begin() as connection:
        add_marks(connection, indexed=3, finalized=3)
        write(connection, 1, *mined(1), *mined(3), high=3)
    consumer.read_all()
    with engine.begin() as connection:
        add(connection, *mined(2))
        announce(connection, "amended", 2, 2)
    consumer.read_all()
    assert consumer.holds == facts_of(engine)


def test_a_message_comes_again_when_the_consumer_dies_before_it_acknowledges(
    engine: Engine,
) -> None:
    with engine.begin() as connection:
        write(connection, 1, *mined(1))
    name: dict[str, Any] = {"consumer": "c", "chain_id": CHAIN, "delivery": "latest"}
    with engine.connect() as connection:
        first = read_outbox(connection, **name, limit=1)
        again = read_outbox(connection, **name, limit=1)
    assert first == again
    with engine.begin() as connection:
        acknowledge(connection, **name, through=first.through)
        assert read_outbox(connection, **name, limit=1).messages != first.messages
