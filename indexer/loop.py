"""The loop around a follower: one writer per chain, patience with the outside, a clean stop.

Following comes first. What can wait is done while nothing is new, a slice at a time, so that a new
head waits for one slice at most.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from time import monotonic
from typing import Protocol

import psycopg
import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import InterfaceError, OperationalError

from indexer.chain.types import ChainId
from indexer.db.locks import lock_key, try_session_lock
from indexer.errors import RpcError, TransientError
from indexer.finality import Halted
from indexer.follow import Follower
from indexer.queries import read_marks

BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 15.0
STOP_POLL_S = 0.1
"""How late a wait for the lock may notice that the process is to stop."""
BELL_POLL_S = 0.2
"""How late a wait for a head may notice that the process is to stop."""
HALT_POLL_S = 1.0
"""Between two looks whether an operator has cleared the reason of a halt."""
IDLE_REST_S = 2.0
"""How long idle work that found nothing to do is left alone."""

OUTSIDE_FAILURES = (
    TransientError,
    RpcError,
    OperationalError,
    InterfaceError,
    psycopg.OperationalError,  # from within a COPY, which SQLAlchemy does not wrap
    psycopg.InterfaceError,
)
"""The node or Postgres did not do its part; trying again later can help."""

log = structlog.get_logger()


class Backoff:
    """Pauses that double up to a cap, and start small again after a success."""

    def __init__(self, *, first_s: float = BACKOFF_FIRST_S, max_s: float = BACKOFF_MAX_S) -> None:
        """Start small.

        Args:
            first_s: First pause.
            max_s: Longest pause.
        """
        self._first_s = first_s
        self._max_s = max_s
        self.failures = 0
        self._reason = ""

    def next_s(self) -> float:
        """Seconds to pause after one more failure."""
        pause = self._first_s * 2.0 ** min(self.failures, 30)
        self.failures += 1
        return min(pause, self._max_s)

    def is_news(self, reason: str) -> bool:
        """Whether a failure is the first of a row, or fails for another reason than the last."""
        is_news = reason != self._reason
        self._reason = reason
        return is_news

    def reset(self) -> None:
        """Start small again."""
        self.failures = 0
        self._reason = ""


def lock_name(chain_id: ChainId) -> str:
    """Name of the lock that only one indexer of a chain holds."""
    return f"indexer:{chain_id}"


class Bell(Protocol):
    """Rings at a new head, where the node offers that."""

    def wait(self, timeout_s: float) -> bool:
        """Return at a new head, or when the time is over; whether it rang."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How a follower waits, and what is done meanwhile."""

    poll_interval_s: float
    """Longest pause between two looks at the head."""
    bell: Bell | None = None
    """None: the head is polled."""
    idle: Mapping[str, Callable[[], bool]] = field(default_factory=dict)
    """Work that can wait, by name, the most urgent first. Each call does one short slice and says
    whether there was anything to do."""


class IdleWork:
    """Does the most urgent slice of what can wait; what fails or finds nothing rests."""

    def __init__(self, tasks: Mapping[str, Callable[[], bool]]) -> None:
        """Start with all of them due.

        Args:
            tasks: By name, the most urgent first.
        """
        self._tasks = tasks
        self._due_at = dict.fromkeys(tasks, 0.0)
        self._backoffs = {name: Backoff() for name in tasks}

    def do_slice(self) -> bool:
        """Do one slice; False when nothing was to be done.

        Only what the outside does to a task stays here; a broken promise stops the process.
        """
        for name, task in self._tasks.items():
            if self._due_at[name] > monotonic():
                continue
            if self._did(name, task):
                return True
        return False

    def _did(self, name: str, task: Callable[[], bool]) -> bool:
        backoff = self._backoffs[name]
        try:
            did = task()
        except (TransientError, RpcError) as failure:
            reason = str(failure)[:500]
            if backoff.is_news(reason):
                log.warning("idle_work_failed", task=name, reason=reason)
            self._due_at[name] = monotonic() + max(backoff.next_s(), IDLE_REST_S)
            return False
        backoff.reset()
        if not did:
            self._due_at[name] = monotonic() + IDLE_REST_S
        return did


@contextmanager
def writer_lock(engine: Engine, chain_id: ChainId, stop: Event) -> Iterator[Connection | None]:
    """Wait until this process is the one writer of a chain; None when stopped before.

    The lock lives in a session of its own: when the process dies Postgres frees it at once, and
    hands it to whoever waits.
    """
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    with autocommit.connect() as connection:
        try:
            if not _take_lock(connection, chain_id, stop):
                yield None
                return
            log.info("writer_lock_taken", chain_id=chain_id)
            yield connection
        finally:
            connection.invalidate()  # closes the session, and with it the lock


