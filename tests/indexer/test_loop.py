"""The loop: one writer at a time, patience with the node, none with a broken promise."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from indexer.errors import InvariantError
from indexer.follow import Follower
from indexer.loop import BACKOFF_MAX_S, Backoff, lock_name, run, writer_lock
from indexer.queries import read_marks
from indexer.tables import blocks
from tests.support.fake_chain import FakeChain
from tests.support.indexing import CHAIN, NETWORK, rows_of
from tests.support.protocol_logs import address, campaign_created, deployment
from tests.support.waiting import eventually


@contextmanager
def looping(engine: Engine, chain: FakeChain) -> Iterator[None]:
    follower = Follower(
        engine, chain, network=NETWORK, deployment=deployment(chain.blocks[0].header.hash)
    )
    stop = Event()
    thread = Thread(
        target=run,
        args=(follower, engine),
        kwargs={"chain_id": CHAIN, "poll_interval_s": 0.01, "stop": stop},
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


def indexed(engine: Engine) -> int:
    with engine.connect() as connection:
        marks = read_marks(connection, CHAIN)
    return 0 if marks is None or marks.indexed is None else marks.indexed.number


def test_loop_goes_on_when_the_node_stops_lying(engine: Engine) -> None:
    chain = FakeChain()
    chain.mine([campaign_created(address("campaign"), b"i" * 32)])
    chain.drops_log_from_receipts = True
    with looping(engine, chain):
        eventually(lambda: chain.distrusted > 0, timeout_s=60, what="the lie is found")
        assert rows_of(engine, blocks) == []
        chain.drops_log_from_receipts = False
        eventually(lambda: indexed(engine) == 1, timeout_s=60, what="the block is written")


def test_loop_takes_the_lock_again_when_postgres_ends_its_session(
    engine: Engine, login_engine: Engine
) -> None:
    chain = FakeChain()
    chain.mine()
    with looping(engine, chain):
        eventually(lambda: indexed(engine) == 1, timeout_s=60, what="it follows")
        with login_engine.begin() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        chain.mine()
        eventually(lambda: indexed(engine) == 2, timeout_s=60, what="it follows again")


def test_loop_stops_when_a_promise_is_broken(engine: Engine) -> None:
    chain = FakeChain(finality_lag=0)
    chain.mine()
    chain.mine()
    follower = Follower(
        engine, chain, network=NETWORK, deployment=deployment(chain.blocks[0].header.hash)
    )
    follower.start()
    follower.step()
    chain.fork(2)
    for _ in range(3):
        chain.mine()
    with pytest.raises(InvariantError, match="finalized block 1 changed"):
        run(follower, engine, chain_id=CHAIN, poll_interval_s=0.01, stop=Event())


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


def test_backoff_doubles_up_to_its_cap_and_starts_again() -> None:
    backoff = Backoff()
    pauses = [backoff.next_s() for _ in range(10)]
    assert pauses[:4] == [0.25, 0.5, 1, 2]
    assert pauses[-1] == BACKOFF_MAX_S
    backoff.reset()
    assert backoff.next_s() == 0.25


def test_failure_is_news_when_its_reason_changes_or_all_was_well_between() -> None:
    backoff = Backoff()
    said = [backoff.is_news(reason) for reason in ("down", "down", "403", "403", "down")]
    assert said == [True, False, True, False, True]
    backoff.reset()
    assert backoff.is_news("down")


def test_pauses_start_small_again_when_postgres_failed_long_ago(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each loss of the session is its own: a month of good steps lies between."""
    chain, stop = FakeChain(), Event()
    follower = Follower(
        engine, chain, network=NETWORK, deployment=deployment(chain.blocks[0].header.hash)
    )
    pauses: list[float] = []
    steps = iter([True, False] * 4)

    def step() -> bool:
        succeeded = next(steps, None)
        if succeeded is None:
            stop.set()
        elif not succeeded:
            raise OperationalError("SELECT 1", {}, ConnectionError("gone"))
        return True

    def next_s(self: Backoff) -> float:
        self.failures += 1
        pauses.append(self.failures)
        return 0.0

    monkeypatch.setattr(follower, "step", step)
    monkeypatch.setattr(Backoff, "next_s", next_s)
    run(follower, engine, chain_id=CHAIN, poll_interval_s=0.01, stop=stop)
    assert pauses == [1, 1, 1, 1]
