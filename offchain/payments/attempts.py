"""Rows of payment attempts: read them, and move them by compare-and-set with evidence."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, RowMapping, insert, select, update

from offchain.gateways.types import Method
from offchain.money import Currency, MinorUnits, Money
from offchain.payments.lattice import ChainStatus, ClaimStatus, FiatStatus
from offchain.tables import attempt_events, payment_attempts

Source = Literal["checkout", "webhook", "poll", "operator", "chain", "clock"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to pay a pledge at a gateway."""

    id: UUID
    pledge_id: UUID
    gateway: str
    method: Method
    provider_payment_id: str | None
    amount: Money
    expires_at: datetime | None
    fiat_status: FiatStatus
    chain_status: ChainStatus
    claim_status: ClaimStatus
    review_reason: str | None
    pix_code: str | None
    captured_at: datetime | None
    created_at: datetime
    version: int


@dataclass(frozen=True, slots=True)
class Statuses:
    """The statuses to move to; None leaves one where it is."""

    fiat: FiatStatus | None = None
    chain: ChainStatus | None = None
    claim: ClaimStatus | None = None


_COLUMNS = (
    payment_attempts.c.id,
    payment_attempts.c.pledge_id,
    payment_attempts.c.gateway,
    payment_attempts.c.method,
    payment_attempts.c.provider_payment_id,
    payment_attempts.c.amount_minor,
    payment_attempts.c.currency,
    payment_attempts.c.expires_at,
    payment_attempts.c.fiat_status,
    payment_attempts.c.chain_status,
    payment_attempts.c.claim_status,
    payment_attempts.c.review_reason,
    payment_attempts.c.pix_code,
    payment_attempts.c.captured_at,
    payment_attempts.c.created_at,
    payment_attempts.c.version,
)


def attempt_of(row: RowMapping) -> Attempt:
    """Build an attempt from a row with at least this table's columns."""
    values: dict[str, Any] = {column.name: row[column.name] for column in _COLUMNS}
    amount = Money(MinorUnits(values.pop("amount_minor")), Currency(values.pop("currency")))
    return Attempt(amount=amount, **values)


def read_attempt(connection: Connection, attempt_id: UUID) -> Attempt | None:
    """Read one attempt; None when there is none."""
    query = select(*_COLUMNS).where(payment_attempts.c.id == attempt_id)
    row = connection.execute(query).mappings().first()
    return None if row is None else attempt_of(row)


def attempt_by_provider_id(
    connection: Connection, gateway: str, provider_payment_id: str
) -> UUID | None:
    """Find the attempt of a gateway's payment."""
    return connection.execute(
        select(payment_attempts.c.id).where(
            payment_attempts.c.gateway == gateway,
            payment_attempts.c.provider_payment_id == provider_payment_id,
        )
    ).scalar_one_or_none()


def move(
    connection: Connection,
    attempt: Attempt,
    to: Statuses,
    *,
    source: Source,
    evidence: Mapping[str, Any],
    columns: Mapping[str, Any] | None = None,
) -> bool:
    """Move an attempt if nobody moved it since it was read; False: read it again.

    A racing transaction makes this wait for its end, and then see its version.
    """
    statuses: dict[str, Any] = {
        "fiat_status": to.fiat or attempt.fiat_status,
        "chain_status": to.chain or attempt.chain_status,
        "claim_status": to.claim or attempt.claim_status,
    }
    moved = connection.execute(
        update(payment_attempts)
        .where(payment_attempts.c.id == attempt.id, payment_attempts.c.version == attempt.version)
        .values({**(columns or {}), **statuses, "version": attempt.version + 1})
    )
    if moved.rowcount == 0:
        return False
    events = [
        {
            "attempt_id": attempt.id,
            "source": source,
            "lattice": lattice,
            "from_status": was,
            "to_status": now,
            "evidence": dict(evidence),
        }
        for lattice, was, now in (
            ("fiat", attempt.fiat_status, to.fiat),
            ("chain", attempt.chain_status, to.chain),
            ("claim", attempt.claim_status, to.claim),
        )
        if now is not None and now != was
    ]
    if events:
        connection.execute(insert(attempt_events), events)
    return True
