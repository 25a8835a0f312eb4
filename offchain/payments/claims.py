"""What a gateway shows of refunds and disputes becomes rows, and all that follows from them.

In the caller's transaction, under the attempt's lock: the rows climb, the claim status is what they
add up to, the ledger follows, and settlement is asked to undo what must not stand on-chain. Showing
the same thing again changes nothing; what a gateway leaves out is not gone.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import structlog
from sqlalchemy import Connection

from offchain.gateways.types import DisputeSeen, RefundSeen
from offchain.money import MinorUnits
from offchain.payments.attempts import Attempt, Source, Statuses, holder_of, move_locked
from offchain.payments.booking import (
    Setting,
    book_displaced,
    book_dispute,
    book_refund,
    post_capture,
)
from offchain.payments.claim_rows import (
    Dispute,
    DisputeStep,
    Refund,
    RefundStep,
    keep_booking,
    read_disputes,
    read_refunds,
)
from offchain.payments.handover import (
    SEALED,
    UNDONE_REASON,
    call_back,
    destination_of,
    is_sealed,
)
from offchain.payments.lattice import GONE, ClaimStatus, DisputePart, RefundPart, claim_of
from offchain.payments.sightings import GATEWAY_SAYS, see_disputes, see_refunds
from settlement.queries import undone_by

Step = RefundStep | DisputeStep

DISPLACED_REASON: Final = "its pledge was paid anew meanwhile: give this money back"
REST_REASON: Final = (
    "a part was given back before it was settled: the rest is never confirmed on-chain"
)
HELD_REASON: Final = "its money is held: accept it, or give it back"

_log = structlog.get_logger(__name__)


def absorb(
    connection: Connection,
    attempt: Attempt,
    *,
    refunds: Iterable[RefundSeen] = (),
    disputes: Iterable[DisputeSeen] = (),
    source: Source,
) -> Attempt:
    """Keep what a gateway shows, with all that follows; returns the attempt as it is then.

    While no money is booked the rows are kept and wait; the claim is theirs once it is.

    Args:
        connection: The caller's transaction; it holds the attempt's lock.
        attempt: As it is under that lock.
        refunds: Of the payment, as its gateway shows them.
        disputes: Likewise.
        source: Who looked.
    """
    steps: list[Step] = [
        *see_refunds(connection, attempt, refunds, source=source),
        *see_disputes(connection, attempt, disputes, source=source),
    ]
    return settle_claims(connection, attempt, steps, source=source)


def settle_claims(
    connection: Connection, attempt: Attempt, steps: Sequence[Step], *, source: Source
) -> Attempt:
    """Bring claim, ledger and settlement to where an attempt's refunds and disputes are.

    Args:
        connection: The caller's transaction; it holds the attempt's lock.
        attempt: As it is under that lock.
        steps: What the caller has just moved.
        source: Whose news it was.
    """
    if attempt.booked_to is None:
        return attempt
    refunds, disputes = _read(connection, attempt)
    steps = [*steps, *_unbooked(steps, refunds, disputes)]
    if not steps:
        return attempt
    claim = claim_on(attempt, refunds, disputes)
    setting = Setting(
        attempt,
        destination_of(connection, attempt.pledge_id),
        is_sealed=is_sealed(connection, attempt),
        is_here=_left(attempt, refunds) > 0,
    )
    _book(connection, setting, steps)
    is_undone = _must_be_undone(setting, claim, refunds)
    if is_undone:
        call_back(connection, attempt, claim)
    if attempt.booked_to == "campaign" and claim != "none":
        is_off_the_way = not setting.is_sealed or is_undone
        if is_off_the_way:
            post_capture(connection, attempt)
    return _move(connection, setting, claim, steps, source=source, is_undone=is_undone)


def claim_on(
    attempt: Attempt, refunds: Iterable[Refund], disputes: Iterable[Dispute]
) -> ClaimStatus:
    """What an attempt's refunds and disputes add up to."""
    return claim_of(
        [RefundPart(one.state, one.amount.minor) for one in refunds if one.is_claim],
        [DisputePart(one.state, one.amount.minor) for one in disputes],
        owed_minor=claimable_minor(attempt),
    )


