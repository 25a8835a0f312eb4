"""One loop per (chain, signer): look, send what is sealed, follow the index, seal what is due.

Every step reads what is due from Postgres, is bounded, and commits on its own; so a crash between
or inside any of them is mended by the next turn, of this process or another.
"""

from dataclasses import dataclass
from datetime import timedelta
from threading import Event

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import InterfaceError, OperationalError

from indexer.chain.blocks import Header
from indexer.chain.deployments import Deployment
from indexer.chain.rpc import ChainReader
from indexer.chain.types import to_checksum
from indexer.db.locks import try_session_lock
from indexer.errors import ConfigurationError, RpcError, RpcUnavailable, TransientError
from indexer.queries import Marks, read_marks
from settlement import calldata
from settlement.campaigns import advance_campaigns
from settlement.due import follow_index, retry_blocked
from settlement.lane import Lane
from settlement.nonces import open_signer
from settlement.payments import Head, advance_payments
from settlement.sender import replace_stuck, send_due, sign_reserved
from settlement.topup import fund
from settlement.tracker import Look, Tracker
from settlement.types import Nonce

log = structlog.get_logger()

BACKOFF_MAX_S = 10.0
BACKOFF_DOUBLINGS_MAX = 30
LOCK_RETRY_S = 1.0
LIFE_MARGIN = timedelta(hours=1)
"""A create mined a little before the block it was tried on would exceed the protocol's maximum."""
STALE_BLOCKS = 30
STALE_AFTER = timedelta(seconds=60)
"""An index that is both this many blocks and this long behind the head is not built upon."""

OUTSIDE_FAILURES = (TransientError, RpcError, OperationalError, InterfaceError)
"""A node or Postgres did not do its part; trying again later can help."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn did; all zero means that nothing was due."""

    moved: int
    sealed: int
    sent: int


