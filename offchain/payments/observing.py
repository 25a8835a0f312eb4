"""Apply what a gateway said about a payment: the one door through which money enters.

Webhooks, polls and the operator all come here. Applying the same thing twice, at once or in any
order ends in the same rows: one capture, one ledger entry, one settlement request, one row for each
refund and dispute. All of it is one transaction under the locks of pledge and attempt.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import structlog
from sqlalchemy import Connection, update

from indexer.errors import InvariantError
from offchain.gateways.types import Observation
from offchain.payments.accepting import Refused, accept_held
from offchain.payments.attempts import (
    Attempt,
    BookedTo,
    Source,
    Statuses,
    holder_of,
    lock_attempt,
    move_locked,
)
from offchain.payments.booking import book_capture, book_unaccepted, capture_name
from offchain.payments.claim_rows import Origin
from offchain.payments.claims import absorb
from offchain.payments.handover import destination_of, hand_over
from offchain.payments.lattice import Move, decide, has_money, received_minor
from offchain.payments.refunding import request_refund
from offchain.services import Chains
from offchain.settings import LateMoney
from offchain.tables import payment_attempts

DUPLICATE_REASON: Final = "a second payment of a pledge that is paid: give it back"
BY_POLICY: Final = "policy"

Outcome = Literal["moved", "unchanged", "foreign"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Context:
    """Who observed, when, the chains known, and what becomes of money that came too late."""

    source: Source
    now: datetime
    chains: Chains
    late_money: LateMoney = "review"


def apply(
    connection: Connection, attempt_id: UUID, seen: Observation, *, context: Context
) -> Outcome:
    """Move an attempt to what its gateway said, with every effect in this transaction.

    Returns:
        ``foreign`` when the observation is of another attempt: nothing was changed.

    Raises:
        InvariantError: There is no such attempt.
    """
    before = lock_attempt(connection, attempt_id)
    if before is None:
        raise InvariantError(f"attempt {attempt_id} was observed but does not exist")
    if not _is_of(before, seen):
        _log.warning("foreign_observation_refused", attempt_id=str(attempt_id))
        return "foreign"
    attempt = _take_money(connection, before, seen, context)
    attempt = absorb(
        connection, attempt, refunds=seen.refunds, disputes=seen.disputes, source=context.source
    )
    if before.booked_to is None and attempt.booked_to is not None:
        attempt = _decide_on_held(connection, attempt, context)
    if attempt.version == before.version:
        _touch(connection, attempt, context)
    elif attempt.holds_pledge and attempt.claim_status == "none":
        _hand_over(connection, attempt, context)
    return "unchanged" if _statuses(attempt) == _statuses(before) else "moved"


def _is_of(attempt: Attempt, seen: Observation) -> bool:
    """Whether an observation is of this attempt, by the gateway's id and by ours."""
    if attempt.provider_payment_id is None:
        return seen.attempt_id == attempt.id
    same_payment = attempt.provider_payment_id == seen.provider_payment_id
    return same_payment and seen.attempt_id in {None, attempt.id}


def _statuses(attempt: Attempt) -> tuple[str, str, str]:
    return attempt.fiat_status, attempt.chain_status, attempt.claim_status


def _take_money(
    connection: Connection, attempt: Attempt, seen: Observation, context: Context
) -> Attempt:
    """Move the fiat status, and book money that is new; the first of its pledge has it."""
    target = decide(attempt.fiat_status, expected=attempt.amount, seen=seen)
    booked_to = _home(connection, attempt, target, seen)
    columns = _learned(attempt, seen) | _columns(attempt, target, booked_to, seen, context)
    if target.fiat is None and booked_to is None and not columns:
        return attempt
    columns["checked_at"] = context.now
    if seen.version is not None:
        columns["provider_version"] = seen.version
    moved = move_locked(
        connection,
        attempt,
        Statuses(fiat=target.fiat),
        source=context.source,
        evidence=_evidence(seen),
        columns=columns,
    )
    received = moved.received
    if booked_to == "campaign":
        book_capture(connection, moved, destination_of(connection, moved.pledge_id))
    elif booked_to is not None and received is not None:
        book_unaccepted(connection, moved, received)
        _log.warning("payment_held", attempt_id=str(moved.id), reason=moved.review_reason)
    return moved


