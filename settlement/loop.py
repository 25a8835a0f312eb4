"""The process's loop: the platform's lane and those of the wallets it keeps, one process at a time.

The lock only saves work. Two processes that took turns on one lane would do no harm: whoever seals
holds the signer's row, every write names the state it was decided in, and bytes are sent as stored.
"""

from threading import Event

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import InterfaceError, OperationalError

from indexer.db.locks import try_session_lock
from indexer.errors import ConfigurationError, RpcError, TransientError
from settlement.lane import Lane
from settlement.runner import Runner
from settlement.trips import apply_trips
from settlement.upkeep import Upkeep
from settlement.wallet_lanes import WalletLanes

log = structlog.get_logger()

BACKOFF_MAX_S = 10.0
BACKOFF_DOUBLINGS_MAX = 30
LOCK_RETRY_S = 1.0

OUTSIDE_FAILURES = (TransientError, RpcError, OperationalError, InterfaceError)
"""A node, a key service or Postgres did not do its part; trying again later can help."""


def run(lane: Lane, stop: Event, *, poll_interval_s: float, upkeep: Upkeep | None = None) -> None:
    """Take turns as the only process of this lane, until stopped or the lock is lost.

    Args:
        lane: The platform's.
        stop: Set it to end after the present turn.
        poll_interval_s: Seconds between turns.
        upkeep: What is done beside the turns, now and then.

    Raises:
        ConfigurationError: The database was never migrated.
        InvariantError: Going on could do harm; an operator must look.
        sqlalchemy.exc.DBAPIError: Postgres is away, or refused a statement.
    """
    with lane.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as leadership:
        try:
            _require_schema(leadership)
            if _lead(leadership, lane, stop):
                _take_turns(leadership, _Turns(lane, upkeep), stop, poll_interval_s)
        finally:
            leadership.invalidate()  # a pooled session would keep the lock


def pause_s(poll_interval_s: float, failures: int) -> float:
    """Seconds until the next turn, given how many failed in a row."""
    return min(poll_interval_s * 2.0 ** min(failures, BACKOFF_DOUBLINGS_MAX), BACKOFF_MAX_S)


class _Turns:
    """All that is done in one round of the loop."""

    def __init__(self, lane: Lane, upkeep: Upkeep | None) -> None:
        self.lane = lane
        self._runner = Runner(lane)
        self._wallets = WalletLanes(lane)
        self._upkeep = upkeep
        self._started = False

    def take(self) -> None:
        """Take one turn of every lane; raises as ``Runner.turn``."""
        lane = self.lane
        if not self._started:
            self._runner.start()
            self._started = True
        self._runner.turn()
        with lane.engine.begin() as connection:
            apply_trips(connection, chain_id=lane.chain_id, signer=lane.sender)
        self._wallets.turn()
        if self._upkeep is not None:
            self._upkeep.turn_ended(lane)


def _take_turns(leadership: Connection, turns: _Turns, stop: Event, poll_interval_s: float) -> None:
    log.info("lane_opened", chain_id=turns.lane.chain_id, signer=turns.lane.sender.hex())
    failures = 0
    while not stop.is_set():
        try:
            leadership.exec_driver_sql("SELECT 1")  # the lock dies with this session
            turns.take()
            failures = 0
        except OUTSIDE_FAILURES as trouble:
            failures += 1
            log.warning("turn_failed", error=str(trouble), failures=failures)
            if leadership.invalidated:
                return
        stop.wait(pause_s(poll_interval_s, failures))


def _require_schema(connection: Connection) -> None:
    """Refuse a database that was never migrated; which revision is ``lastro migrate``'s business.

    Raises:
        ConfigurationError: A schema is missing.
    """
    for table in ("settlement.attempts", "chain.marks"):
        found = connection.execute(text("SELECT to_regclass(:name)"), {"name": table}).scalar_one()
        if found is None:
            raise ConfigurationError(f"the database has no table {table}: run 'lastro migrate'")


def _lead(connection: Connection, lane: Lane, stop: Event) -> bool:
    """Wait until no other process works this lane; False when stopped meanwhile."""
    name = f"settlement:{lane.chain_id}:{lane.sender.hex()}"
    waited = False
    while not stop.is_set():
        if try_session_lock(connection, name):
            return True
        if not waited:
            log.warning("lane_held_by_another_process", chain_id=lane.chain_id)
            waited = True
        stop.wait(LOCK_RETRY_S)
    return False
