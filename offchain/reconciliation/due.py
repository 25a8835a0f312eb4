"""Which attempts are due to be read again, and for how long a worker has them."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from indexer.db.choosing import chosen_once
from offchain.payments.attempts import Attempt, attempt_of, read_attempt
from offchain.reconciliation.schedule import next_read
from offchain.tables import payment_attempts

LEASE = timedelta(minutes=2)
"""What a worker took and did not read is due again after this."""
CREATE_IN_FLIGHT = timedelta(seconds=60)
"""A younger attempt without a gateway id may still be on its way to the gateway."""
UNANSWERED_PAUSE = timedelta(minutes=1)

_attempts = payment_attempts.c


def claim_due(
    connection: Connection,
    which: ColumnElement[bool],
    *,
    gateways: Collection[str],
    now: datetime,
    limit: int,
) -> list[Attempt]:
    """Take due attempts, those that have waited longest first; no other worker takes them.

    Args:
        connection: A transaction of its own: the claim stands when that commits.
        which: What else must be true of them.
        gateways: Only attempts at these.
        now: Business time.
        limit: How many at most.
    """
    due = (
        select(_attempts.id)
        .where(which, _attempts.gateway.in_(gateways), _attempts.next_read_at <= now)
        .where(_is_at_gateway(now))
        .order_by(_attempts.next_read_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(
        update(payment_attempts)
        .where(_attempts.id.in_(chosen_once(due)))
        .values(next_read_at=now + LEASE)
        .returning(*payment_attempts.c)
    ).mappings()
    return [attempt_of(row) for row in rows]


def is_old_enough(now: datetime, poll_gap: timedelta) -> ColumnElement[bool]:
    """Whether an attempt was made so long ago that its webhook may be missed."""
    return _attempts.created_at <= now - poll_gap


def is_over(now: datetime) -> ColumnElement[bool]:
    """Whether an attempt still waits for money past its time."""
    return and_(
        _attempts.fiat_status.in_(("created", "awaiting", "authorized")),
        _attempts.expires_at.is_not(None),  # so that it is never unknown
        _attempts.expires_at <= now,
    )


def plan(connection: Connection, attempt_id: UUID, *, now: datetime, poll_gap: timedelta) -> None:
    """Say when an attempt that was read now is to be read again."""
    attempt = read_attempt(connection, attempt_id)
    if attempt is not None:
        _set(connection, attempt_id, next_read(attempt, now=now, poll_gap=poll_gap))


def postpone(connection: Connection, attempt_id: UUID, *, now: datetime) -> None:
    """Have an attempt read soon that could not be read now."""
    _set(connection, attempt_id, now + UNANSWERED_PAUSE)


def _is_at_gateway(now: datetime) -> ColumnElement[bool]:
    return or_(
        _attempts.provider_payment_id.is_not(None),
        _attempts.created_at <= now - CREATE_IN_FLIGHT,
    )


def _set(connection: Connection, attempt_id: UUID, moment: datetime | None) -> None:
    connection.execute(
        update(payment_attempts).where(_attempts.id == attempt_id).values(next_read_at=moment)
    )