def _take_lock(connection: Connection, chain_id: ChainId, stop: Event) -> bool:
    """Queue for the lock in Postgres; False when stopped before it came."""
    if try_session_lock(connection, lock_name(chain_id)):
        return True
    log.info("writer_lock_awaited", chain_id=chain_id)
    connection.execute(text("SET statement_timeout = 0"))
    connection.execute(text("SET lock_timeout = 0"))
    with _cancelled_at(stop, connection):
        try:
            connection.execute(
                text("SELECT pg_advisory_lock(:key)"), {"key": lock_key(lock_name(chain_id))}
            )
        except OperationalError as failure:
            if stop.is_set() and isinstance(failure.orig, psycopg.errors.QueryCanceled):
                return False
            raise
    return True


@contextmanager
def _cancelled_at(stop: Event, connection: Connection) -> Iterator[None]:
    """Cancel what this connection executes when told to stop."""
    driver = connection.connection.driver_connection
    over = Event()

    def watch() -> None:
        while not over.wait(STOP_POLL_S):
            if stop.is_set() and isinstance(driver, psycopg.Connection):
                driver.cancel_safe()

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def run(follower: Follower, engine: Engine, *, chain_id: ChainId, pace: Pace, stop: Event) -> None:
    """Follow until told to stop, whatever the outside does.

    A halted writer lets go of the lock, for whoever mends, and waits: it goes on once an operator
    has cleared the reason, and is an error only when told to stop before.

    Raises:
        PermanentError: A setting is wrong.
        Halted: Told to stop while halted.
        InvariantError: The writer must not go on.
    """
    follower.stop = stop
    backoff = Backoff()
    while not stop.is_set():
        try:
            with writer_lock(engine, chain_id, stop) as held:
                if held is None:
                    return
                follower.start()
                log.info("following_started", chain_id=chain_id)
                _follow(follower, held, backoff, pace=pace, stop=stop)
        except Halted as halt:
            log.error("writer_halted", chain_id=chain_id, reason=str(halt))  # noqa: TRY400 - no fault
            if not _await_clearance(engine, chain_id, stop):
                raise
            log.warning("halt_cleared", chain_id=chain_id)
        except OUTSIDE_FAILURES as failure:
            _pause(failure, backoff, stop)


def _await_clearance(engine: Engine, chain_id: ChainId, stop: Event) -> bool:
    """Wait until the chain is no longer degraded; False when told to stop before."""
    while not stop.wait(HALT_POLL_S):
        with suppress(*OUTSIDE_FAILURES), engine.connect() as connection:
            marks = read_marks(connection, chain_id)
            if marks is None or marks.degraded_reason is None:
                return True
    return False


def _follow(
    follower: Follower, held: Connection, backoff: Backoff, *, pace: Pace, stop: Event
) -> None:
    """Step while the lock is held; failures of the node are waited out here."""
    idle = IdleWork(pace.idle)
    while not stop.is_set():
        held.execute(text("SELECT 1"))  # a lost session is a lost lock: fail before writing
        try:
            progressed = follower.step()
        except (TransientError, RpcError) as failure:
            _pause(failure, backoff, stop)
            follower.recover(failure)
            continue
        if backoff.failures:
            log.info("outside_answered", failures=backoff.failures)
            backoff.reset()
        if progressed:
            continue
        if idle.do_slice():
            follower.reload()  # what was mended may have made contracts known
        else:
            _await_head(pace, stop)


def _await_head(pace: Pace, stop: Event) -> None:
    if pace.bell is None:
        stop.wait(pace.poll_interval_s)
        return
    until = monotonic() + pace.poll_interval_s
    while not stop.is_set() and (left_s := until - monotonic()) > 0:
        if pace.bell.wait(min(left_s, BELL_POLL_S)):
            return


def _pause(failure: Exception, backoff: Backoff, stop: Event) -> None:
    """Wait before the next try; a failure is worth a line when its reason is new."""
    reason = str(failure)[:500]
    if backoff.is_news(reason):
        log.warning(
            "outside_failed",
            reason=reason,
            kind=type(failure).__name__,
            failures_before=backoff.failures,
        )
    stop.wait(backoff.next_s())
