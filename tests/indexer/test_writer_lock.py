"""One writer a chain: who has the lock, who waits for it, and how the waiting ends."""

from threading import Event, Thread

from sqlalchemy import Engine, text

from indexer.loop import lock_name, writer_lock
from tests.support.indexing import CHAIN
from tests.support.waiting import eventually


def test_writer_lock_is_not_given_twice(engine: Engine) -> None:
    stopped = Event()
    stopped.set()
    with writer_lock(engine, CHAIN, Event()) as first, writer_lock(engine, CHAIN, stopped) as other:
        assert first is not None
        assert other is None
    with writer_lock(engine, CHAIN, stopped) as next_one:
        assert next_one is not None


def test_lock_names_differ_when_chains_do() -> None:
    assert lock_name(CHAIN) == "indexer:31337"


def test_second_writer_takes_over_at_once_when_the_first_lets_go(engine: Engine) -> None:
    """It queues in Postgres: nothing is polled, and no pause lies between."""
    taken = Event()

    def queue() -> None:
        with writer_lock(engine, CHAIN, Event()) as held:
            assert held is not None
            taken.set()

    with writer_lock(engine, CHAIN, Event()):
        second = Thread(target=queue)
        second.start()
        eventually(lambda: is_awaited(engine), what="the second queues")
        assert not taken.is_set()
    assert taken.wait(5)
    second.join(5)


def test_waiting_writer_ends_when_told_to_stop(engine: Engine) -> None:
    stop, outcome = Event(), []

    def queue() -> None:
        with writer_lock(engine, CHAIN, stop) as held:
            outcome.append(held)

    with writer_lock(engine, CHAIN, Event()):
        second = Thread(target=queue)
        second.start()
        eventually(lambda: is_awaited(engine), what="the second queues")
        stop.set()
        second.join(5)
        assert outcome == [None]


def is_awaited(engine: Engine) -> bool:
    query = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with engine.connect() as connection:
        return bool(connection.scalar(query))
