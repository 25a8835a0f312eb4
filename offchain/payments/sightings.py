"""Which row a refund or dispute is that a gateway shows, and how far it brings that row.

Never two rows for one refund: not when the answer to our own was lost, and not when a gateway does
not echo our name for it.
"""

from collections.abc import Iterable, Sequence

import structlog
from sqlalchemy import Connection

from offchain.gateways.types import DisputeSeen, RefundSeen
from offchain.payments.attempts import Attempt, Source
from offchain.payments.claim_rows import (
    DisputeStep,
    Refund,
    RefundStep,
    add_dispute,
    add_seen_refund,
    advance,
    advance_dispute_row,
    read_disputes,
    read_refunds,
)
from offchain.payments.lattice import DISPUTE_RANK, REFUND_RANK, advance_dispute, advance_refund

GATEWAY_SAYS = "the gateway says that it failed"

_log = structlog.get_logger(__name__)


def see_refunds(
    connection: Connection, attempt: Attempt, seen: Iterable[RefundSeen], *, source: Source
) -> list[RefundStep]:
    """Bring the rows of an attempt's refunds to what its gateway shows; returns those that moved.

    The caller holds the attempt's lock.
    """
    steps: list[RefundStep] = []
    known = read_refunds(connection, attempt.id)
    for one in sorted(seen, key=lambda refund: refund.provider_refund_id):
        row = _row_of(known, one)
        step = (
            _add(connection, attempt, one, source)
            if row is None
            else _advance(connection, row, one, source)
        )
        if step is not None:
            known = [*(other for other in known if other.id != step.now.id), step.now]
            steps.append(step)
    return steps


def _row_of(known: Sequence[Refund], seen: RefundSeen) -> Refund | None:
    """The row of a refund: by the gateway's name of it, by ours, or by being the one we sent.

    A gateway that does not echo our name shows a refund whose answer was lost as a stranger's of
    just that amount.
    """
    for row in known:
        if row.provider_refund_id == seen.provider_refund_id:
            return row
    nameless = [row for row in known if row.provider_refund_id is None and row.is_live]
    for row in nameless:
        if row.id == seen.refund_id:
            return row
    if seen.refund_id is not None:
        return None
    return next((row for row in nameless if row.tries and row.amount.minor == seen.minor), None)


def _add(
    connection: Connection, attempt: Attempt, seen: RefundSeen, source: Source
) -> RefundStep | None:
    if seen.minor <= 0:
        return None
    currency = attempt.received_currency or attempt.amount.currency
    step = add_seen_refund(connection, attempt, seen, currency, source=source)
    if step is None:
        _log.error("refund_of_another_payment", attempt_id=str(attempt.id))
    return step


def _advance(
    connection: Connection, row: Refund, seen: RefundSeen, source: Source
) -> RefundStep | None:
    if seen.minor != row.amount.minor:
        _log.error("refund_amount_differs", refund_id=str(row.id), seen_minor=seen.minor)
    state = advance_refund(row.state, seen.state)
    if REFUND_RANK[seen.state] < REFUND_RANK[state] and state == "failed":
        _log.warning("refund_seen_after_failure", refund_id=str(row.id), state=seen.state)
    is_named = row.provider_refund_id is not None
    if state == row.state and is_named:
        return None
    return advance(
        connection,
        row,
        state,
        source=source,
        provider_refund_id=seen.provider_refund_id,
        reason=GATEWAY_SAYS if state == "failed" else None,
    )


def see_disputes(
    connection: Connection, attempt: Attempt, seen: Iterable[DisputeSeen], *, source: Source
) -> list[DisputeStep]:
    """Likewise for its disputes."""
    steps: list[DisputeStep] = []
    known = {row.provider_dispute_id: row for row in read_disputes(connection, attempt.id)}
    currency = attempt.received_currency or attempt.amount.currency
    for one in sorted(seen, key=lambda dispute: dispute.provider_dispute_id):
        row = known.get(one.provider_dispute_id)
        step: DisputeStep | None = None
        if row is None and one.minor > 0:
            step = add_dispute(connection, attempt, one, currency, source=source)
            if step is None:
                _log.error("dispute_of_another_payment", attempt_id=str(attempt.id))
        elif row is not None and DISPUTE_RANK[one.state] > DISPUTE_RANK[row.state]:
            state = advance_dispute(row.state, one.state)
            step = advance_dispute_row(connection, row, state, source=source)
        if step is not None:
            known[one.provider_dispute_id] = step.now
            steps.append(step)
    return steps
