"""The nightly audit: once a day, beside the follower, never twice for one night."""

from collections.abc import Callable
from contextvars import copy_context
from datetime import UTC, datetime, time, timedelta
from threading import Thread

import structlog
from sqlalchemy import Engine, select
from sqlalchemy.exc import InterfaceError, OperationalError

from indexer.audit import AuditReader, audit_treasuries, unaudited
from indexer.chain.networks import Network
from indexer.errors import PermanentError, RpcError, TransientError
from indexer.queries import read_marks
from indexer.tables import audits

RETRY_AFTER = timedelta(minutes=15)
"""After an audit that could not run: long enough to leave the node alone."""

_NOT_NOW = (TransientError, RpcError, PermanentError, OperationalError, InterfaceError)
"""The outside does not answer, or nothing is final yet; either passes."""

log = structlog.get_logger()


def last_due(now: datetime, *, hour: int) -> datetime:
    """The newest moment at which an audit was due: today at the hour, or yesterday. Pure.

    Args:
        now: Aware UTC.
        hour: 0 to 23, UTC.
    """
    today = datetime.combine(now.date(), time(hour), tzinfo=UTC)
    return today if today <= now else today - timedelta(days=1)


class NightlyAudit:
    """Audits one chain's treasuries once a day; ask it whenever there is nothing else to do.

    The claim on a night is the rows of its audit: a restart reads them, and who asks holds the
    chain's writer lock, so that there is one. A night that was slept through is made up for, and
    treasuries whose state no node told are asked for again. The audit runs in a thread: it takes a
    few calls per treasury, and no new head waits for it.
    """

    def __init__(
        self,
        engine: Engine,
        reader: AuditReader,
        network: Network,
        *,
        hour: int = 4,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            engine: As the role that owns schema ``chain``.
            reader: Asked for the contracts' getters, from a thread of its own.
            network: The chain.
            hour: When the audit is due, UTC.
            clock: Tells the time, aware UTC.
        """
        self._engine = engine
        self._reader = reader
        self._network = network
        self._hour = hour
        self._clock = clock
        self._next = datetime.min.replace(tzinfo=UTC)
        self._running: Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether an audit is under way."""
        return self._running is not None and self._running.is_alive()

    def run_if_due(self) -> bool:
        """Start the audit if tonight's is due and has not run; costs nothing otherwise.

        Returns:
            Whether an audit was started.
        """
        now = self._clock()
        if now < self._next or self.is_running:
            return False
        due = last_due(now, hour=self._hour)
        has_run = self._has_run(due)
        self._next = due + timedelta(days=1)
        if has_run:
            return False
        run = copy_context().run  # so that its log lines carry this process's ids
        self._running = Thread(target=run, args=(self._audit, now, due), name="audit", daemon=True)
        self._running.start()
        return True

    def _audit(self, now: datetime, due: datetime) -> None:
        try:
            audit_treasuries(self._engine, self._reader, self._network, since=due)
        except _NOT_NOW as failure:
            self._next = now + RETRY_AFTER
            log.warning(
                "audit_postponed", chain_id=self._network.chain_id, reason=str(failure)[:500]
            )

    def _has_run(self, due: datetime) -> bool:
        """Whether rows were left since then, and those of every treasury that is final."""
        chain_id = self._network.chain_id
        left = select(audits.c.id).where(audits.c.chain_id == chain_id, audits.c.ran_at >= due)
        with self._engine.connect() as connection:
            if connection.scalar(left.limit(1)) is None:
                return False
            marks = read_marks(connection, chain_id)
            return (
                marks is None
                or marks.finalized is None
                or not unaudited(connection, chain_id, marks.finalized.number, since=due)
            )
