"""The bounded sweeps. Each finds what is due by the rows alone, so none depends on a message."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    extract,
    func,
    literal,
    or_,
    select,
    update,
)

from indexer.db.columns import UTC_TIME
from indexer.errors import LastroError, TransientError
from offchain.gateways.types import Observation
from offchain.inbox.working import claim, work
from offchain.jobs.runtime import Budget, Runtime
from offchain.payments.attempts import Attempt, Statuses, attempt_of, move, read_attempt
from offchain.payments.feedback import attempts_on_the_way, feed_back
from offchain.payments.handover import hand_over
from offchain.payments.lattice import FiatStatus, may_expire
from offchain.payments.observing import Context, apply
from offchain.payments.reversing import take_back
from offchain.services import Services
from offchain.tables import campaigns, payment_attempts, pledges

INBOX_MAX = 500
POLL_MAX = 200
EXPIRE_MAX = 200
HAND_OVER_PAGE = 500
FEEDBACK_PAGE = 500
FEEDBACK_MAX = 20_000
CLAIM_CHUNK = 20

POLL_GAP_MAX = timedelta(hours=1)
POLL_GAP_PER_AGE = 4
"""A payment is read again after a quarter of its age: often while young, hourly in the end."""
LATE_MONEY_WINDOW = timedelta(days=3)
"""How long past its expiry an ended attempt is still asked about: PIX money may come days late."""
CREATE_IN_FLIGHT = timedelta(seconds=60)
"""An attempt without a gateway id may still be at its gateway."""
NEVER_CREATED_AFTER = timedelta(hours=1)

Sweep = Callable[[Runtime, Budget], int]

_log = structlog.get_logger(__name__)
_attempts = payment_attempts.c


def inbox_sweep(runtime: Runtime, budget: Budget) -> int:
    """Work due webhooks off, whether or not their bell was heard."""
    services = runtime.services
    worked = 0
    while worked < INBOX_MAX and not budget.is_spent():
        with services.engine.begin() as connection:
            claimed = claim(connection, limit=CLAIM_CHUNK)
        for event in claimed:
            if budget.is_spent():  # what is left is due again after its lease
                return worked
            work(services, event)
            worked += 1
        if len(claimed) < CLAIM_CHUNK:
            break
    return worked


def payment_poll(runtime: Runtime, budget: Budget) -> int:
    """Ask gateways about open payments, because a webhook may never come."""
    services = runtime.services
    polled = 0
    while polled < POLL_MAX and not budget.is_spent():
        due = _claim_due_polls(runtime)
        for attempt in due:
            if budget.is_spent():
                break
            _poll(services, attempt)
        polled += len(due)
        if len(due) < CLAIM_CHUNK:
            break
    return polled


def expire_pix(runtime: Runtime, budget: Budget) -> int:
    """Expire unpaid codes by our own clock, after asking the gateway one last time."""
    services = runtime.services
    now = services.clock()
    with services.engine.begin() as connection:
        query = select(payment_attempts).where(
            _attempts.fiat_status.in_(("created", "awaiting", "authorized")),
            _attempts.expires_at <= now,
        )
        rows = connection.execute(query.order_by(_attempts.expires_at).limit(EXPIRE_MAX)).mappings()
        due = [attempt_of(row) for row in rows]
    expired = 0
    for attempt in due:
        if budget.is_spent():
            break
        expired += _expire(services, attempt)
    return expired


def handover_sweep(runtime: Runtime, budget: Budget) -> int:
    """Hand captured payments over that settlement could not take before."""
    services = runtime.services
    done = 0
    for attempt_id in _waiting_for_settlement(services, budget):
        with services.engine.begin() as connection:
            locked = connection.execute(
                select(_attempts.id)
                .where(_attempts.id == attempt_id)
                .with_for_update(skip_locked=True)
            ).first()
            if locked is not None:
                refusal = hand_over(connection, attempt_id, chains=services.chains, source="clock")
                done += refusal is None
    return done


def _waiting_for_settlement(services: Services, budget: Budget) -> Iterator[UUID]:
    """Every attempt that waits, from a random place on and round.

    However many can never be handed over, and however short the budget is, each has its turn.
    """
    start = uuid.uuid4()
    for part in (_attempts.id > start, _attempts.id <= start):
        page: ColumnElement[bool] = part
        while not budget.is_spent():
            with services.engine.begin() as connection:
                query = _not_handed_over().where(page).limit(HAND_OVER_PAGE)
                waiting = connection.execute(query).scalars().all()
            for attempt_id in waiting:
                if budget.is_spent():
                    return
                yield attempt_id
            if len(waiting) < HAND_OVER_PAGE:
                break
            page = part & (_attempts.id > waiting[-1])


def chain_feedback(runtime: Runtime, budget: Budget) -> int:
    """Bring chain progress back to the attempts, and post what is final."""
    with runtime.services.engine.begin() as connection:
        moved = take_back(connection)
    looked = 0
    after: UUID | None = None
    while looked < FEEDBACK_MAX and not budget.is_spent():
        with runtime.services.engine.begin() as connection:
            page = attempts_on_the_way(connection, after=after, limit=FEEDBACK_PAGE)
            moved += feed_back(connection, page)
        looked += len(page)
        if len(page) < FEEDBACK_PAGE:
            break
        after = page[-1].id
    return moved


SWEEPS: Mapping[str, Sweep] = {
    "inbox_sweep": inbox_sweep,
    "payment_poll": payment_poll,
    "expire_pix": expire_pix,
    "handover_sweep": handover_sweep,
    "chain_feedback": chain_feedback,
}


def _claim_due_polls(runtime: Runtime) -> list[Attempt]:
    """Take the attempts read longest ago, marking them read now so that none is taken twice."""
    now = runtime.services.clock()
    with runtime.services.engine.begin() as connection:
        due = (
            select(_attempts.id)
            .where(_is_due(now, runtime.poll_gap))
            .order_by(_attempts.checked_at.asc().nulls_first())
            .limit(CLAIM_CHUNK)
            .with_for_update(skip_locked=True)
        )
        rows = connection.execute(
            update(payment_attempts)
            .where(_attempts.id.in_(due.scalar_subquery()))
            .values(checked_at=now)
            .returning(*payment_attempts.c)
        ).mappings()
        return [attempt_of(row) for row in rows]


def _is_due(now: datetime, poll_gap: timedelta) -> ColumnElement[bool]:
    present = literal(now, UTC_TIME)
    age_s = extract("epoch", present - _attempts.created_at)
    gap_s: ColumnElement[Any] = func.greatest(
        poll_gap.total_seconds(),
        func.least(age_s / POLL_GAP_PER_AGE, POLL_GAP_MAX.total_seconds()),
    )
    last_read = func.coalesce(_attempts.checked_at, _attempts.created_at)
    is_time = extract("epoch", present - last_read) >= gap_s
    is_open = _attempts.fiat_status.in_(("created", "awaiting", "authorized"))
    may_be_late = _attempts.fiat_status.in_(("failed", "expired", "canceled")) & (
        func.coalesce(_attempts.expires_at, _attempts.created_at) > now - LATE_MONEY_WINDOW
    )
    is_at_gateway = _attempts.provider_payment_id.is_not(None) | (
        _attempts.created_at < now - CREATE_IN_FLIGHT
    )
    return or_(is_open, may_be_late) & is_at_gateway & is_time


def _poll(services: Services, attempt: Attempt) -> None:
    try:
        seen = _ask(services, attempt)
    except TransientError as error:
        _log.warning("poll_failed", attempt_id=str(attempt.id), error=type(error).__name__)
        return
    except LastroError as error:
        _log.error("poll_refused", attempt_id=str(attempt.id), error=type(error).__name__)
        return
    now = services.clock()
    with services.engine.begin() as connection:
        if seen is not None:
            apply(connection, attempt.id, seen, context=Context("poll", now, services.chains))
        elif attempt.created_at < now - NEVER_CREATED_AFTER:
            _end(connection, attempt.id, "failed", "the gateway has no such payment")


def _ask(services: Services, attempt: Attempt) -> Observation | None:
    gateway = services.gateways.get(attempt.gateway)
    if gateway is None:
        return None
    if attempt.provider_payment_id is None:
        return gateway.find_payment(attempt.id, since=attempt.created_at)
    return gateway.read_payment(attempt.provider_payment_id)


def _expire(services: Services, attempt: Attempt) -> bool:
    """Expire one attempt; not while its gateway cannot be asked: it may be paid."""
    try:
        seen = _ask(services, attempt)
    except LastroError as error:
        _log.warning("expiry_postponed", attempt_id=str(attempt.id), error=type(error).__name__)
        return False
    context = Context("clock", services.clock(), services.chains)
    with services.engine.begin() as connection:
        if seen is not None:
            apply(connection, attempt.id, seen, context=context)
        return _end(connection, attempt.id, "expired", "its time is over by our clock")


def _end(connection: Connection, attempt_id: UUID, status: FiatStatus, why: str) -> bool:
    """End an attempt that brought no money; False when it has moved on meanwhile."""
    attempt = read_attempt(connection, attempt_id)
    if attempt is None or not may_expire(attempt.fiat_status):
        return False
    evidence = {"why": why}
    return move(connection, attempt, Statuses(fiat=status), source="clock", evidence=evidence)


def _not_handed_over() -> Select[UUID]:
    return (
        select(_attempts.id)
        .join(pledges, pledges.c.id == _attempts.pledge_id)
        .join(campaigns, campaigns.c.id == pledges.c.campaign_id)
        .where(
            _attempts.fiat_status == "captured",
            _attempts.claim_status == "none",
            _attempts.chain_status == "none",
            campaigns.c.settlement_mode == "onchain",
        )
        .order_by(_attempts.id)
    )