class Runner:
    """The settlement loop of one lane. Its memory only saves work."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._tracker = Tracker(lane)
        self._followed: tuple[bytes | None, int | None] | None = None
        self._index_was_stale = False

    def start(self) -> None:
        """Make the signer known, at the chain's own count when it is new.

        Raises:
            RpcUnavailable: No node answers.
        """
        lane = self._lane
        with lane.engine.begin() as connection:
            open_signer(
                connection,
                chain_id=lane.chain_id,
                address=lane.sender,
                chain_nonce=Nonce(lane.reader.nonce(lane.sender)),
            )

    def turn(self) -> Turn:
        """Go through every step once.

        Raises:
            TransientError: A node or Postgres is away; take another turn later.
            InvariantError: A promise of the signer or the chain does not hold.
        """
        lane = self._lane
        with lane.engine.connect() as connection:
            marks = read_marks(connection, lane.chain_id)
        header = lane.reader.block_by_number("latest")
        if header is None:
            raise RpcUnavailable("the node knows no newest block")
        finalized = marks.finalized.number if marks is not None and marks.finalized else None
        look = Look(
            finalized_number=finalized,
            head_number=header.number,
            head_hash=header.hash,
            mined_nonces=lane.reader.nonce(lane.sender),
        )
        head = Head(
            number=header.number, timestamp=header.timestamp, block_gas_limit=header.gas_limit
        )
        self._tracker.reconcile(look)
        sent = self._carry_on(look)  # first, so that whatever fails below, what is sealed goes on
        moved = self._follow(marks)
        sealed = 0
        # Without an index that can be believed nothing new is promised.
        if self._is_believed(marks, header):
            sealed = advance_campaigns(lane, head) + fund(lane, head) + advance_payments(lane, head)
        if sealed:
            sent += self._carry_on(look)
        return Turn(moved=moved, sealed=sealed, sent=sent)

    def _carry_on(self, look: Look) -> int:
        """Send what is signed, then sign what is sealed or stuck and send that; says how many."""
        lane = self._lane
        sent = send_due(lane, head_number=look.head_number)
        signed = sign_reserved(lane)
        replaced = replace_stuck(lane, mined_nonces=look.mined_nonces, head_number=look.head_number)
        if signed or replaced:
            sent += send_due(lane, head_number=look.head_number)
        return sent

    def _is_believed(self, marks: Marks | None, head: Header) -> bool:
        """Whether the index is healthy and near the head; a stale one is logged once."""
        if marks is None or marks.degraded_reason is not None:
            return False
        stale = _is_stale(marks, head)
        if stale and not self._index_was_stale:
            log.warning(
                "index_is_stale",
                indexed=marks.indexed.number if marks.indexed else None,
                head=head.number,
            )
        self._index_was_stale = stale
        return not stale

    def _follow(self, marks: Marks | None) -> int:
        """Follow the index when it has moved; requests that are new need no following."""
        lane = self._lane
        seen = (
            marks.indexed.hash if marks is not None and marks.indexed else None,
            marks.finalized.number if marks is not None and marks.finalized else None,
        )
        if seen == self._followed:
            return 0
        with lane.engine.begin() as connection:
            moved = follow_index(connection, lane.chain_id)
            moved += retry_blocked(connection, lane.chain_id)
        self._followed = seen
        return moved

    def run(self, stop: Event, *, poll_interval_s: float) -> None:
        """Take turns as the only process of this lane, until stopped or the lock is lost.

        Args:
            stop: Set it to end after the present turn.
            poll_interval_s: Seconds between turns.

        Raises:
            ConfigurationError: The database was never migrated.
            InvariantError: Sending on could do harm; an operator must look.
            sqlalchemy.exc.DBAPIError: Postgres is away, or refused a statement.
        """
        with self._lane.engine.connect().execution_options(
            isolation_level="AUTOCOMMIT"
        ) as leadership:
            try:
                _require_schema(leadership)
                if _lead(leadership, self._lane, stop):
                    self._take_turns(leadership, stop, poll_interval_s)
            finally:
                leadership.invalidate()  # a pooled session would keep the lock

    def _take_turns(self, leadership: Connection, stop: Event, poll_interval_s: float) -> None:
        lane = self._lane
        log.info("lane_opened", chain_id=lane.chain_id, signer=lane.sender.hex())
        failures, started = 0, False
        while not stop.is_set():
            try:
                leadership.exec_driver_sql("SELECT 1")  # the lock dies with this session
                if not started:
                    self.start()
                    started = True
                self.turn()
                failures = 0
            except OUTSIDE_FAILURES as trouble:
                failures += 1
                log.warning("turn_failed", error=str(trouble), failures=failures)
                if leadership.invalidated:
                    return
            stop.wait(pause_s(poll_interval_s, failures))


def pause_s(poll_interval_s: float, failures: int) -> float:
    """Seconds until the next turn, given how many failed in a row."""
    return min(poll_interval_s * 2.0 ** min(failures, BACKOFF_DOUBLINGS_MAX), BACKOFF_MAX_S)


def longest_payment_life(
    reader: ChainReader, deployment: Deployment, wanted: timedelta
) -> timedelta:
    """Shorten the wanted life of an on-chain payment to what the protocol's registry allows.

    Raises:
        ConfigurationError: No registry answers where the deployment record says it is.
        RpcUnavailable: No node answers.
    """
    for key in calldata.max_payment_expiration_keys(deployment.platform.hash):
        registry = deployment.contracts.global_params
        try:
            longest_s = calldata.read_uint(reader.call(registry, key))
        except (RpcError, ValueError) as refusal:
            raise ConfigurationError(
                f"GlobalParams does not answer at {to_checksum(registry)} on "
                f"{deployment.network} ({refusal}): check the deployment record in "
                "LASTRO_DEPLOYMENTS_DIR and the nodes in LASTRO_RPC_URLS"
            ) from refusal
        if longest_s:
            return min(wanted, max(timedelta(seconds=longest_s) - LIFE_MARGIN, LIFE_MARGIN))
    return wanted


def _is_stale(marks: Marks, head: Header) -> bool:
    if marks.indexed is None:
        return True
    return (
        head.number - marks.indexed.number > STALE_BLOCKS
        and head.timestamp - marks.indexed.timestamp > STALE_AFTER
    )


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
