"""A settled payment that is settled no longer: its posted capture is reversed, and waits anew.

Entries are never edited. The reversal and the capture that waits in its place are named after the
taking-back that settlement recorded; the attempt's own evidence says that it was brought, so doing
it twice writes it once. Of a payment that was given back only the tokens move: its capture counts
because it was given back, and not because of the chain.
"""

from datetime import timedelta

import structlog
from sqlalchemy import Connection, select

from offchain.ledger.accounts import gateway_receivable, owed_to_campaign
from offchain.ledger.tokens import standing
from offchain.ledger.transfers import (
    Entry,
    Journal,
    Transfer,
    post_journal,
    post_pending,
    transfer_id,
)
from offchain.payments.attempts import Attempt, Statuses, attempt_of, move
from offchain.payments.handover import destination_of, is_named
from offchain.payments.lattice import GONE
from offchain.tables import attempt_events, payment_attempts
from settlement.queries import taken_back

REVERSAL = "capture_taken_back"
AGAIN = "capture_again"
LOOK_BACK = timedelta(days=7)
MOVE = "settlement_move"
"""Names, in an event's evidence, the taking-back it was moved by."""

_log = structlog.get_logger(__name__)


def take_back(connection: Connection) -> int:
    """Bring what settlement took back to the attempts and the ledger; how many were."""
    gone = taken_back(connection, within=LOOK_BACK)
    rows = connection.execute(
        select(payment_attempts)
        .where(is_named(gone), payment_attempts.c.chain_status == "final")
        .order_by(payment_attempts.c.id)
        .with_for_update()
    ).mappings()
    attempts = [attempt_of(row) for row in rows]
    return sum(_reverse(connection, one, gone[one.request_id]) for one in attempts)


def _reverse(connection: Connection, attempt: Attempt, move_id: int) -> bool:
    if _was_brought(connection, attempt, move_id):  # it has become final again since
        return False
    name = f"{attempt.id}:{move_id}"
    capture = Entry(
        AGAIN,
        name,
        debit=gateway_receivable(attempt.gateway),
        credit=owed_to_campaign(destination_of(connection, attempt.pledge_id).campaign_id),
        amount=attempt.amount,
    )
    is_gone = attempt.claim_status in GONE
    columns = {} if is_gone else {"capture_id": transfer_id(AGAIN, name, "pending")}
    if not move(
        connection,
        attempt,
        Statuses(chain="submitted"),
        source="chain",
        evidence={"why": "a finalized block changed", MOVE: move_id},
        columns=columns,
    ):
        return False
    undone = () if is_gone else (_undone(capture),)
    transfers = (*undone, *standing(connection, attempt.id))
    if transfers:
        post_journal(connection, Journal(REVERSAL, name, at_once=transfers))
    if not is_gone:
        post_pending(connection, capture)
    _log.error("settled_payment_reversed", attempt_id=str(attempt.id))
    return True


def _undone(capture: Entry) -> Transfer:
    return Transfer(capture.credit, capture.debit, capture.amount.minor, capture.amount.currency)


def _was_brought(connection: Connection, attempt: Attempt, move_id: int) -> bool:
    query = select(attempt_events.c.id).where(
        attempt_events.c.attempt_id == attempt.id,
        attempt_events.c.lattice == "chain",
        attempt_events.c.evidence[MOVE].as_string() == str(move_id),
    )
    return connection.execute(query.limit(1)).first() is not None