def claimable_minor(attempt: Attempt) -> int:
    """The money a claim is on: the pledge's own, or all of it while it is not accepted."""
    if attempt.booked_to == "campaign":
        return attempt.amount.minor
    return attempt.received_minor or attempt.amount.minor


def returnable_minor(
    attempt: Attempt, refunds: Iterable[Refund], disputes: Iterable[Dispute]
) -> int:
    """What may still be given back of a payment: not twice, and not while it is disputed."""
    received = attempt.received
    if received is None:
        return 0
    given = sum(one.amount.minor for one in refunds if one.is_live)
    argued = sum(one.amount.minor for one in disputes if one.state != "won")
    return max(received.minor - given - argued, 0)


def _read(connection: Connection, attempt: Attempt) -> tuple[list[Refund], list[Dispute]]:
    return read_refunds(connection, attempt.id), read_disputes(connection, attempt.id)


def _unbooked(
    steps: Sequence[Step], refunds: Iterable[Refund], disputes: Iterable[Dispute]
) -> list[Step]:
    """What was seen before the money was: new to the ledger now."""
    moved = {step.now.id for step in steps}
    found: list[Step] = [
        RefundStep(None, one)
        for one in refunds
        if one.booked_to is None and one.is_live and one.id not in moved
    ]
    found += [
        DisputeStep(None, one)
        for one in disputes
        if one.booked_to is None and one.state != "won" and one.id not in moved
    ]
    return found


def _left(attempt: Attempt, refunds: Iterable[Refund]) -> int:
    """What was not given back yet, in minor units."""
    given = sum(one.amount.minor for one in refunds if one.state == "succeeded")
    return (attempt.received_minor or 0) - given


def _book(connection: Connection, setting: Setting, steps: Iterable[Step]) -> None:
    for step in steps:
        if isinstance(step, RefundStep):
            keep_booking(connection, step.now, book_refund(connection, setting, step))
        else:
            keep_booking(connection, step.now, book_dispute(connection, setting, step))


def _must_be_undone(setting: Setting, claim: ClaimStatus, refunds: Iterable[Refund]) -> bool:
    """Whether settlement must undo the payment, wherever it stands.

    What is not sealed yet must not be confirmed while anybody wants it back. What is sealed or
    confirmed is undone once all of it was given back at once; for a part or a dispute the chain has
    no undoing.
    """
    attempt = setting.attempt
    if attempt.chain_status == "queued" and not setting.is_sealed:
        return claim != "none"
    if attempt.chain_status not in {"queued", *SEALED}:
        return False
    owed = claimable_minor(attempt)
    return any(one.state == "succeeded" and one.amount.minor >= owed for one in refunds)


def _move(
    connection: Connection,
    setting: Setting,
    claim: ClaimStatus,
    steps: Sequence[Step],
    *,
    source: Source,
    is_undone: bool,
) -> Attempt:
    """Move the statuses to where the claim is; the refunds and disputes are the evidence."""
    attempt = setting.attempt
    is_held = attempt.booked_to != "campaign"
    refunds, disputes = _read(connection, attempt)
    is_gone = is_held and _is_all_gone(attempt, refunds, disputes)
    is_held_back = is_undone and not setting.is_sealed
    to = Statuses(
        fiat="returned" if is_gone and attempt.fiat_status != "returned" else None,
        chain="held" if is_held_back else None,
        claim=claim if claim != attempt.claim_status else None,
    )
    reason = None if is_gone and not _is_news(attempt, steps) else why(attempt, claim, steps)
    if claim == "none" and attempt.claim_status != "none" and _is_undone(connection, attempt):
        reason = UNDONE_REASON if reason is None else f"{reason}; {UNDONE_REASON}"
    columns: dict[str, object] = {"review_reason": reason}
    if claim == "partially_refunded" and _is_cut_off(setting, is_undone=is_undone):
        columns["review_reason"] = REST_REASON
    if _is_displaced(connection, attempt, claim):
        here = min(_left(attempt, refunds) - _lost(disputes), attempt.amount.minor)
        book_displaced(connection, attempt, setting.destination, here=MinorUnits(here))
        columns |= {"booked_to": "payable", "review_reason": DISPLACED_REASON}
    evidence = {"claims": [_named(step) for step in steps]}
    return move_locked(connection, attempt, to, source=source, evidence=evidence, columns=columns)


