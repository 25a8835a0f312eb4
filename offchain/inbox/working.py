"""Work stored events off: read the payment again at its gateway and apply what it says.

What an event is about does not matter: a refund, a dispute and a capture alike lead to a re-read of
their payment, and an event that names none is done. An event is claimed by moving its next try
ahead, so that a worker killed half way leaves it due again after the lease; the call to the gateway
runs outside any transaction.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import structlog
from sqlalchemy import Connection, func, select, update

from indexer.db.choosing import chosen_once
from indexer.errors import LastroError, TransientError
from offchain.gateways.types import Gateway, Observation, UnreadableWebhook
from offchain.inbox.store import InboxId
from offchain.payments.attempts import read_attempt
from offchain.reconciliation.asking import ask, context_of, observe
from offchain.reconciliation.matching import match
from offchain.reconciliation.schedule import UNMATCHED_FOR_MAX, unmatched_pause
from offchain.services import Services
from offchain.tables import inbox

LEASE = timedelta(seconds=60)
"""Longer than every try of one gateway read."""
BACKOFF_MAX = timedelta(minutes=10)
"""While its gateway is away, an event is tried so often at least: money waits for it."""
_DOUBLINGS_MAX = 10
_ERROR_LENGTH_MAX = 200

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
        .where(inbox.c.id.in_(chosen_once(due)))
        .values(tries=inbox.c.tries + 1, next_try_at=func.now() + LEASE)
        .returning(inbox.c.id, inbox.c.gateway, inbox.c.body, inbox.c.tries, inbox.c.received_at)
    )
    # RETURNING keeps no order.
    return sorted((Claimed(*row) for row in rows), key=lambda event: event.id)


def work(services: Services, claimed: Claimed) -> Result:
    """Work one claimed event off; every trouble ends in a later try with its reason kept."""
    gateway = services.gateways.get(claimed.gateway)
    if gateway is None:
        return _wait(services, claimed, "unmatched", "no such gateway is configured")
    try:
        return _observe(services, gateway, claimed)
    except UnreadableWebhook as error:
        return _wait(services, claimed, "unmatched", str(error))
    except TransientError as error:
        return _wait(services, claimed, "new", type(error).__name__)
    except LastroError as error:
        _log.error("inbox_event_failed", inbox_id=claimed.id, error=type(error).__name__)
        return _wait(services, claimed, "new", f"{type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001 - the edge of every event: the others go on
        _log.error("inbox_event_failed", inbox_id=claimed.id, error=type(error).__name__)
        return _wait(services, claimed, "new", type(error).__name__)


def _observe(services: Services, gateway: Gateway, claimed: Claimed) -> Result:
    event = gateway.read_webhook(claimed.body)
    if event.provider_payment_id is not None:
        seen = gateway.read_payment(event.provider_payment_id)
    elif event.attempt_id is not None:
        seen = _read_by_attempt(services, gateway, event.attempt_id)
    else:
        return _finish(services, claimed)
    if seen is None:
        return _wait(services, claimed, "unmatched", "the gateway knows no such payment")
    return _apply(services, claimed, seen)


def _read_by_attempt(services: Services, gateway: Gateway, attempt_id: UUID) -> Observation | None:
    """Read the payment of an event that names only our attempt."""
    with services.engine.begin() as connection:
        attempt = read_attempt(connection, attempt_id)
    if attempt is None or attempt.gateway != gateway.name:
        return None
    return ask(gateway, attempt)


def _apply(services: Services, claimed: Claimed, seen: Observation) -> Result:
    """Apply and mark done in one transaction."""
    context = context_of(services, "webhook")
    with services.engine.begin() as connection:
        attempt = match(connection, claimed.gateway, seen)
        if attempt is not None:
            outcome = observe(connection, attempt, seen, context=context)
            if outcome != "foreign":
                _mark_done(connection, claimed.id, attempt.id)
                return "applied"
    return _wait(services, claimed, "unmatched", "no attempt of ours has this payment")


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


def _wait(
    services: Services, claimed: Claimed, state: Literal["new", "unmatched"], error: str
) -> Result:
    """Try again later, and ever later; give up loudly after three days."""
    waited = services.clock() - claimed.received_at
    is_dead = waited > UNMATCHED_FOR_MAX
    pause = backoff(claimed.tries) if state == "new" else unmatched_pause(waited)
    with services.engine.begin() as connection:
        connection.execute(
            update(inbox)
            .where(inbox.c.id == claimed.id, inbox.c.state != "done")
            .values(
                state="dead" if is_dead else state,
                error=_storable(error),
                next_try_at=func.now() + pause,
            )
        )
    if is_dead:
        _log.error("inbox_event_given_up", inbox_id=claimed.id, gateway=claimed.gateway)
        return "dead"
    return "later" if state == "new" else "unmatched"


def _storable(text: str) -> str:
    """A text as Postgres can hold it: what cannot be kept must not keep its event from waiting."""
    readable = text.replace("\0", "").encode("utf-8", "replace").decode()
    return readable[:_ERROR_LENGTH_MAX]


def backoff(tries: int) -> timedelta:
    """How long to wait after the n-th try: one second, doubling, at most ten minutes."""
    return min(timedelta(seconds=2 ** min(tries - 1, _DOUBLINGS_MAX)), BACKOFF_MAX)
