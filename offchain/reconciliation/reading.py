"""Read a listed payment again: it moves its attempt, or stays in sight as nobody's."""

from datetime import timedelta
from typing import Literal

import structlog
from sqlalchemy import Connection

from indexer.errors import TransientError
from offchain.gateways.types import Observation
from offchain.reconciliation.asking import context_of, observe
from offchain.reconciliation.corrections import count_correction
from offchain.reconciliation.due import CREATE_IN_FLIGHT, UNANSWERED_PAUSE, plan
from offchain.reconciliation.listing import Listed, forget, keep, put_off
from offchain.reconciliation.matching import match
from offchain.reconciliation.schedule import UNMATCHED_FOR_MAX, unmatched_pause
from offchain.services import Services

Result = Literal["corrected", "unchanged", "too_young", "unmatched", "unanswered", "failed"]

_log = structlog.get_logger(__name__)


def read_listed_payment(services: Services, listed: Listed, *, poll_gap: timedelta) -> Result:
    """Read a listed payment and apply it to its attempt; the caller goes on whatever happens."""
    result: Result
    try:
        seen = services.gateways[listed.gateway].read_payment(listed.provider_payment_id)
        with services.engine.begin() as connection:
            if seen is None:
                return _unmatched(
                    services, connection, listed, None, "the gateway shows it no more"
                )
            return _apply(services, connection, listed, seen, poll_gap=poll_gap)
    except TransientError as error:
        _log.warning("listed_payment_unanswered", **_names(listed), error=type(error).__name__)
        result = "unanswered"
    except Exception as error:  # noqa: BLE001 - the edge of every payment: the others go on
        _log.error("listed_payment_failed", **_names(listed), error=type(error).__name__)
        result = "failed"
    with services.engine.begin() as connection:
        put_off(connection, listed, pause=UNANSWERED_PAUSE)
    return result


def _apply(
    services: Services,
    connection: Connection,
    listed: Listed,
    seen: Observation,
    *,
    poll_gap: timedelta,
) -> Result:
    context = context_of(services, "poll")
    attempt = match(connection, listed.gateway, seen)
    if attempt is None:
        return _unmatched(services, connection, listed, seen, "no attempt of ours has it")
    is_young = attempt.created_at > context.now - CREATE_IN_FLIGHT
    if attempt.provider_payment_id is None and is_young:
        put_off(connection, listed, pause=CREATE_IN_FLIGHT)
        return "too_young"
    outcome = observe(connection, attempt, seen, context=context)
    if outcome == "foreign":
        reason = f"attempt {attempt.id}, which it names, is another payment's"
        return _unmatched(services, connection, listed, seen, reason)
    plan(connection, attempt.id, now=context.now, poll_gap=poll_gap)
    forget(connection, listed)
    if outcome == "moved":
        count_correction(connection, attempt, found_by="list")
        return "corrected"
    return "unchanged"


def _unmatched(
    services: Services,
    connection: Connection,
    listed: Listed,
    seen: Observation | None,
    reason: str,
) -> Result:
    waited = services.clock() - listed.listed_at
    is_over = waited > UNMATCHED_FOR_MAX
    pause = None if is_over else unmatched_pause(waited)
    keep(connection, listed, reason=reason, seen=seen, pause=pause)
    level = _log.error if is_over else _log.warning
    level("listed_payment_unmatched", **_names(listed), reason=reason)
    return "unmatched"


def _names(listed: Listed) -> dict[str, str]:
    return {"gateway": listed.gateway, "provider_payment_id": listed.provider_payment_id}
