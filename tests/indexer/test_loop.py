"""The loop: one writer at a time, patience with the node, none with a broken promise."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread

import pytest
from sqlalchemy import Engine, text, update
from sqlalchemy.exc import OperationalError

from indexer.cursor import clear_degraded
from indexer.errors import InvariantError, RpcUnavailable
from indexer.finality import Halted
from indexer.follow import Follower
from indexer.loop import BACKOFF_MAX_S, Backoff, IdleWork, Pace, run, writer_lock
from indexer.queries import read_marks
from indexer.tables import blocks, marks
from tests.support.fake_chain import FakeChain
from tests.support.indexing import CHAIN, NETWORK, rows_of, state_of
from tests.support.protocol_logs import address, campaign_created, deployment
from tests.support.waiting import eventually


@contextmanager
def looping(
    engine: Engine,
    chain: FakeChain,
    *,
    idle: Mapping[str, Callable[[], bool]] | None = None,
    bell: "Bell | None" = None,
    poll_interval_s: float = 0.01,
) -> Iterator[None]:
    follower = Follower(
        engine, chain, network=NETWORK, deployment=deployment(chain.blocks[0].header.hash)
    )
    stop = Event()
    thread = Thread(
        target=run,
        args=(follower, engine),
        kwargs={
            "chain_id": CHAIN,
            "pace": Pace(poll_interval_s, bell=bell, idle=idle or {}),
            "stop": stop,
        },
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)
        assert not thread.is_alive()


def indexed(engine: Engine) -> int:
    with engine.connect() as connection:
        found = read_marks(connection, CHAIN)
    return 0 if found is None or found.indexed is None else found.indexed.number


def degraded(engine: Engine) -> str | None:
    with engine.connect() as connection:
        found = read_marks(connection, CHAIN)
    return None if found is None else found.degraded_reason


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


def test_halted_loop_lets_the_lock_go_and_ends_with_the_reason_when_told_to_stop(
    engine: Engine,
) -> None:
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
    stop, before = Event(), state_of(engine)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, follower, engine, chain_id=CHAIN, pace=Pace(0.01), stop=stop)
        eventually(lambda: degraded(engine) is not None, what="it halts")
        with writer_lock(engine, CHAIN, Event()) as held:  # whoever mends may have it
            assert held is not None
        assert not running.done()
        stop.set()
        with pytest.raises(Halted, match="finalized block 1 changed"):
            running.result(5)
    assert [row for row in state_of(engine) if row not in before] == [
        row for row in state_of(engine) if row.startswith("mark ")
    ]


def test_halted_loop_goes_on_by_itself_when_the_reason_is_cleared(engine: Engine) -> None:
    chain = FakeChain()
    chain.mine()
    with looping(engine, chain):
        eventually(lambda: indexed(engine) == 1, what="it follows")
    with engine.begin() as connection:
        connection.execute(update(marks).values(degraded_reason="finalized block 0 changed"))
    chain.mine()
    chain.asked.clear()
    with looping(engine, chain):
        eventually(lambda: chain.asked, what="it has the lock and looks at the chain")
        with writer_lock(engine, CHAIN, Event()):  # let go once it has found the reason
            assert indexed(engine) == 1
        with engine.begin() as connection:
            assert clear_degraded(connection, CHAIN) == "finalized block 0 changed"
        eventually(lambda: indexed(engine) == 2, what="it goes on")


def test_loop_ends_at_once_when_another_writer_moved_the_cursor(engine: Engine) -> None:
    chain = FakeChain()
    chain.mine()
    follower = Follower(
        engine, chain, network=NETWORK, deployment=deployment(chain.blocks[0].header.hash)
    )
    moved = [False]

    def move() -> bool:
        if not moved[0]:
            with engine.begin() as connection:
                connection.execute(update(marks).values(fetched_hash=b"x" * 32))
            chain.mine()
            moved[0] = True
        return False

    with pytest.raises(InvariantError, match="another writer") as caught:
        run(
            follower,
            engine,
            chain_id=CHAIN,
            pace=Pace(0.01, idle={"move": move}),
            stop=Event(),
        )
    assert not isinstance(caught.value, Halted)


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
    run(follower, engine, chain_id=CHAIN, pace=Pace(0.01), stop=stop)
    assert pauses == [1, 1, 1, 1]


def test_idle_work_goes_by_urgency_and_rests_when_it_finds_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    left = {"urgent": 2, "later": 3}

    def task(name: str) -> bool:
        done.append(name)
        left[name] -= 1
        return left[name] >= 0

    work = IdleWork({name: partial(task, name) for name in left})
    assert [work.do_slice() for _ in range(6)] == [True] * 5 + [False]
    assert done == ["urgent"] * 3 + ["later"] * 4
    assert not work.do_slice()
    assert len(done) == 7
    monkeypatch.setattr("indexer.loop.monotonic", lambda: 10.0**12)
    left["later"] = 1
    assert work.do_slice()


def test_idle_work_rests_and_following_goes_on_when_the_node_does_not_answer(
    engine: Engine,
) -> None:
    chain = FakeChain()
    chain.mine()
    tried: list[int] = []

    def fail() -> bool:
        tried.append(1)
        raise RpcUnavailable("no node answers")

    with looping(engine, chain, idle={"prove": fail}):
        eventually(lambda: tried and indexed(engine) == 1, what="it tried and follows")
        chain.mine()
        eventually(lambda: indexed(engine) == 2, what="it follows")
    assert len(tried) <= 2


def test_idle_work_waits_while_there_are_new_blocks(engine: Engine) -> None:
    chain = FakeChain(finality_lag=10**6)
    for _ in range(350):
        chain.mine()
    seen: list[int] = []

    def note() -> bool:
        seen.append(indexed(engine))
        return False

    with looping(engine, chain, idle={"note": note}):
        eventually(lambda: seen, what="there is time for it")
    assert seen[0] == 350


def test_loop_looks_at_the_head_when_the_bell_rings(engine: Engine) -> None:
    chain, bell = FakeChain(), Bell()
    chain.mine()
    with looping(engine, chain, bell=bell, poll_interval_s=60):  # which ends without a ring
        eventually(lambda: indexed(engine) == 1, what="it follows")
        chain.mine()
        bell.ring()
        eventually(lambda: indexed(engine) == 2, what="it heard the bell")


class Bell:
    """Rings when the test says so."""

    def __init__(self) -> None:
        self._rung = Event()

    def ring(self) -> None:
        self._rung.set()

    def wait(self, timeout_s: float) -> bool:
        rang = self._rung.wait(timeout_s)
        self._rung.clear()
        return rang
