"""Ask a gateway about one attempt again, and let what it says take effect."""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import structlog
from sqlalchemy import Connection

from indexer.errors import TransientError
from offchain.gateways.types import Gateway, Observation
from offchain.payments.attempts import Attempt, Source, Statuses, move, read_attempt
from offchain.payments.lattice import FiatStatus, may_expire
from offchain.payments.observing import Context, Outcome, apply
from offchain.reconciliation.corrections import count_correction
from offchain.reconciliation.due import plan, postpone
from offchain.reconciliation.schedule import ABANDONED_AFTER
from offchain.services import Services

NEVER_CREATED_AFTER = timedelta(hours=1)

Result = Literal["corrected", "unchanged", "ended", "unanswered", "failed"]
"""``corrected``: it had moved, and no webhook had told; ``unanswered``: its gateway is away."""

_log = structlog.get_logger(__name__)


def context_of(services: Services, source: Source) -> Context:
    """Who observes now."""
    return Context(source, services.clock(), services.chains, services.late_money)


def observe(
    connection: Connection, attempt: Attempt, seen: Observation, *, context: Context
) -> Outcome:
    """Apply what was read; a status that nobody knows here keeps what is known, and is told."""
    if seen.effect == "unknown":
        _log.error(
            "gateway_status_unknown",
            attempt_id=str(attempt.id),
            gateway=attempt.gateway,
            provider_status=seen.provider_status,
        )
    return apply(connection, attempt.id, seen, context=context)


def read_again(
    services: Services, attempt: Attempt, *, source: Source, poll_gap: timedelta
) -> Result:
    """Read an attempt at its gateway, apply what it says, and plan the next read.

    Whatever fails, the attempt is due again soon: the caller goes on with the others.
    """
    result: Result
    try:
        return _read(services, attempt, source=source, poll_gap=poll_gap)
    except TransientError as error:
        _log.warning("read_unanswered", attempt_id=str(attempt.id), error=type(error).__name__)
        result = "unanswered"
    except Exception as error:  # noqa: BLE001 - the edge of every read: the others go on
        _log.error("read_failed", attempt_id=str(attempt.id), error=type(error).__name__)
        result = "failed"
    with services.engine.begin() as connection:
        postpone(connection, attempt.id, now=services.clock())
    return result


def _read(services: Services, attempt: Attempt, *, source: Source, poll_gap: timedelta) -> Result:
    seen = ask(services.gateways[attempt.gateway], attempt)
    context = context_of(services, source)
    result: Result = "unchanged"
    with services.engine.begin() as connection:
        if seen is not None:
            outcome = observe(connection, attempt, seen, context=context)
            result = "corrected" if outcome == "moved" else "unchanged"
        if _end_if_over(connection, attempt.id, seen, now=context.now):
            result = "ended"
        plan(connection, attempt.id, now=context.now, poll_gap=poll_gap)
        if result == "corrected":
            count_correction(connection, attempt, found_by="poll")
    return result


def ask(gateway: Gateway, attempt: Attempt) -> Observation | None:
    """Read an attempt's payment, by our own name while the gateway's is unknown.

    Raises:
        GatewayUnavailable: It gave no usable answer.
        GatewayRefused: It said no.
    """
    if attempt.provider_payment_id is None:
        return gateway.find_payment(attempt.id, since=attempt.created_at)
    return gateway.read_payment(attempt.provider_payment_id)


def _end_if_over(
    connection: Connection, attempt_id: UUID, seen: Observation | None, *, now: datetime
) -> bool:
    """End an attempt that brought no money in its time; whether it did."""
    attempt = read_attempt(connection, attempt_id)
    if attempt is None or not may_expire(attempt.fiat_status):
        return False
    ending = _ending(attempt, seen, now=now)
    if ending is None:
        return False
    status, why = ending
    return move(connection, attempt, Statuses(fiat=status), source="clock", evidence={"why": why})


def _ending(
    attempt: Attempt, seen: Observation | None, *, now: datetime
) -> tuple[FiatStatus, str] | None:
    """How an attempt without money ends now, and why; None: it goes on."""
    age = now - attempt.created_at
    if attempt.expires_at is not None and attempt.expires_at <= now:
        return "expired", "its time is over by our clock"
    if seen is None and age > NEVER_CREATED_AFTER:
        return "failed", "the gateway has no such payment"
    if attempt.fiat_status != "authorized" and age > ABANDONED_AFTER:
        return "expired", "nobody completed it"
    return None
