"""Rows of payment attempts: read them, and move them by compare-and-set with evidence.

Whoever does more than move one takes the locks in one order: the pledge, then the attempt, then its
refunds and disputes. So two that work on the same money wait for each other, and never both do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import (
    Connection,
    RowMapping,
    func,
    insert,
    select,
    update,
)

from indexer.errors import InvariantError
from offchain.gateways.types import Method
from offchain.money import Currency, MinorUnits, Money
from offchain.payments.lattice import (
    GONE,
    ChainStatus,
    ClaimStatus,
    FiatStatus,
    has_money,
)
from offchain.tables import attempt_events, payment_attempts, pledges

READ_AFTER_MOVE = timedelta(hours=1)

Source = Literal["checkout", "webhook", "poll", "operator", "chain", "clock", "policy", "refund"]
"""Whose news moved an attempt; ``refund``: what the gateway answered to a refund of ours."""
BookedTo = Literal["campaign", "suspense", "payable"]
"""Where the ledger has a payment's money: accepted for its pledge, held, or a second payment's."""


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
    received_minor: int | None
    received_currency: str | None
    booked_to: BookedTo | None
    """None: no money came, or the gateway does not say how much."""
    capture_id: UUID | None
    """The capture that stands in the ledger, where the money is booked to the campaign."""
    pix_code: str | None
    client_secret: str | None = field(repr=False)
    authorization_url: str | None
    captured_at: datetime | None
    created_at: datetime
    version: int
    settlement_id: UUID | None
    """Its name at settlement after it was called back; None: its own id."""

    @property
    def request_id(self) -> UUID:
        """Its name at settlement."""
        return self.settlement_id or self.id

    @property
    def received(self) -> Money | None:
        """What was paid; None while nothing is booked."""
        if self.booked_to is None or not self.received_minor or self.received_currency is None:
            return None
        return Money(MinorUnits(self.received_minor), Currency(self.received_currency))

    @property
    def holds_pledge(self) -> bool:
        """Whether this payment is the one its pledge counts; its money is here."""
        return self.booked_to == "campaign" and self.claim_status not in GONE


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
    payment_attempts.c.received_minor,
    payment_attempts.c.received_currency,
    payment_attempts.c.booked_to,
    payment_attempts.c.capture_id,
    payment_attempts.c.pix_code,
    payment_attempts.c.client_secret,
    payment_attempts.c.authorization_url,
    payment_attempts.c.captured_at,
    payment_attempts.c.created_at,
    payment_attempts.c.version,
    payment_attempts.c.settlement_id,
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


def lock_attempt(connection: Connection, attempt_id: UUID) -> Attempt | None:
    """Lock an attempt with its pledge, and read it as it is then; None when there is none.

    Until the transaction ends nobody else moves it, nor captures another payment of its pledge.
    """
    pledge_id = connection.execute(
        select(payment_attempts.c.pledge_id).where(payment_attempts.c.id == attempt_id)
    ).scalar_one_or_none()
    if pledge_id is None:
        return None
    pledge = select(pledges.c.id).where(pledges.c.id == pledge_id)
    connection.execute(pledge.with_for_update(key_share=True))  # new attempts of it may be written
    locked = select(*_COLUMNS).where(payment_attempts.c.id == attempt_id)
    row = connection.execute(locked.with_for_update(key_share=True)).mappings()
    return attempt_of(row.one())


def holder_of(connection: Connection, pledge_id: UUID) -> UUID | None:
    """The attempt whose money counts for a pledge; None when nobody's does.

    Certain only under the pledge's lock.
    """
    return connection.execute(
        select(payment_attempts.c.id).where(
            payment_attempts.c.pledge_id == pledge_id,
            payment_attempts.c.booked_to == "campaign",
            payment_attempts.c.claim_status.not_in(sorted(GONE)),
        )
    ).scalar_one_or_none()


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
    moved = _move(connection, attempt, to, source=source, evidence=evidence, columns=columns)
    return moved is not None


def move_locked(
    connection: Connection,
    attempt: Attempt,
    to: Statuses,
    *,
    source: Source,
    evidence: Mapping[str, Any],
    columns: Mapping[str, Any] | None = None,
) -> Attempt:
    """Move an attempt whose lock the caller holds; returns it as it is then.

    Raises:
        InvariantError: It was not locked, or is not as it was read.
    """
    moved = _move(connection, attempt, to, source=source, evidence=evidence, columns=columns)
    if moved is None:
        raise InvariantError(f"attempt {attempt.id} moved under its lock")
    return moved


def _move(
    connection: Connection,
    attempt: Attempt,
    to: Statuses,
    *,
    source: Source,
    evidence: Mapping[str, Any],
    columns: Mapping[str, Any] | None,
) -> Attempt | None:
    statuses: dict[str, Any] = {
        "fiat_status": to.fiat or attempt.fiat_status,
        "chain_status": to.chain or attempt.chain_status,
        "claim_status": to.claim or attempt.claim_status,
    }
    row = connection.execute(
        update(payment_attempts)
        .where(payment_attempts.c.id == attempt.id, payment_attempts.c.version == attempt.version)
        .values({**(columns or {}), **statuses, **_read_soon(to), "version": attempt.version + 1})
        .returning(*_COLUMNS)
    ).mappings()
    moved = row.first()
    if moved is None:
        return None
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
    return attempt_of(moved)


def _read_soon(to: Statuses) -> dict[str, Any]:
    """Have money that moved read again, however long its payment had been left alone."""
    is_money = to.claim is not None or (to.fiat is not None and has_money(to.fiat))
    return {"next_read_at": func.now() + READ_AFTER_MOVE} if is_money else {}


def note_event(
    connection: Connection,
    attempt_id: UUID,
    lattice: Literal["refund", "dispute", "review"],
    step: tuple[str, str],
    *,
    source: Source,
    evidence: Mapping[str, Any],
) -> None:
    """Keep how a refund, a dispute or the review of an attempt moved: from and to which state."""
    came_from, to = step
    connection.execute(
        insert(attempt_events).values(
            attempt_id=attempt_id,
            source=source,
            lattice=lattice,
            from_status=came_from,
            to_status=to,
            evidence=dict(evidence),
        )
    )