def _home(
    connection: Connection, attempt: Attempt, target: Move, seen: Observation
) -> BookedTo | None:
    """Where the ledger is to have money that it does not have yet; None when there is none."""
    fiat = target.fiat or attempt.fiat_status
    is_counted = (received_minor(seen) or 0) > 0 and seen.currency is not None
    is_new = attempt.booked_to is None and seen.effect == "captured"
    if not (is_new and is_counted and has_money(fiat)):
        return None
    if fiat != "captured":
        return "suspense"
    return "campaign" if holder_of(connection, attempt.pledge_id) is None else "payable"


def _columns(
    attempt: Attempt,
    target: Move,
    booked_to: BookedTo | None,
    seen: Observation,
    context: Context,
) -> dict[str, Any]:
    """What money that is new brings with it."""
    columns: dict[str, Any] = {}
    if target.review_reason is not None:
        columns["review_reason"] = target.review_reason
    if booked_to is None:
        return columns
    columns |= {
        "booked_to": booked_to,
        "received_minor": received_minor(seen),
        "received_currency": seen.currency,
    }
    if target.fiat == "captured":
        columns["captured_at"] = context.now
    if booked_to == "campaign":
        columns["capture_id"] = capture_name(attempt)
    if booked_to == "payable":
        columns["review_reason"] = DUPLICATE_REASON
    return columns


def _learned(attempt: Attempt, seen: Observation) -> dict[str, Any]:
    """What a gateway tells once and we did not know."""
    told = {
        "provider_payment_id": (attempt.provider_payment_id, seen.provider_payment_id),
        "pix_code": (attempt.pix_code, seen.pix_code),
        "client_secret": (attempt.client_secret, seen.client_secret),
        "authorization_url": (attempt.authorization_url, seen.authorization_url),
    }
    news: dict[str, Any] = {
        name: now for name, (known, now) in told.items() if known is None and now is not None
    }
    return news


def _touch(connection: Connection, attempt: Attempt, context: Context) -> None:
    connection.execute(
        update(payment_attempts)
        .where(payment_attempts.c.id == attempt.id)
        .values(checked_at=context.now)
    )


def _evidence(seen: Observation) -> dict[str, Any]:
    """What the gateway said, without anything about a person."""
    return {
        "provider_payment_id": seen.provider_payment_id,
        "provider_status": seen.provider_status,
        "amount_minor": seen.amount_minor,
        "received_minor": seen.received_minor,
        "currency": seen.currency,
        "version": seen.version,
    }


def _decide_on_held(connection: Connection, attempt: Attempt, context: Context) -> Attempt:
    """Money that is not its pledge's: a second payment goes back, the rest by the policy.

    Money that differs is never accepted without a person: only late money is.
    """
    policy = context.late_money
    if attempt.booked_to == "payable":
        return _give_back(connection, attempt, "duplicate")
    if attempt.booked_to == "suspense" and policy == "return":
        return _give_back(
            connection, attempt, "late" if attempt.fiat_status == "late_paid" else "mismatch"
        )
    if attempt.fiat_status != "late_paid" or policy != "accept":
        return attempt
    accepted = accept_held(
        connection,
        attempt,
        now=context.now,
        source="policy",
        evidence={"why": "late money is accepted", "decided_by": BY_POLICY},
    )
    if not isinstance(accepted, Refused):
        return accepted
    _log.warning("late_money_not_accepted", attempt_id=str(attempt.id), why=accepted.reason)
    return attempt


def _give_back(connection: Connection, attempt: Attempt, origin: Origin) -> Attempt:
    """Owe all that is left of it back, at once; the sweep sends it."""
    asked = request_refund(connection, attempt.id, None, origin=origin, requested_by=BY_POLICY)
    if isinstance(asked, Refused):  # its gateway has given it back already, or it is disputed
        _log.info("refund_needless", attempt_id=str(attempt.id), why=asked.reason)
    return _require(lock_attempt(connection, attempt.id))


def _hand_over(connection: Connection, attempt: Attempt, context: Context) -> None:
    refusal = hand_over(connection, attempt.id, chains=context.chains, source=context.source)
    if refusal is not None:
        _log.warning("hand_over_refused", attempt_id=str(attempt.id), reason=refusal)


def _require(attempt: Attempt | None) -> Attempt:
    if attempt is None:
        raise InvariantError("an attempt vanished under its lock")
    return attempt
