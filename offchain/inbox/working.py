"""Work stored events off: read the payment again at its gateway and apply what it says.

An event is claimed by moving its next try ahead, so that a worker killed half way leaves it due
again after the lease; the call to the gateway runs outside any transaction.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import structlog
from sqlalchemy import Connection, exists, func, select, update

from indexer.errors import LastroError, TransientError
from offchain.gateways.types import Gateway, Observation, UnreadableWebhook, WebhookEvent
from offchain.inbox.store import InboxId
from offchain.payments.attempts import attempt_by_provider_id, read_attempt
from offchain.payments.observing import Context, apply
from offchain.services import Services
from offchain.tables import inbox, payment_attempts

LEASE = timedelta(seconds=60)
"""Longer than every try of one gateway read."""
BACKOFF_MAX = timedelta(hours=1)
GIVE_UP_AFTER = timedelta(hours=72)
_DOUBLINGS_MAX = 12

Result = Literal["applied", "nothing_to_do", "unmatched", "later", "dead"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Claimed:
    """An event this worker may work on until its lease ends."""

    id: InboxId
    gateway: str
    body: bytes
    tries: int
    """Including this one."""
    received_at: datetime


def claim(connection: Connection, *, limit: int, only: InboxId | None = None) -> list[Claimed]:
    """Claim due events, oldest first, leaving out those another worker holds."""
    due = select(inbox.c.id).where(
        inbox.c.state.in_(("new", "unmatched")), inbox.c.next_try_at <= func.now()
    )
    if only is not None:
        due = due.where(inbox.c.id == only)
    due = due.order_by(inbox.c.next_try_at).limit(limit).with_for_update(skip_locked=True)
    rows = connection.execute(
        update(inbox)
        .where(inbox.c.id.in_(due.scalar_subquery()))
        .values(tries=inbox.c.tries + 1, next_try_at=func.now() + LEASE)
        .returning(inbox.c.id, inbox.c.gateway, inbox.c.body, inbox.c.tries, inbox.c.received_at)
    )
    # RETURNING keeps no order.
    return sorted((Claimed(*row) for row in rows), key=lambda event: event.id)


def work(services: Services, claimed: Claimed) -> Result:
    """Work one claimed event off; every trouble ends in a later try with its reason kept."""
    gateway = services.gateways.get(claimed.gateway)
    if gateway is None:
        return _retry(services, claimed, "unmatched", "no such gateway is configured")
    try:
        return _observe(services, gateway, claimed)
    except UnreadableWebhook as error:
        return _retry(services, claimed, "unmatched", str(error))
    except TransientError as error:
        return _retry(services, claimed, "new", type(error).__name__)
    except LastroError as error:
        _log.error("inbox_event_failed", inbox_id=claimed.id, error=type(error).__name__)
        return _retry(services, claimed, "new", f"{type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001 - the edge of every event: the others go on
        _log.error("inbox_event_failed", inbox_id=claimed.id, error=type(error).__name__)
        return _retry(services, claimed, "new", type(error).__name__)


def _observe(services: Services, gateway: Gateway, claimed: Claimed) -> Result:
    event = gateway.read_webhook(claimed.body)
    if event.provider_payment_id is not None:
        seen = gateway.read_payment(event.provider_payment_id)
    elif event.attempt_id is not None:
        seen = _read_by_attempt(services, gateway, event.attempt_id)
    else:
        return _finish(services, claimed)
    if seen is None:
        return _retry(services, claimed, "unmatched", "the gateway knows no such payment")
    return _apply(services, claimed, event, seen)


def _read_by_attempt(services: Services, gateway: Gateway, attempt_id: UUID) -> Observation | None:
    """Read the payment of an event that names only our attempt."""
    with services.engine.begin() as connection:
        attempt = read_attempt(connection, attempt_id)
    if attempt is None or attempt.gateway != gateway.name:
        return None
    if attempt.provider_payment_id is None:
        return gateway.find_payment(attempt.id, since=attempt.created_at)
    return gateway.read_payment(attempt.provider_payment_id)


def _apply(services: Services, claimed: Claimed, event: WebhookEvent, seen: Observation) -> Result:
    """Apply and mark done in one transaction."""
    context = Context("webhook", services.clock(), services.chains)
    with services.engine.begin() as connection:
        attempt_id = _match(connection, claimed.gateway, event, seen)
        if attempt_id is not None:
            outcome = apply(connection, attempt_id, seen, context=context)
            if outcome != "foreign":
                _mark_done(connection, claimed.id, attempt_id)
                return "applied"
    return _retry(services, claimed, "unmatched", "no attempt of ours has this payment")


def _match(
    connection: Connection, gateway: str, event: WebhookEvent, seen: Observation
) -> UUID | None:
    """Find the attempt by the gateway's id, else by ours as the gateway echoes it when re-read."""
    attempt_id = attempt_by_provider_id(connection, gateway, seen.provider_payment_id)
    if attempt_id is not None:
        return attempt_id
    named = seen.attempt_id or event.attempt_id
    is_known = connection.execute(
        select(exists().where(payment_attempts.c.id == named))
    ).scalar_one()
    return named if is_known else None


def _mark_done(connection: Connection, inbox_id: InboxId, attempt_id: UUID | None) -> None:
    connection.execute(
        update(inbox)
        .where(inbox.c.id == inbox_id)
        .values(state="done", attempt_id=attempt_id, error=None, done_at=func.now())
    )


def _finish(services: Services, claimed: Claimed) -> Result:
    with services.engine.begin() as connection:
        _mark_done(connection, claimed.id, None)
    return "nothing_to_do"


def _retry(
    services: Services, claimed: Claimed, state: Literal["new", "unmatched"], error: str
) -> Result:
    """Try again later, twice as late each time; give up loudly after three days."""
    is_dead = services.clock() - claimed.received_at > GIVE_UP_AFTER
    pause = backoff(claimed.tries)
    with services.engine.begin() as connection:
        connection.execute(
            update(inbox)
            .where(inbox.c.id == claimed.id, inbox.c.state != "done")
            .values(
                state="dead" if is_dead else state,
                error=error,
                next_try_at=func.now() + pause,
            )
        )
    if is_dead:
        _log.error("inbox_event_given_up", inbox_id=claimed.id, error=error)
        return "dead"
    return "later" if state == "new" else "unmatched"


def backoff(tries: int) -> timedelta:
    """How long to wait after the n-th try: one second, doubling, at most an hour."""
    return min(timedelta(seconds=2 ** min(tries - 1, _DOUBLINGS_MAX)), BACKOFF_MAX)
