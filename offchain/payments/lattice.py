"""Where an attempt may go next: pure rules over three independent statuses.

``fiat_status`` says what became of the money, ``chain_status`` how far its settlement is,
``claim_status`` whether somebody wants it back. No single status could hold a refund that arrives
while a batch is being mined.

Observations come twice, late and in any order. Each refund and each dispute is a small lattice of
its own, which only climbs; the claim status is what they add up to, so it is the same whatever the
order. The fiat status depends on one order only: money that comes before anything ended the attempt
is captured, money that comes after its expiry or cancellation is late.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from offchain.gateways.types import DisputeState, Observation, RefundState
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
RefundStatus = Literal["requested", "pending", "succeeded", "failed"]
"""``requested``: ours, and the gateway has not been heard of it yet."""

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
    "submitted": frozenset({"queued", "mined", "final", "held", "failed"}),
    "mined": frozenset({"queued", "submitted", "final", "held"}),  # downwards: a reorg
    # Called back for a claim, for ever: it fails, unless it was sealed in the same instant.
    "held": frozenset({"submitted", "mined", "final", "failed"}),
    "failed": frozenset({"queued"}),
    "final": frozenset({"queued", "submitted", "mined"}),  # a finalized block changed all the same
}

REFUND_RANK: Final[dict[RefundStatus, int]] = {
    "requested": 0,
    "pending": 1,
    "succeeded": 2,
    "failed": 3,
}
"""Failure is last: a bank sends money back days after a refund succeeded, never the reverse."""

DISPUTE_RANK: Final[dict[DisputeState, int]] = {"open": 0, "lost": 1, "won": 2}
"""A lost dispute may be won after all; what follows a won one is a new dispute."""

GONE: Final[frozenset[ClaimStatus]] = frozenset({"refunded", "dispute_lost"})
"""Claims after which the money is no longer here: the pledge may be paid anew."""

_OPEN: Final = 3
"""Ranks below it still wait for money."""


@dataclass(frozen=True, slots=True)
class Move:
    """What an observation changes; None leaves the status where it is."""

    fiat: FiatStatus | None = None
    review_reason: str | None = None
    """Why an operator must look."""


@dataclass(frozen=True, slots=True)
class RefundPart:
    """What one refund adds to a claim."""

    status: RefundStatus
    minor: int


@dataclass(frozen=True, slots=True)
class DisputePart:
    """What one dispute adds to a claim."""

    state: DisputeState
    minor: int


def decide(fiat: FiatStatus, *, expected: Money, seen: Observation) -> Move:
    """Decide where the money of an attempt goes after its gateway was asked.

    Args:
        fiat: Its present fiat status.
        expected: What its pledge asks for.
        seen: What the gateway said.
    """
    if seen.effect == "captured":
        return _money_move(fiat, expected, seen)
    return Move(fiat=_waiting_move(fiat, seen))


def has_money(fiat: FiatStatus) -> bool:
    """Whether money came in under this status, whatever became of it since."""
    return FIAT_RANK[fiat] > _OPEN


def claim_of(
    refunds: Iterable[RefundPart], disputes: Iterable[DisputePart], *, owed_minor: int
) -> ClaimStatus:
    """What the refunds and disputes of one payment add up to.

    A failed refund and a won dispute add nothing, so that they bring the claim back to where it
    was without them. Money that is all gone is gone, whoever argues about it still: its pledge may
    be paid anew. Of what is left, an open dispute shows above every refund.

    Args:
        refunds: Of the money the claim is on, in any order.
        disputes: All there are.
        owed_minor: The money the claim is on, in minor units.
    """
    argued = list(disputes)
    live = [part for part in refunds if part.status != "failed"]
    given = sum(part.minor for part in live if part.status == "succeeded")
    lost = sum(part.minor for part in argued if part.state == "lost")
    if given + lost >= owed_minor and given + lost > 0:
        return "dispute_lost" if lost else "refunded"
    if any(part.state == "open" for part in argued):
        return "disputed"
    if any(part.status != "succeeded" for part in live):
        return "refund_pending"
    return "partially_refunded" if given or lost else "none"


def advance_refund(now: RefundStatus, seen: RefundState) -> RefundStatus:
    """Where a refund is after its gateway was heard; never back."""
    return seen if REFUND_RANK[seen] > REFUND_RANK[now] else now


def advance_dispute(now: DisputeState, seen: DisputeState) -> DisputeState:
    """Where a dispute is after its gateway was heard; never back."""
    return seen if DISPUTE_RANK[seen] > DISPUTE_RANK[now] else now


def _money_move(fiat: FiatStatus, expected: Money, seen: Observation) -> Move:
    """Money arrived: accept it only if it is what was asked for, in time."""
    if has_money(fiat):
        return Move()
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
