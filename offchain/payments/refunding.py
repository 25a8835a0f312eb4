"""Give money back: the intent first, the gateway after, the outcome last, each committed.

The refund's id is the idempotency key and the metadata at the gateway, and equal fields go with it
on every try. Whatever dies between two steps, the sweep finds the intent again; whatever answer is
lost, the same call finds the same refund.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import httpx
import structlog
from sqlalchemy import Connection, func, select, update

from indexer.db.choosing import chosen_once
from indexer.errors import InvariantError, LastroError, TransientError
from offchain.claim_tables import refunds
from offchain.gateways.errors import GatewayRefused
from offchain.gateways.types import Gateway, NewRefund, RefundSeen
from offchain.money import MinorUnits, Money
from offchain.payments.accepting import Refused
from offchain.payments.attempts import Attempt, Source, lock_attempt
from offchain.payments.claim_rows import (
    NewIntent,
    Origin,
    Refund,
    add_intent,
    advance,
    read_disputes,
    read_refund,
    read_refunds,
)
from offchain.payments.claims import absorb, returnable_minor, settle_claims
from offchain.payments.handover import hand_over
from offchain.services import Services

LEASE: Final = timedelta(minutes=20)
"""How long a claimed refund is its worker's: longer than every try of all its calls at the longest
timeout that may be set. Not every gateway recognizes a refund that is sent twice at once."""
BACKOFF_MIN: Final = timedelta(minutes=1)
BACKOFF_MAX: Final = timedelta(hours=1)
_DOUBLINGS_MAX: Final = 6
_MAY_PASS: Final = frozenset(
    {
        httpx.codes.UNAUTHORIZED,
        httpx.codes.FORBIDDEN,
        httpx.codes.REQUEST_TIMEOUT,
        httpx.codes.CONFLICT,
        httpx.codes.TOO_EARLY,
        httpx.codes.TOO_MANY_REQUESTS,
    }
)
"""Refusals that say nothing of the refund: our key is wrong, or another try is at work there."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A refund whose call is about to be made, and what it says."""

    attempt_id: UUID
    gateway: str
    call: NewRefund


def request_refund(
    connection: Connection,
    attempt_id: UUID,
    amount: MinorUnits | None,
    *,
    origin: Origin,
    requested_by: str,
) -> UUID | Refused:
    """Write the intent to give money back, with its pending ledger entry and all that follows.

    Args:
        connection: The caller's transaction; the refund is due once it commits.
        attempt_id: Whose money.
        amount: In minor units of what was received; None for all that is left.
        origin: Why.
        requested_by: Who wants it; no personal data of the backer.

    Returns:
        The refund, which ``send_refund`` carries out; or why it cannot be.
    """
    attempt = lock_attempt(connection, attempt_id)
    if attempt is None:
        return Refused("there is no such payment")
    left = returnable_minor(
        attempt, read_refunds(connection, attempt_id), read_disputes(connection, attempt_id)
    )
    wanted = left if amount is None else amount
    refusal = _refusal(attempt, wanted, left)
    received = attempt.received
    if refusal is not None or received is None:
        return Refused(refusal or "no money of it is booked")
    source: Source = "operator" if origin == "operator" else "policy"
    new = NewIntent(Money(MinorUnits(wanted), received.currency), origin, requested_by)
    step = add_intent(connection, attempt, new, source=source)
    settle_claims(connection, attempt, [step], source=source)
    _log.info("refund_requested", refund_id=str(step.now.id), origin=origin)
    return step.now.id


def _refusal(attempt: Attempt, wanted: int, left: int) -> str | None:
    if attempt.received is None or attempt.provider_payment_id is None:
        return f"no money of it is booked: it is {attempt.fiat_status}"
    if attempt.claim_status in {"disputed", "dispute_lost"}:
        return "it is disputed: the bank decides, and a refund would pay it twice"
    if left <= 0:
        return "nothing is left of it: it was given back, or is being"
    if not 0 < wanted <= left:
        return f"{left} minor units of it are left: {wanted} cannot be given back"
    return None


