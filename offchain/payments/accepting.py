"""Accept money that was held: it becomes its pledge's, and nobody else's.

What counts for the pledge is what was asked for. Of a payment that brought more, the rest is owed
back and returned; one that brought less, or another currency, cannot be accepted: on-chain and in
the campaign's books a pledge has one amount.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from offchain.money import MinorUnits, Money
from offchain.payments.attempts import Attempt, Source, Statuses, holder_of, move_locked
from offchain.payments.booking import book_capture, book_excess, capture_name
from offchain.payments.claim_rows import NewIntent, add_intent
from offchain.payments.claims import settle_claims
from offchain.payments.handover import destination_of

HELD: Final = frozenset({"late_paid", "mismatch"})


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a decision cannot be carried out; nothing was changed."""

    reason: str


def accept_held(
    connection: Connection,
    attempt: Attempt,
    *,
    now: datetime,
    source: Source,
    evidence: Mapping[str, Any],
) -> Attempt | Refused:
    """Accept held money for its pledge, and owe back what is too much; the caller hands it over.

    Args:
        connection: The caller's transaction; it holds the attempt's lock.
        attempt: As it is under that lock.
        now: When.
        source: Who decides.
        evidence: By what right.
    """
    refusal = _refusal(connection, attempt)
    received = attempt.received
    if refusal is not None or received is None:
        return Refused(refusal or "nothing is booked of it")
    destination = destination_of(connection, attempt.pledge_id)
    book_capture(connection, attempt, destination, was_held=True)
    accepted = move_locked(
        connection,
        attempt,
        Statuses(fiat="captured"),
        source=source,
        evidence=evidence,
        columns={
            "booked_to": "campaign",
            "capture_id": capture_name(attempt),
            "captured_at": now,
            "review_reason": None,
        },
    )
    excess = received.minor - attempt.amount.minor
    if not excess:
        return accepted
    rest = Money(MinorUnits(excess), received.currency)
    book_excess(connection, accepted, rest)
    by = str(evidence.get("decided_by", source))
    step = add_intent(connection, accepted, NewIntent(rest, "excess", by), source=source)
    return settle_claims(connection, accepted, [step], source=source)


def _refusal(connection: Connection, attempt: Attempt) -> str | None:
    received, asked = attempt.received, attempt.amount
    if attempt.fiat_status not in HELD:
        return f"it is {attempt.fiat_status}: only late or differing money is accepted"
    if attempt.claim_status != "none":
        return f"somebody wants it back: its claim is {attempt.claim_status}"
    if received is None:
        return "the gateway does not say how much was paid"
    if received.currency != asked.currency or received.minor < asked.minor:
        return (
            f"it brought {received.minor} minor units of {received.currency}, its pledge is of "
            f"{asked.minor} of {asked.currency}: give it back"
        )
    if holder_of(connection, attempt.pledge_id) is not None:
        return "its pledge is paid by another payment: give it back"
    return None
