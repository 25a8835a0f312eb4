from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import OperationalError

from indexer import announcing
from indexer.chain.types import BlockNumber
from indexer.outbox import acknowledge, read_outbox
from indexer.outbox_telling import Delivery, Message
from indexer.tables import marks
from tests.support.facts import (
    CHAIN,
    add,
    add_marks,
    paid,
    refunded,
)
from tests.support.outbox_consumer import Consumer
from tests.support.outbox_rows import announce, mined, payment, reorganise, repair, write


@pytest.fixture
def engine(engine_as: Callable[[str], Engine]) -> Engine:
    return engine_as("chain")


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
    assert consumer.differences() == []


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
    assert consumer.differences() == []


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
    assert consumer.differences() == []


def test_latest_takes_back_what_it_told_before_when_a_reorg_follows_an_amendment_below(
    engine: Engine,
) -> None:
    """Survives: a reorg between an amendment and the retelling from there on."""
    consumer = Consumer(engine)
    with engine.begin() as connection:
        write(connection, 1, *mined(1), *mined(3), high=3)
    consumer.read_all()
    with engine.begin() as connection:
        add(connection, *mined(2))
        announce(connection, "amended", 2, 2)
    with engine.begin() as connection:
        reorganise(connection, 2, 3)
        write(connection, 3, *mined(3, "b"))
    assert [(one.kind, one.block_number) for one in consumer.read_all()] == [
        *[("retract", 3)] * 2,
        *[("assert", 2)] * 2,
        *[("assert", 3)] * 2,
    ]
    assert consumer.differences() == []


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_latest_takes_back_what_it_told_when_a_reorg_meets_it_retelling(
    engine: Engine, limit: int
) -> None:
    """Survives: a reorg above the page of an amendment that the consumer is at."""
    consumer = Consumer(engine, limit=limit)
    with engine.begin() as connection:
        write(connection, 1, *mined(1), *mined(2), *mined(3), high=3)
    consumer.read_all()
    with engine.begin() as connection:
        announce(connection, "amended", 1, 1)
    consumer.read()
    with engine.begin() as connection:
        reorganise(connection, 2, 3)
        write(connection, 3, *mined(3, "b"))
    consumer.read_all()
    assert consumer.differences() == []


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_fact_taken_back_below_a_reorg_hides_none_that_the_next_reorg_removes(
    engine: Engine, limit: int
) -> None:
    """Survives: a late claim undone by one reorg, and a second reorg below the first."""
    consumer = Consumer(engine, limit=limit)
    with engine.begin() as connection:
        write(connection, 1, *(mined(1) + mined(2) + mined(3) + mined(4)), high=4)
    consumer.read_all()
    with engine.begin() as connection:
        reorganise(connection, 3, 4, unclaimed=1)
    consumer.read()
    with engine.begin() as connection:
        reorganise(connection, 1, 3)
        write(connection, 2, *mined(2, "b"))
    consumer.read_all()
    assert consumer.differences() == []
    assert [one.kind for one in consumer.heard].count("retract") == 8


def test_latest_takes_back_alone_what_came_and_went_in_blocks_it_knew(engine: Engine) -> None:
    """Survives: a late claim and the end of the block that made it, between two reads."""
    consumer = Consumer(engine)
    with engine.begin() as connection:
        write(connection, 1, *mined(1), *mined(3), high=3)
    consumer.read_all()
    with engine.begin() as connection:
        add(connection, *mined(2))
        announce(connection, "amended", 2, 2)
        write(connection, 4)
    with engine.begin() as connection:
        reorganise(connection, 3, 4, unclaimed=2)
    assert shape(consumer.read_all())[:2] == [
        ("retract", 2, "payments_confirmed", 2),
        ("retract", 2, "payments_created", 2),
    ]
    assert consumer.differences() == []


def test_latest_tells_nothing_of_a_branch_that_came_and_went_where_another_was_taken_back(
    engine: Engine,
) -> None:
    consumer = Consumer(engine)
    with engine.begin() as connection:
        write(connection, 1, *(mined(1) + mined(2) + mined(3)), high=3)
    consumer.read_all()
    with engine.begin() as connection:
        reorganise(connection, 1, 3)
    assert len(consumer.read_all()) == 4
    with engine.begin() as connection:
        write(connection, 2, *mined(2, "b"))
        reorganise(connection, 1, 2)
    assert consumer.read_all() == []


@pytest.mark.parametrize("delivery", ["latest", "finalized"])
@pytest.mark.parametrize("limit", [1, 100])
def test_what_a_repair_found_false_is_taken_back_and_told_as_it_is(
    engine: Engine, delivery: Delivery, limit: int
) -> None:
    """Survives: a reorg just after a repair below all that the consumer was told."""
    consumer = Consumer(engine, delivery, limit=limit)
    with engine.begin() as connection:
        add_marks(connection, indexed=3, finalized=2)
        write(connection, 1, *(mined(1) + mined(2) + mined(3)), high=3)
    consumer.read_all()
    with engine.begin() as connection:
        repair(connection, 1, amount=7)
    with engine.begin() as connection:
        reorganise(connection, 2, 3)
        write(connection, 3, *mined(3, "b"))
    messages = consumer.read_all()
    assert shape(messages)[0] == ("retract", 1, "payments_created", 2)
    told = [one for one in messages if one.identity == messages[0].identity]
    assert [(one.kind, one.values["amount"]) for one in told[1:]] == [("assert", 7)]
    assert consumer.differences() == []


def test_no_writer_adds_to_the_outbox_while_another_has(
    engine: Engine, engine_as: Callable[[str], Engine]
) -> None:
    """Survives: a follower that replaces blocks while a repair mends older ones."""
    with engine.begin() as connection:
        add_marks(connection, indexed=3, finalized=3)
    block = BlockNumber(1)
    with engine.begin() as one, engine_as("chain").connect() as other:
        announcing.announce(one, CHAIN, action="added", low=block, high=block)
        other.execute(text("SET lock_timeout = '50ms'"))
        with pytest.raises(OperationalError, match="lock timeout"):
            announcing.announce(other, CHAIN, action="added", low=block, high=block)


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
    assert consumer.differences() == []
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
    assert consumer.differences() == []


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
