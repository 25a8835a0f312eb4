"""The turns of one lane: look, send what is sealed, follow the index, seal what is due.

Every step reads what is due from Postgres, is bounded, and commits on its own; so a crash between
or inside any of them is mended by the next turn, of this process or another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from indexer.chain.blocks import Header
from indexer.errors import ConfigurationError, InvariantError, RpcUnavailable
from indexer.queries import Marks, read_marks
from settlement.actions import advance_actions, follow_actions
from settlement.campaigns import advance_campaigns
from settlement.due import follow_index
from settlement.head import Head, Prices
from settlement.lane import Lane
from settlement.nonces import open_signer, quarantine
from settlement.payments import advance_payments
from settlement.reissuing import reissue_expired
from settlement.replacing import replace_stuck
from settlement.retrying import retry_blocked
from settlement.sender import send_due, sign_reserved
from settlement.signer import SignerRefused
from settlement.switches import stopping
from settlement.topup import fund
from settlement.tracker import Look, Tracker
from settlement.types import Nonce
from settlement.unsettling import Seen, look, unsettle

log = structlog.get_logger()

STALE_BLOCKS = 30
STALE_AFTER = timedelta(seconds=60)
"""An index that is both this many blocks and this long behind the head is not built upon."""

Duty = Callable[[Lane, Head], int]
"""Seals what is due of one sort; returns how many transactions."""
PLATFORM_DUTIES: tuple[Duty, ...] = (advance_campaigns, advance_payments, fund, advance_actions)
WALLET_DUTIES: tuple[Duty, ...] = (advance_actions,)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn did; all zero means that nothing was due."""

    moved: int
    sealed: int
    sent: int


class Runner:
    """Takes the turns of one lane. Its memory only saves work."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._tracker = Tracker(lane)
        self._duties = PLATFORM_DUTIES if lane.is_platform else WALLET_DUTIES
        self._followed: tuple[bytes | None, int | None] | None = None
        self._reorgs_seen: Seen | None = None
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
            InvariantError: A promise of the tables or the chain does not hold.
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
            number=header.number,
            timestamp=header.timestamp,
            block_gas_limit=header.gas_limit,
            prices=lane.prices(),
        )
        self._tracker.reconcile(look)
        # First, so that whatever fails below, what is sealed goes on.
        sent = self._carry_on(look, head.prices)
        moved = self._follow(marks) if lane.is_platform else 0
        # Without an index that can be believed nothing new is promised.
        sealed = self._seal(head) if self._is_believed(marks, header) else 0
        if sealed:
            sent += self._carry_on(look, head.prices)
        return Turn(moved=moved, sealed=sealed, sent=sent)

    def _carry_on(self, look: Look, prices: Prices) -> int:
        """Send what is signed, then sign what is sealed or stuck and send that; says how many."""
        lane = self._lane
        sent = send_due(lane, head_number=look.head_number)
        try:
            signed = sign_reserved(lane, prices)
            replaced = replace_stuck(
                lane, prices, mined_nonces=look.mined_nonces, head_number=look.head_number
            )
        except (SignerRefused, InvariantError, ConfigurationError) as refusal:
            self._distrust_signer(refusal)
            return sent
        if signed or replaced:
            sent += send_due(lane, head_number=look.head_number)
        return sent

    def _distrust_signer(self, refusal: Exception) -> None:
        """Seal nothing more: the signer refuses, or what it gave is not what it was asked for."""
        lane = self._lane
        with lane.engine.begin() as connection:
            quarantine(connection, chain_id=lane.chain_id, address=lane.sender, reason=str(refusal))

    def _seal(self, head: Head) -> int:
        """Seal what is due, unless the lane as a whole is stopped; says how many transactions."""
        lane = self._lane
        with lane.engine.connect() as connection:
            stops = stopping(connection, chain_id=lane.chain_id, signer=lane.sender)
        if stops.lane is None:
            # Each has the first claim to the lane's room in its turn: none starves another.
            self._duties = (*self._duties[1:], self._duties[0])
            return sum(duty(lane, head) for duty in self._duties)
        follow_actions(lane)  # what was sent before goes on
        return 0

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
            looked = look(connection, lane.chain_id)
            moved = unsettle(connection, lane.chain_id, seen=self._reorgs_seen)
            moved += follow_index(connection, lane.chain_id)
            moved += retry_blocked(connection, lane.chain_id)
            moved += 0 if marks is None else reissue_expired(connection, marks)
        self._followed, self._reorgs_seen = seen, looked
        return moved


def _is_stale(marks: Marks, head: Header) -> bool:
    if marks.indexed is None:
        return True
    return (
        head.number - marks.indexed.number > STALE_BLOCKS
        and head.timestamp - marks.indexed.timestamp > STALE_AFTER
    )
