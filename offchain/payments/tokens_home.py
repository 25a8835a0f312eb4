"""Bring refunds on-chain to the ledger's token side, as settlement records them.

What was refunded is known once its block is final. Should that block change all the same, the
tokens stand in the treasury again; should the payment's own block change, ``reversing`` sees to it.
"""

from collections.abc import Mapping
from uuid import UUID

import structlog
from sqlalchemy import Connection, select

from offchain.ledger.tables import ledger_journals
from offchain.ledger.tokens import REFUND_UNDONE, REFUNDED, TokenPayment, bring_home, put_back
from offchain.payments.reversing import LOOK_BACK
from offchain.tables import payment_attempts
from settlement.queries import RefundMove, RequestStatus, refund_moves, request_statuses

_SOURCES: Mapping[str, str] = {"refunded": REFUNDED, "settled": REFUND_UNDONE}
"""What is booked of a move, by where it led."""

_log = structlog.get_logger(__name__)


def follow_refunds(connection: Connection) -> int:
    """Book the tokens that came home, and those that stand again; how many payments' were."""
    due = _unbooked(connection, refund_moves(connection, within=LOOK_BACK))
    if not due:
        return 0
    settled = connection.execute(
        select(payment_attempts.c.id)
        .where(payment_attempts.c.id.in_(due), payment_attempts.c.chain_status == "final")
        .order_by(payment_attempts.c.id)
        .with_for_update()
    ).scalars()
    found = settled.all()
    requests = request_statuses(connection, found)
    return sum(_book(connection, one, due[one], requests[one]) for one in found)


def _unbooked(connection: Connection, moves: Mapping[UUID, RefundMove]) -> dict[UUID, RefundMove]:
    names = {
        f"{root_id}:{move.move_id}": root_id
        for root_id, move in moves.items()
        if move.after in _SOURCES
    }
    booked = connection.execute(
        select(ledger_journals.c.source_id).where(
            ledger_journals.c.source.in_(_SOURCES.values()), ledger_journals.c.source_id.in_(names)
        )
    ).scalars()
    missing = names.keys() - set(booked)
    return {names[name]: moves[names[name]] for name in missing}


def _book(
    connection: Connection, attempt_id: UUID, move: RefundMove, request: RequestStatus
) -> bool:
    if move.after == "refunded":
        booked = bring_home(connection, attempt_id, move_id=move.move_id)
    else:
        payment = TokenPayment(
            request.chain_id, request.treasury, request.token, request.amount_base_units
        )
        booked = put_back(connection, attempt_id, payment, move_id=move.move_id)
    if booked:
        _log.info("tokens_moved", attempt_id=str(attempt_id), source=_SOURCES[move.after])
    return booked
