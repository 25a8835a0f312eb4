"""The loop around a follower: one writer per chain, patience with the outside, a clean stop."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import InterfaceError, OperationalError

from indexer.chain.types import ChainId
from indexer.db.locks import try_session_lock
from indexer.errors import RpcError, TransientError
from indexer.follow import Follower

BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 15.0
LOCK_POLL_S = 0.2

OUTSIDE_FAILURES = (TransientError, RpcError, OperationalError, InterfaceError)
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


@contextmanager
def writer_lock(engine: Engine, chain_id: ChainId, stop: Event) -> Iterator[Connection | None]:
    """Wait until this process is the one writer of a chain; None when stopped before.

    The lock lives in a session of its own: when the process dies Postgres frees it at once.
    """
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    with autocommit.connect() as connection:
        waited = False
        while not try_session_lock(connection, lock_name(chain_id)):
            if not waited:
                log.info("writer_lock_awaited", chain_id=chain_id)
                waited = True
            if stop.wait(LOCK_POLL_S):
                yield None
                return
        log.info("writer_lock_taken", chain_id=chain_id)
        try:
            yield connection
        finally:
            connection.invalidate()  # closes the session, and with it the lock


def run(
    follower: Follower, engine: Engine, *, chain_id: ChainId, poll_interval_s: float, stop: Event
) -> None:
    """Follow until told to stop, whatever the outside does.

    Raises:
        PermanentError: A setting is wrong.
        InvariantError: The writer must not go on.
    """
    backoff = Backoff()
    while not stop.is_set():
        try:
            with writer_lock(engine, chain_id, stop) as held:
                if held is None:
                    return
                follower.start()
                log.info("following_started", chain_id=chain_id)
                _follow(follower, held, backoff, poll_interval_s=poll_interval_s, stop=stop)
        except OUTSIDE_FAILURES as failure:
            _pause(failure, backoff, stop)


def _follow(
    follower: Follower,
    held: Connection,
    backoff: Backoff,
    *,
    poll_interval_s: float,
    stop: Event,
) -> None:
    """Step while the lock is held; failures of the node are waited out here."""
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
        if not progressed:
            stop.wait(poll_interval_s)


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