def _is_all_gone(attempt: Attempt, refunds: Iterable[Refund], disputes: Iterable[Dispute]) -> bool:
    """Whether nothing is left of money that was never accepted."""
    return _left(attempt, refunds) - _lost(disputes) <= 0


def _is_news(attempt: Attempt, steps: Iterable[Step]) -> bool:
    """Whether a dispute moved of money that had gone back before."""
    is_returned = attempt.fiat_status == "returned"
    return is_returned and any(isinstance(step, DisputeStep) for step in steps)


def _lost(disputes: Iterable[Dispute]) -> int:
    """What disputes took, in minor units."""
    return sum(one.amount.minor for one in disputes if one.state == "lost")


def _is_cut_off(setting: Setting, *, is_undone: bool) -> bool:
    """Whether what is left of an accepted payment will never be confirmed on-chain."""
    attempt = setting.attempt
    is_onchain = setting.destination.chain_id is not None and attempt.booked_to == "campaign"
    return is_onchain and (is_undone or not setting.is_sealed)


def _is_displaced(connection: Connection, attempt: Attempt, claim: ClaimStatus) -> bool:
    """Whether money that was gone is here again, and another payment holds its pledge."""
    is_back = attempt.claim_status in GONE and claim not in GONE
    if attempt.booked_to != "campaign" or not is_back:
        return False
    return holder_of(connection, attempt.pledge_id) is not None


def why(attempt: Attempt, claim: ClaimStatus, steps: Iterable[Step]) -> str | None:
    """Why an operator must look at a payment now; None when nobody must."""
    reason = attempt.review_reason
    is_held = attempt.booked_to != "campaign"
    is_over = claim == "none" and attempt.claim_status != "none"
    if is_over:
        reason = HELD_REASON if is_held else None
    for step in steps:
        if _is_intent(step) and not is_held:
            reason = None  # whoever asked for it has looked
        reason = _step_reason(step, claim) or reason
    return reason


def _is_undone(connection: Connection, attempt: Attempt) -> bool:
    """Whether settlement undoes a payment that it confirmed, or is about to.

    What was called back before it was sealed is handed over anew instead.
    """
    is_onchain = attempt.chain_status in {"queued", *SEALED}
    return is_onchain and undone_by(connection, attempt.request_id) is not None


def _is_intent(step: Step) -> bool:
    return isinstance(step, RefundStep) and step.before is None and step.now.state == "requested"


def _step_reason(step: Step, claim: ClaimStatus) -> str | None:
    """What about one refund or dispute wants a person."""
    if isinstance(step, RefundStep) and step.now.state == "failed":
        after = " after it had succeeded" if step.before == "succeeded" else ""
        _log.warning("refund_failed", refund_id=str(step.now.id), before=step.before)
        return f"a refund failed{after}: {step.now.reason or GATEWAY_SAYS}"
    if isinstance(step, DisputeStep) and (step.before, step.now.state) == ("lost", "won"):
        _log.error("lost_dispute_won", dispute_id=str(step.now.id))
        return "a dispute that was lost is won after all"
    is_theirs = isinstance(step, DisputeStep) or step.now.origin == "gateway"
    if is_theirs and claim != "none":
        return f"the gateway reports the payment as {claim.replace('_', ' ')}"
    return None


def _named(step: Step) -> str:
    kind = "refund" if isinstance(step, RefundStep) else "dispute"
    return f"{kind} {step.now.id} {step.now.state}"
