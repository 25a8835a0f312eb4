"""What an operator reads before deciding: what waits for a person, and all about one payment.

Reads only, with the rights of the read role: nothing of a backer, nothing a payment can be
completed with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select

from offchain.ledger.tables import ledger_transfers
from offchain.payments.claim_rows import Dispute, Refund, read_disputes, read_refunds
from offchain.tables import attempt_events, campaigns, payment_attempts, pledges

_attempts = payment_attempts.c


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment as it stands."""

    payment_id: UUID
    pledge_id: UUID
    campaign: str
    """Its slug."""
    chain_id: int | None
    gateway: str
    method: str
    provider_payment_id: str | None
    amount_minor: int
    currency: str
    received_minor: int | None
    received_currency: str | None
    fiat_status: str
    chain_status: str
    claim_status: str
    booked_to: str | None
    reason: str | None
    """Why a person must look; None when only held money waits."""
    created_at: datetime
    captured_at: datetime | None
    settlement_id: UUID | None
    """Its name at settlement, once it was handed over anew; None: its own id."""
    moved_at: datetime | None
    """When it last moved."""


@dataclass(frozen=True, slots=True)
class Event:
    """One move, with its evidence."""

    at: datetime
    source: str
    lattice: str
    from_status: str
    to_status: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One transfer of the ledger."""

    at: datetime
    kind: str
    source: str
    debit: str
    credit: str
    amount: int
    """Minor units; base units of a token."""
    currency: str


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of one payment."""

    payment: Payment
    refunds: Sequence[Refund]
    disputes: Sequence[Dispute]
    events: Sequence[Event]
    ledger: Sequence[Line]


def find_payment(connection: Connection, name: str) -> UUID | None:
    """A payment by its id, settlement's or its gateway's; None when there is none, or several."""
    try:
        named: ColumnElement[bool] = _attempts.id == UUID(name)
    except ValueError:
        named = _attempts.provider_payment_id == name
    else:
        named = or_(
            named, _attempts.settlement_id == UUID(name), _attempts.provider_payment_id == name
        )
    found = connection.execute(select(_attempts.id).where(named).limit(2)).scalars().all()
    return found[0] if len(found) == 1 else None


def read_held(connection: Connection, *, limit: int) -> tuple[list[Payment], int]:
    """Payments that wait for a person: held money, and all with a reason.

    Returns:
        Those that came first, and how many there are.
    """
    is_held = _attempts.booked_to.in_(("suspense", "payable")) & (
        _attempts.fiat_status != "returned"
    )
    is_waiting = or_(_attempts.review_reason.is_not(None), is_held)
    query = _payments().where(is_waiting).order_by(_attempts.created_at, _attempts.id)
    rows = connection.execute(query.limit(limit))
    total = connection.execute(select(func.count()).where(is_waiting)).scalar_one()
    return [Payment(*row) for row in rows], total


def read_story(connection: Connection, payment_id: UUID) -> Story | None:
    """Read all about one payment; None when there is none."""
    row = connection.execute(_payments().where(_attempts.id == payment_id)).one_or_none()
    if row is None:
        return None
    refunds = read_refunds(connection, payment_id)
    disputes = read_disputes(connection, payment_id)
    claims = [*(one.id for one in refunds), *(one.id for one in disputes)]
    return Story(
        payment=Payment(*row),
        refunds=refunds,
        disputes=disputes,
        events=_events(connection, payment_id),
        ledger=_lines(connection, payment_id, claims),
    )


def _payments() -> Select[Any]:
    """Columns are named one by one: the read role has no way to the others."""
    moved_at = (
        select(func.max(attempt_events.c.at))
        .where(attempt_events.c.attempt_id == _attempts.id)
        .scalar_subquery()
    )
    return (
        select(
            _attempts.id,
            _attempts.pledge_id,
            campaigns.c.slug,
            campaigns.c.chain_id,
            _attempts.gateway,
            _attempts.method,
            _attempts.provider_payment_id,
            _attempts.amount_minor,
            _attempts.currency,
            _attempts.received_minor,
            _attempts.received_currency,
            _attempts.fiat_status,
            _attempts.chain_status,
            _attempts.claim_status,
            _attempts.booked_to,
            _attempts.review_reason,
            _attempts.created_at,
            _attempts.captured_at,
            _attempts.settlement_id,
            moved_at,
        )
        .join(pledges, pledges.c.id == _attempts.pledge_id)
        .join(campaigns, campaigns.c.id == pledges.c.campaign_id)
    )


def _events(connection: Connection, payment_id: UUID) -> list[Event]:
    moves = attempt_events.c
    rows = connection.execute(
        select(
            moves.at,
            moves.source,
            moves.lattice,
            moves.from_status,
            moves.to_status,
            moves.evidence,
        )
        .where(moves.attempt_id == payment_id)
        .order_by(moves.id)
    )
    return [Event(*row) for row in rows]


def _lines(connection: Connection, payment_id: UUID, claims: Sequence[UUID]) -> list[Line]:
    """Every transfer is named after the payment, or after a refund or dispute of it."""
    moved = ledger_transfers.c
    names = [str(claim) for claim in claims]
    rows = connection.execute(
        select(
            moved.created_at,
            moved.kind,
            moved.source,
            moved.debit_account,
            moved.credit_account,
            moved.amount,
            moved.currency,
        )
        .where(or_(moved.source_id.startswith(str(payment_id)), moved.source_id.in_(names)))
        .order_by(moved.created_at, moved.source, moved.kind)
    )
    return [Line(*row) for row in rows]
