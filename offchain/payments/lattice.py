"""Where an attempt may go next: pure rules over three independent statuses.

``fiat_status`` says what became of the money, ``chain_status`` how far its settlement is,
``claim_status`` whether somebody wants it back. No single status could hold a refund that arrives
while a batch is being mined.
"""

from dataclasses import dataclass
from typing import Final, Literal

from offchain.gateways.types import Observation
from offchain.money import Money

FiatStatus = Literal[
    "created",
    "awaiting",
    "authorized",
    "failed",
    "expired",
    "canceled",
    "late_paid",
    "mismatch",
    "captured",
    "returned",
]
ChainStatus = Literal["none", "queued", "submitted", "mined", "final", "held", "failed"]
ClaimStatus = Literal[
    "none", "refund_pending", "partially_refunded", "refunded", "disputed", "dispute_lost"
]

FIAT_RANK: Final[dict[FiatStatus, int]] = {
    "created": 0,
    "awaiting": 1,
    "authorized": 2,
    "failed": 3,
    "expired": 3,
    "canceled": 3,
    "late_paid": 4,
    "mismatch": 4,
    "captured": 5,
    "returned": 6,
}
"""A move never lowers the rank: an old message cannot undo a newer one."""

CHAIN_MOVES: Final[dict[ChainStatus, frozenset[ChainStatus]]] = {
    "none": frozenset({"queued"}),
    "queued": frozenset({"submitted", "mined", "final", "held", "failed"}),
    "submitted": frozenset({"queued", "mined", "final", "failed"}),
    "mined": frozenset({"queued", "submitted", "final"}),  # downwards: a reorg
    "held": frozenset({"queued"}),
    "failed": frozenset({"queued"}),
    "final": frozenset({"queued", "submitted", "mined"}),  # a finalized block changed all the same
}

CLAIM_MOVES: Final[dict[ClaimStatus, frozenset[ClaimStatus]]] = {
    "none": frozenset({"refund_pending", "partially_refunded", "refunded", "disputed"}),
    "refund_pending": frozenset({"none", "partially_refunded", "refunded", "disputed"}),
    "partially_refunded": frozenset({"refund_pending", "refunded", "disputed"}),
    "disputed": frozenset({"none", "dispute_lost"}),
    "refunded": frozenset({"disputed"}),
    "dispute_lost": frozenset(),
}

_OPEN: Final = 3
"""Ranks below it still wait for money."""


@dataclass(frozen=True, slots=True)
class Move:
    """What an observation changes; None leaves a status where it is."""

    fiat: FiatStatus | None = None
    claim: ClaimStatus | None = None
    review_reason: str | None = None
    """Why an operator must look."""

    @property
    def is_nothing(self) -> bool:
        """Whether no status changes."""
        return self.fiat is None and self.claim is None


def decide(fiat: FiatStatus, claim: ClaimStatus, *, expected: Money, seen: Observation) -> Move:
    """Decide where an attempt goes after its gateway was asked.

    Args:
        fiat: Its present fiat status.
        claim: Its present claim status.
        expected: What its pledge asks for.
        seen: What the gateway said.
    """
    move = _money_move(fiat, expected, seen) if seen.effect == "captured" else None
    if move is None:
        move = Move(fiat=_waiting_move(fiat, seen))
    has_money = FIAT_RANK[move.fiat or fiat] > _OPEN
    if has_money and seen.claim != "none" and may_claim_move(claim, seen.claim):
        reason = f"the gateway reports the payment as {seen.claim.replace('_', ' ')}"
        return Move(move.fiat, seen.claim, move.review_reason or reason)
    return move


def _money_move(fiat: FiatStatus, expected: Money, seen: Observation) -> Move | None:
    """Money arrived: accept it only if it is what was asked for, in time; None: known already."""
    if FIAT_RANK[fiat] > _OPEN:
        return None
    fault = money_fault(expected, seen)
    if fault is not None:
        return Move(fiat="mismatch", review_reason=fault)
    if fiat in {"expired", "canceled"}:
        return Move(fiat="late_paid", review_reason=f"paid after the attempt was {fiat}")
    return Move(fiat="captured")


def money_fault(expected: Money, seen: Observation) -> str | None:
    """How the money differs from what was asked for; None when it does not."""
    amounts = {amount for amount in (seen.amount_minor, seen.received_minor) if amount is not None}
    if not amounts or seen.currency is None:
        return "the gateway does not say how much was paid"
    if seen.currency != expected.currency:
        return f"paid in {seen.currency}, asked for {expected.currency}"
    if amounts != {expected.minor}:
        return f"paid {received_minor(seen)}, asked for {expected.minor} minor units"
    return None


def received_minor(seen: Observation) -> int | None:
    """What was paid in minor units, as far as the gateway says."""
    return seen.amount_minor if seen.received_minor is None else seen.received_minor


def _waiting_move(fiat: FiatStatus, seen: Observation) -> FiatStatus | None:
    """No money yet: only upwards, and never from a status that ended."""
    targets: dict[str, FiatStatus] = {
        "awaiting": "awaiting",
        "processing": "awaiting",
        "authorized": "authorized",
        "failed": "failed",
        "canceled": "canceled",
    }
    target = targets.get(seen.effect)
    if target is None or FIAT_RANK[fiat] >= _OPEN or FIAT_RANK[target] <= FIAT_RANK[fiat]:
        return None
    return target


def may_expire(fiat: FiatStatus) -> bool:
    """Whether our own clock may expire an attempt in this status."""
    return FIAT_RANK[fiat] < _OPEN


def may_chain_move(now: ChainStatus, to: ChainStatus) -> bool:
    """Whether the chain status may go there."""
    return to in CHAIN_MOVES[now]


def may_claim_move(now: ClaimStatus, to: ClaimStatus) -> bool:
    """Whether the claim status may go there."""
    return to in CLAIM_MOVES[now]
