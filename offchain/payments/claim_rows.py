"""Rows of refunds and disputes: read them, add them, let them climb; every step is kept.

All that writes here holds the lock of their attempt (``attempts.lock_attempt``).
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Connection, RowMapping, func, select, update
from sqlalchemy.dialects.postgresql import insert

from indexer.errors import InvariantError
from offchain.claim_tables import disputes, refunds
from offchain.gateways.types import DisputeSeen, DisputeState, RefundSeen
from offchain.money import Currency, MinorUnits, Money
from offchain.payments.attempts import Attempt, Source, note_event
from offchain.payments.lattice import RefundStatus

Origin = Literal["operator", "duplicate", "late", "mismatch", "excess", "gateway"]
"""Why money is given back; ``gateway``: it was done there, and not by us."""
RefundBooking = Literal["campaign", "creator", "suspense", "payable"]
DisputeBooking = Literal["loss", "campaign", "suspense", "payable"]

SEEN_FIRST: Final = "none"
"""What a step starts from when there was no row."""
_NAMESPACE: Final = uuid.UUID("0a7f6b52-6d0e-5c0f-8f0e-4f1d6a3f9b10")


@dataclass(frozen=True, slots=True)
class Refund:
    """Money given back, or to be."""

    id: UUID
    attempt_id: UUID
    gateway: str
    provider_refund_id: str | None
    amount: Money
    origin: Origin
    requested_by: str
    state: RefundStatus
    reason: str | None
    booked_to: RefundBooking | None
    tries: int
    """How often its gateway was called, or was about to be."""
    created_at: datetime

    @property
    def is_live(self) -> bool:
        """Whether it gives money back, or may yet."""
        return self.state != "failed"

    @property
    def is_claim(self) -> bool:
        """Whether it is on the pledge's money; what was paid too much is not the pledge's."""
        return self.origin != "excess"


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute, chargeback or PIX special return."""

    id: UUID
    attempt_id: UUID
    provider_dispute_id: str
    amount: Money
    state: DisputeState
    booked_to: DisputeBooking | None
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class RefundStep:
    """What became of a refund just now."""

    before: RefundStatus | None
    """None: it is new, or new to the ledger."""
    now: Refund


@dataclass(frozen=True, slots=True)
class DisputeStep:
    """What became of a dispute just now."""

    before: DisputeState | None
    now: Dispute


@dataclass(frozen=True, slots=True)
class NewIntent:
    """A refund of ours that is to be made."""

    amount: Money
    origin: Origin
    requested_by: str


_REFUND = tuple(
    refunds.c[name]
    for name in (
        "id", "attempt_id", "gateway", "provider_refund_id", "amount_minor", "currency", "origin",
        "requested_by", "state", "reason", "booked_to", "tries", "created_at",
    )
)  # fmt: skip
_DISPUTE = tuple(
    disputes.c[name]
    for name in (
        "id", "attempt_id", "provider_dispute_id", "amount_minor", "currency", "state",
        "booked_to", "opened_at",
    )
)  # fmt: skip


def read_refunds(connection: Connection, attempt_id: UUID) -> list[Refund]:
    """All refunds of an attempt, oldest first."""
    query = select(*_REFUND).where(refunds.c.attempt_id == attempt_id)
    rows = connection.execute(query.order_by(refunds.c.created_at, refunds.c.id)).mappings()
    return [Refund(**_with_money(row)) for row in rows]


def read_refund(connection: Connection, refund_id: UUID) -> Refund | None:
    """One refund; None when there is none."""
    row = connection.execute(select(*_REFUND).where(refunds.c.id == refund_id)).mappings().first()
    return None if row is None else Refund(**_with_money(row))


def read_disputes(connection: Connection, attempt_id: UUID) -> list[Dispute]:
    """All disputes of an attempt, oldest first."""
    query = select(*_DISPUTE).where(disputes.c.attempt_id == attempt_id)
    rows = connection.execute(query.order_by(disputes.c.opened_at, disputes.c.id)).mappings()
    return [Dispute(**_with_money(row)) for row in rows]


def add_intent(
    connection: Connection, attempt: Attempt, new: NewIntent, *, source: Source
) -> RefundStep:
    """Write the intent of a refund; the database refuses one that gives back too much."""
    row = connection.execute(
        insert(refunds)
        .values(
            id=uuid.uuid4(),
            attempt_id=attempt.id,
            gateway=attempt.gateway,
            amount_minor=new.amount.minor,
            currency=new.amount.currency,
            origin=new.origin,
            requested_by=new.requested_by,
            state="requested",
        )
        .returning(*_REFUND)
    ).mappings()
    refund = Refund(**_with_money(row.one()))
    _note_refund(connection, refund, None, source)
    return RefundStep(None, refund)


