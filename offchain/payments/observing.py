"""Apply what a gateway said about a payment: the one door through which money enters.

Webhooks, polls and the operator all come here. Applying the same thing twice, at once or in any
order ends in the same rows: one capture, one ledger entry, one settlement request.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import structlog
from sqlalchemy import Connection, select, update

from indexer.errors import InvariantError
from offchain.gateways.types import Observation
from offchain.ledger.accounts import (
    REFUNDS_PAYABLE,
    SUSPENSE,
    Account,
    gateway_receivable,
    owed_to_campaign,
)
from offchain.ledger.transfers import Entry, post, post_pending, single
from offchain.money import Currency, MinorUnits, Money
from offchain.payments.attempts import Attempt, Source, Statuses, move, read_attempt
from offchain.payments.handover import destination_of, hand_over
from offchain.payments.lattice import Move, decide, received_minor
from offchain.services import Chains
from offchain.tables import payment_attempts, pledges

CAPTURE = "capture"
UNACCEPTED = "unaccepted"
DUPLICATE_REASON = "a second payment of a pledge that is paid: give it back"
RACES_MAX = 20

Outcome = Literal["moved", "unchanged", "foreign"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Context:
    """Who observed, when, and the chains known."""

    source: Source
    now: datetime
    chains: Chains


def apply(
    connection: Connection, attempt_id: UUID, seen: Observation, *, context: Context
) -> Outcome:
    """Move an attempt to what its gateway said, with every effect in this transaction.

    Returns:
        ``foreign`` when the observation is of another attempt: nothing was changed.

    Raises:
        InvariantError: There is no such attempt, or it never held still.
    """
    for _ in range(RACES_MAX):
        attempt = read_attempt(connection, attempt_id)
        if attempt is None:
            raise InvariantError(f"attempt {attempt_id} was observed but does not exist")
        if not _is_of(attempt, seen):
            _log.warning("foreign_observation_refused", attempt_id=str(attempt_id))
            return "foreign"
        target = decide(
            attempt.fiat_status, attempt.claim_status, expected=attempt.amount, seen=seen
        )
        if target.fiat == "captured" and target.claim is None:
            target = _first_of_pledge(connection, attempt, target)
        columns = _columns(attempt, target, seen, context)
        if target.is_nothing and _learns_nothing(attempt, columns):
            _touch(connection, attempt, context)
            return "unchanged"
        to = Statuses(fiat=target.fiat, claim=target.claim)
        evidence = _evidence(seen)
        if move(connection, attempt, to, source=context.source, evidence=evidence, columns=columns):
            _effects(connection, attempt, target, seen, context)
            return "unchanged" if target.is_nothing else "moved"
    raise InvariantError(f"attempt {attempt_id} changed under {RACES_MAX} tries to move it")


def _is_of(attempt: Attempt, seen: Observation) -> bool:
    """Whether an observation is of this attempt, by the gateway's id and by ours."""
    if attempt.provider_payment_id is None:
        return seen.attempt_id == attempt.id
    same_payment = attempt.provider_payment_id == seen.provider_payment_id
    return same_payment and seen.attempt_id in {None, attempt.id}


def _first_of_pledge(connection: Connection, attempt: Attempt, target: Move) -> Move:
    """The first captured attempt has its pledge; a second one is money to give back."""
    connection.execute(
        select(pledges.c.id).where(pledges.c.id == attempt.pledge_id).with_for_update()
    )
    other = connection.execute(
        select(payment_attempts.c.id).where(
            payment_attempts.c.pledge_id == attempt.pledge_id,
            payment_attempts.c.id != attempt.id,
            payment_attempts.c.fiat_status == "captured",
            payment_attempts.c.claim_status == "none",
        )
    ).first()
    if other is None:
        return target
    return Move(fiat="captured", claim="refund_pending", review_reason=DUPLICATE_REASON)


def _columns(attempt: Attempt, target: Move, seen: Observation, context: Context) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "checked_at": context.now,
        "provider_payment_id": attempt.provider_payment_id or seen.provider_payment_id,
        "pix_code": attempt.pix_code or seen.pix_code,
    }
    if seen.version is not None:
        columns["provider_version"] = seen.version
    if target.review_reason is not None:
        columns["review_reason"] = target.review_reason
    if target.fiat in {"captured", "late_paid", "mismatch"}:
        columns["received_minor"] = received_minor(seen)
    if target.fiat == "captured":
        columns["captured_at"] = context.now
    return columns


def _learns_nothing(attempt: Attempt, columns: dict[str, Any]) -> bool:
    known = (attempt.provider_payment_id, attempt.pix_code)
    return known == (columns["provider_payment_id"], columns["pix_code"])


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


def _effects(
    connection: Connection, attempt: Attempt, target: Move, seen: Observation, context: Context
) -> None:
    """What follows from money having arrived; the row is locked by the move just made."""
    if target.fiat == "captured" and target.claim is None:
        _accept(connection, attempt, context)
    elif target.fiat in {"captured", "late_paid", "mismatch"}:
        is_duplicate = target.review_reason == DUPLICATE_REASON
        _hold(connection, attempt, seen, REFUNDS_PAYABLE if is_duplicate else SUSPENSE)
        _log.warning("payment_held", attempt_id=str(attempt.id), reason=target.review_reason)


def _accept(connection: Connection, attempt: Attempt, context: Context) -> None:
    """Post the capture: pending until it is final on-chain, at once for fiat-only campaigns."""
    destination = destination_of(connection, attempt.pledge_id)
    pending = post_pending(
        connection,
        Entry(
            CAPTURE,
            str(attempt.id),
            debit=gateway_receivable(attempt.gateway),
            credit=owed_to_campaign(destination.campaign_id),
            amount=attempt.amount,
        ),
    )
    if destination.chain_id is None:
        post(connection, pending)
        return
    refusal = hand_over(connection, attempt.id, chains=context.chains, source=context.source)
    if refusal is not None:
        _log.warning("hand_over_refused", attempt_id=str(attempt.id), reason=refusal)


def _hold(connection: Connection, attempt: Attempt, seen: Observation, owed_to: Account) -> None:
    """Book money that is not accepted, so that what the gateway holds is always in the ledger."""
    received = received_minor(seen)
    if received is None or received <= 0 or seen.currency is None:
        return  # nothing to book; the review reason says so
    amount = Money(MinorUnits(received), Currency(seen.currency))
    receivable = gateway_receivable(attempt.gateway)
    single(
        connection,
        Entry(UNACCEPTED, str(attempt.id), debit=receivable, credit=owed_to, amount=amount),
    )
