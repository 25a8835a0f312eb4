"""Bring refunds on-chain to the ledger's token side, as settlement records them.

What was refunded is known once its block is final. Should that block change all the same, the
tokens stand in the treasury again; should the payment's own block change, ``reversing`` sees to it.
"""

from collections.abc import Mapping
from uuid import UUID

import structlog
from sqlalchemy import Connection, select, update

from offchain.ledger.tables import ledger_journals
from offchain.ledger.tokens import REFUND_UNDONE, REFUNDED, TokenPayment, bring_home, put_back
from offchain.payments.attempts import Attempt, attempt_of
from offchain.payments.handover import UNDONE_REASON, is_named
from offchain.payments.reversing import LOOK_BACK
from offchain.tables import payment_attempts
from settlement.queries import RefundMove, RequestStatus, refund_moves, request_statuses

_SOURCES: Mapping[str, str] = {"refunded": REFUNDED, "settled": REFUND_UNDONE}
"""What is booked of a move, by where it led."""

_log = structlog.get_logger(__name__)


def follow_refunds(connection: Connection) -> int:
    """Book the tokens that came home, and those that stand again; how many payments' were."""
    moved = {
        name: move
        for name, move in refund_moves(connection, within=LOOK_BACK).items()
        if move.after in _SOURCES
    }
    if not moved:
        return 0
    rows = connection.execute(
        select(payment_attempts)
        .where(is_named(moved), payment_attempts.c.chain_status == "final")
        .order_by(payment_attempts.c.id)
        .with_for_update()
    ).mappings()
    attempts = [attempt_of(row) for row in rows]
    due = _unbooked(connection, {one.id: moved[one.request_id] for one in attempts})
    requests = request_statuses(connection, [one.request_id for one in attempts])
    return sum(
        _book(connection, one, due[one.id], requests[one.request_id])
        for one in attempts
        if one.id in due
    )


def _unbooked(connection: Connection, moved: Mapping[UUID, RefundMove]) -> dict[UUID, RefundMove]:
    """Of the moves by attempt, those that the ledger does not have."""
    names = {f"{attempt_id}:{move.move_id}": attempt_id for attempt_id, move in moved.items()}
    booked = connection.execute(
        select(ledger_journals.c.source_id).where(
            ledger_journals.c.source.in_(_SOURCES.values()), ledger_journals.c.source_id.in_(names)
        )
    ).scalars()
    missing = names.keys() - set(booked)
    return {names[name]: moved[names[name]] for name in missing}


def _book(
    connection: Connection, attempt: Attempt, move: RefundMove, request: RequestStatus
) -> bool:
    if move.after == "refunded":
        booked = bring_home(connection, attempt.id, move_id=move.move_id)
        if booked:
            _ask_a_person(connection, attempt)
    else:
        payment = TokenPayment(
            request.chain_id, request.treasury, request.token, request.amount_base_units
        )
        booked = put_back(connection, attempt.id, payment, move_id=move.move_id)
    if booked:
        _log.info("tokens_moved", attempt_id=str(attempt.id), source=_SOURCES[move.after])
    return booked


def _ask_a_person(connection: Connection, attempt: Attempt) -> None:
    """Tokens went home, and the money they stood for did not: nobody else will see to it."""
    if attempt.claim_status != "none" or attempt.review_reason is not None:
        return
    connection.execute(
        update(payment_attempts)
        .where(payment_attempts.c.id == attempt.id)
        .values(review_reason=UNDONE_REASON)
    )
