"""A settled payment that is settled no longer: its posted capture is reversed, and waits anew.

Entries are never edited. The reversal and the capture that waits in its place are named after the
taking-back that settlement recorded, so doing it twice writes it once.
"""

from datetime import timedelta

import structlog
from sqlalchemy import Connection, select

from offchain.ledger.accounts import gateway_receivable, owed_to_campaign
from offchain.ledger.transfers import (
    Entry,
    TransferId,
    post_pending,
    single,
    transfer_id,
)
from offchain.payments.attempts import Attempt, Statuses, attempt_of, move
from offchain.payments.handover import destination_of
from offchain.payments.observing import CAPTURE
from offchain.tables import ledger_transfers, payment_attempts
from settlement.queries import taken_back

REVERSAL = "capture_taken_back"
AGAIN = "capture_again"
LOOK_BACK = timedelta(days=7)

_log = structlog.get_logger(__name__)


def open_capture(connection: Connection, attempt: Attempt) -> TransferId:
    """The pending capture of an attempt: the first, or the one that took its place."""
    newest = connection.execute(
        select(ledger_transfers.c.id)
        .where(
            ledger_transfers.c.kind == "pending",
            ledger_transfers.c.source == AGAIN,
            ledger_transfers.c.source_id.startswith(f"{attempt.id}:"),
        )
        .order_by(ledger_transfers.c.created_at.desc())
        .limit(1)
    ).scalar_one_or_none()
    first = transfer_id(CAPTURE, str(attempt.id), "pending")
    return first if newest is None else TransferId(newest)


def take_back(connection: Connection) -> int:
    """Bring what settlement took back to the attempts and the ledger; how many were."""
    gone = taken_back(connection, within=LOOK_BACK)
    rows = connection.execute(
        select(payment_attempts)
        .where(payment_attempts.c.id.in_(gone), payment_attempts.c.chain_status == "final")
        .with_for_update()
    ).mappings()
    return sum(_reverse(connection, attempt_of(row), gone[row["id"]]) for row in rows)


def _reverse(connection: Connection, attempt: Attempt, move_id: int) -> bool:
    name = f"{attempt.id}:{move_id}"
    receivable = gateway_receivable(attempt.gateway)
    owed = owed_to_campaign(destination_of(connection, attempt.pledge_id).campaign_id)
    reversed_before = connection.execute(
        select(ledger_transfers.c.id).where(
            ledger_transfers.c.id == transfer_id(REVERSAL, name, "single")
        )
    ).first()
    if reversed_before is not None:  # it has become final again since
        return False
    evidence = {"why": "a finalized block changed", "settlement_move": move_id}
    if not move(
        connection, attempt, Statuses(chain="submitted"), source="chain", evidence=evidence
    ):
        return False
    single(connection, Entry(REVERSAL, name, debit=owed, credit=receivable, amount=attempt.amount))
    post_pending(
        connection, Entry(AGAIN, name, debit=receivable, credit=owed, amount=attempt.amount)
    )
    _log.error("settled_payment_reversed", attempt_id=str(attempt.id))
    return True