def add_seen_refund(
    connection: Connection, attempt: Attempt, seen: RefundSeen, currency: str, *, source: Source
) -> RefundStep | None:
    """Keep a refund that the gateway made by itself; None when another attempt has it."""
    row = connection.execute(
        insert(refunds)
        .values(
            id=uuid.uuid5(_NAMESPACE, f"refund\x1f{attempt.gateway}\x1f{seen.provider_refund_id}"),
            attempt_id=attempt.id,
            gateway=attempt.gateway,
            provider_refund_id=seen.provider_refund_id,
            amount_minor=seen.minor,
            currency=currency,
            origin="gateway",
            requested_by=attempt.gateway,
            state=seen.state,
        )
        .on_conflict_do_nothing()
        .returning(*_REFUND)
    ).mappings()
    made = row.first()
    if made is None:
        return None
    refund = Refund(**_with_money(made))
    _note_refund(connection, refund, None, source)
    return RefundStep(None, refund)


def advance(
    connection: Connection,
    refund: Refund,
    state: RefundStatus,
    *,
    source: Source,
    provider_refund_id: str | None = None,
    reason: str | None = None,
) -> RefundStep:
    """Move a refund to a state, with its name at the gateway if that is known now.

    Raises:
        InvariantError: Its attempt was not locked, or it is not as it was read.
    """
    values: dict[str, Any] = {"state": state, "reason": reason}
    if state != refund.state:
        values["state_since"] = func.now()
    if refund.provider_refund_id is None:
        values["provider_refund_id"] = provider_refund_id
    row = connection.execute(
        update(refunds)
        .where(refunds.c.id == refund.id, refunds.c.state == refund.state)
        .values(values)
        .returning(*_REFUND)
    ).mappings()
    moved = row.first()
    if moved is None:
        raise InvariantError(f"refund {refund.id} moved under its attempt's lock")
    now = Refund(**_with_money(moved))
    if now.state != refund.state:
        _note_refund(connection, now, refund.state, source)
    return RefundStep(refund.state, now)


def add_dispute(
    connection: Connection, attempt: Attempt, seen: DisputeSeen, currency: str, *, source: Source
) -> DisputeStep | None:
    """Keep a dispute; None when another attempt has it."""
    name = f"dispute\x1f{attempt.gateway}\x1f{seen.provider_dispute_id}"
    row = connection.execute(
        insert(disputes)
        .values(
            id=uuid.uuid5(_NAMESPACE, name),
            attempt_id=attempt.id,
            gateway=attempt.gateway,
            provider_dispute_id=seen.provider_dispute_id,
            amount_minor=seen.minor,
            currency=currency,
            state=seen.state,
        )
        .on_conflict_do_nothing()
        .returning(*_DISPUTE)
    ).mappings()
    made = row.first()
    if made is None:
        return None
    dispute = Dispute(**_with_money(made))
    _note_dispute(connection, dispute, None, source)
    return DisputeStep(None, dispute)


def advance_dispute_row(
    connection: Connection, dispute: Dispute, state: DisputeState, *, source: Source
) -> DisputeStep:
    """Move a dispute to a state."""
    row = connection.execute(
        update(disputes)
        .where(disputes.c.id == dispute.id, disputes.c.state == dispute.state)
        .values(state=state, state_since=func.now())
        .returning(*_DISPUTE)
    ).mappings()
    moved = row.first()
    if moved is None:
        raise InvariantError(f"dispute {dispute.id} moved under its attempt's lock")
    now = Dispute(**_with_money(moved))
    _note_dispute(connection, now, dispute.state, source)
    return DisputeStep(dispute.state, now)


def keep_booking(
    connection: Connection, row: Refund | Dispute, booked_to: RefundBooking | DisputeBooking | None
) -> None:
    """Remember which account a refund's or a dispute's entry debits."""
    table = refunds if isinstance(row, Refund) else disputes
    if booked_to != row.booked_to:
        connection.execute(update(table).where(table.c.id == row.id).values(booked_to=booked_to))


def _note_refund(
    connection: Connection, refund: Refund, before: RefundStatus | None, source: Source
) -> None:
    evidence = {
        "refund_id": str(refund.id),
        "provider_refund_id": refund.provider_refund_id,
        "amount_minor": refund.amount.minor,
        "currency": refund.amount.currency,
        "origin": refund.origin,
        "requested_by": refund.requested_by,
        "reason": refund.reason,
    }
    step = (before or SEEN_FIRST, refund.state)
    note_event(connection, refund.attempt_id, "refund", step, source=source, evidence=evidence)


def _note_dispute(
    connection: Connection, dispute: Dispute, before: DisputeState | None, source: Source
) -> None:
    evidence = {
        "provider_dispute_id": dispute.provider_dispute_id,
        "amount_minor": dispute.amount.minor,
        "currency": dispute.amount.currency,
    }
    step = (before or SEEN_FIRST, dispute.state)
    note_event(connection, dispute.attempt_id, "dispute", step, source=source, evidence=evidence)


def _with_money(row: RowMapping) -> dict[str, Any]:
    values = dict(row)
    money = Money(MinorUnits(values.pop("amount_minor")), Currency(values.pop("currency")))
    return values | {"amount": money}