def claim_due_refunds(connection: Connection, *, limit: int) -> list[UUID]:
    """Claim refunds whose gateway is to be called now, leaving out those another worker holds.

    Args:
        connection: The caller's transaction, to be committed before the first is sent.
        limit: How many at most.

    Returns:
        For ``send_refund``, the longest due first; each is due again after its lease.
    """
    due = (
        select(refunds.c.id)
        .where(refunds.c.state == "requested", refunds.c.next_try_at <= func.now())
        .order_by(refunds.c.next_try_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(
        update(refunds)
        .where(refunds.c.id.in_(chosen_once(due)))
        .values(next_try_at=func.now() + LEASE)
        .returning(refunds.c.id, refunds.c.created_at)
    )
    # RETURNING keeps no order.
    return [row.id for row in sorted(rows, key=lambda row: (row.created_at, row.id))]


def send_refund(services: Services, refund_id: UUID) -> None:
    """Call the gateway of a refund that is due and keep what it answers; again is safe.

    Every trouble of the gateway ends in a later try with its reason kept.
    """
    sent = _begin(services, refund_id)
    if sent is None:
        return
    gateway = services.gateways[sent.gateway]
    try:
        seen = gateway.refund(sent.call)
    except GatewayRefused as refusal:
        _refused(services, gateway, sent, refusal)
    except LastroError as error:
        if not isinstance(error, TransientError):
            _log.error("refund_not_sent", refund_id=str(refund_id), error=type(error).__name__)
        _postpone(services, refund_id, type(error).__name__)
    else:
        _record(services, sent, (replace(seen, refund_id=refund_id),))


def backoff(tries: int) -> timedelta:
    """How long to wait after the n-th try: a minute, doubling, at most an hour."""
    times = 1 << min(max(tries - 1, 0), _DOUBLINGS_MAX)
    return min(BACKOFF_MIN * times, BACKOFF_MAX)


def _begin(services: Services, refund_id: UUID) -> _Sent | None:
    """Commit that the gateway is about to be called; None when it must not be, or not now."""
    with services.engine.begin() as connection:
        found = read_refund(connection, refund_id)
        if found is None:
            raise InvariantError(f"refund {refund_id} is to be sent but does not exist")
        attempt = _lock(connection, found.attempt_id)
        refund = read_refund(connection, refund_id)
        if refund is None or refund.state != "requested":
            return None
        if attempt.gateway not in services.gateways:
            _put_off(connection, refund_id, f"{attempt.gateway} is not enabled", BACKOFF_MAX)
            return None
        if attempt.claim_status == "disputed":
            _put_off(connection, refund_id, "it waits for the end of a dispute", BACKOFF_MAX)
            return None
        needless = _needless(connection, attempt, refund)
        if needless is not None:
            step = advance(connection, refund, "failed", source="refund", reason=needless)
            settle_claims(connection, attempt, [step], source="refund")
            return None
        return _sent(connection, attempt, refund)


def _needless(connection: Connection, attempt: Attempt, refund: Refund) -> str | None:
    """Why a refund must never be sent; None when it must."""
    if attempt.claim_status == "dispute_lost":
        return "the lost dispute took the money"
    others = [one for one in read_refunds(connection, attempt.id) if one.id != refund.id]
    left = returnable_minor(attempt, others, read_disputes(connection, attempt.id))
    if left < refund.amount.minor and not refund.tries:
        return "the gateway has given the money back meanwhile"
    return None


def _sent(connection: Connection, attempt: Attempt, refund: Refund) -> _Sent:
    received, payment_id = attempt.received, attempt.provider_payment_id
    if received is None or payment_id is None:
        raise InvariantError(f"refund {refund.id} is of money that never came")
    # Nobody else sends it before the answer is kept, or its worker is surely dead.
    connection.execute(
        update(refunds)
        .where(refunds.c.id == refund.id)
        .values(tries=refund.tries + 1, next_try_at=func.now() + LEASE)
    )
    call = NewRefund(
        refund_id=refund.id,
        provider_payment_id=payment_id,
        amount=refund.amount,
        is_full=refund.amount == received,
    )
    return _Sent(attempt.id, attempt.gateway, call)


def _refused(services: Services, gateway: Gateway, sent: _Sent, refusal: GatewayRefused) -> None:
    """A gateway said no: for good, unless an earlier try has come through after all."""
    refund_id = sent.call.refund_id
    reason = f"refused: HTTP {refusal.status} {refusal.code}".rstrip()
    if refusal.status in _MAY_PASS:
        _log.error("refund_not_sent", refund_id=str(refund_id), status=refusal.status)
        _postpone(services, refund_id, reason)
        return
    try:
        seen = gateway.read_payment(sent.call.provider_payment_id)
    except LastroError as error:
        _postpone(services, refund_id, f"{reason}; then {type(error).__name__}")
        return
    _record(services, sent, () if seen is None else seen.refunds, refusal=reason)


def _record(
    services: Services, sent: _Sent, seen: tuple[RefundSeen, ...], *, refusal: str | None = None
) -> None:
    """Keep what became of a refund; what was refused and is nowhere to be seen has failed."""
    refund_id = sent.call.refund_id
    with services.engine.begin() as connection:
        attempt = _lock(connection, sent.attempt_id)
        attempt = absorb(connection, attempt, refunds=seen, source="refund")
        refund = read_refund(connection, refund_id)
        if refusal is not None and refund is not None and refund.state == "requested":
            step = advance(connection, refund, "failed", source="refund", reason=refusal)
            attempt = settle_claims(connection, attempt, [step], source="refund")
        if attempt.claim_status == "none":
            hand_over(connection, attempt.id, chains=services.chains, source="refund")


def _postpone(services: Services, refund_id: UUID, reason: str) -> None:
    with services.engine.begin() as connection:
        refund = read_refund(connection, refund_id)
        _put_off(connection, refund_id, reason, backoff(0 if refund is None else refund.tries))
    _log.warning("refund_postponed", refund_id=str(refund_id), reason=reason)


def _put_off(connection: Connection, refund_id: UUID, reason: str, pause: timedelta) -> None:
    connection.execute(
        update(refunds)
        .where(refunds.c.id == refund_id, refunds.c.state == "requested")
        .values(reason=reason, next_try_at=func.now() + pause)
    )


def _lock(connection: Connection, attempt_id: UUID) -> Attempt:
    attempt = lock_attempt(connection, attempt_id)
    if attempt is None:
        raise InvariantError(f"attempt {attempt_id} vanished: its row was removed by hand")
    return attempt
