"""What an operator decides about a payment: accept held money, give money back, or let it be.

A decision is a row like any other news: it names who decided, and the rest follows in the same
transaction. Giving back writes the intent; the sweep calls the gateway.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from offchain.money import MinorUnits
from offchain.payments.accepting import Refused, accept_held
from offchain.payments.attempts import Attempt, Statuses, lock_attempt, move_locked, note_event
from offchain.payments.handover import hand_over
from offchain.payments.refunding import request_refund
from offchain.services import Chains

_UNKNOWN = Refused("there is no such payment")


def accept(
    connection: Connection,
    payment_id: UUID,
    *,
    decided_by: str,
    now: datetime,
    chains: Chains | None,
) -> Attempt | Refused:
    """Accept late or differing money for its pledge, and hand it over.

    Args:
        connection: The caller's transaction.
        payment_id: Whose money.
        decided_by: The operator.
        now: When.
        chains: The chains known; None leaves handing it over to the sweep.
    """
    attempt = lock_attempt(connection, payment_id)
    if attempt is None:
        return _UNKNOWN
    accepted = accept_held(
        connection,
        attempt,
        now=now,
        source="operator",
        evidence={"decided_by": decided_by, "why": attempt.review_reason},
    )
    if chains is not None and isinstance(accepted, Attempt):
        hand_over(connection, payment_id, chains=chains, source="operator")
    return accepted


def give_back(connection: Connection, payment_id: UUID, *, decided_by: str) -> UUID | Refused:
    """Give back all that is left of money that was never accepted; returns the refund."""
    attempt = lock_attempt(connection, payment_id)
    if attempt is None:
        return _UNKNOWN
    if attempt.booked_to == "campaign":
        return Refused("its pledge counts it: refund it instead")
    return request_refund(connection, payment_id, None, origin="operator", requested_by=decided_by)


def refund(
    connection: Connection, payment_id: UUID, amount: MinorUnits | None, *, decided_by: str
) -> UUID | Refused:
    """Give back an accepted payment, or a part of it; returns the refund.

    Args:
        connection: The caller's transaction.
        payment_id: Whose money.
        amount: In minor units; None for all that is left.
        decided_by: The operator.
    """
    attempt = lock_attempt(connection, payment_id)
    if attempt is None:
        return _UNKNOWN
    if attempt.booked_to in {"suspense", "payable"}:
        return Refused("its pledge does not count it: return it instead")
    return request_refund(
        connection, payment_id, amount, origin="operator", requested_by=decided_by
    )


def close_review(
    connection: Connection, payment_id: UUID, *, decided_by: str, note: str
) -> Attempt | Refused:
    """Say that a person has looked at a payment and that nothing is left to do.

    What was looked at is kept with the payment's moves. A reason that settlement still gives comes
    back by itself; anything new asks for a person again.

    Args:
        connection: The caller's transaction.
        payment_id: The payment.
        decided_by: The operator.
        note: Why nothing is left to do; no personal data.
    """
    attempt = lock_attempt(connection, payment_id)
    if attempt is None:
        return _UNKNOWN
    if attempt.booked_to in {"suspense", "payable"} and attempt.fiat_status != "returned":
        return Refused("its money is held: accept it, or give it back")
    if attempt.review_reason is None:
        return Refused("nothing about it waits for a person")
    evidence = {"decided_by": decided_by, "why": attempt.review_reason, "note": note}
    note_event(
        connection, payment_id, "review", ("open", "closed"), source="operator", evidence=evidence
    )
    columns = {"review_reason": None}
    return move_locked(
        connection, attempt, Statuses(), source="operator", evidence={}, columns=columns
    )
