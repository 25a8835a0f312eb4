"""One payment as it may be shown to whoever has its id."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, func, select

from offchain.claim_tables import refunds
from offchain.payments.attempts import Attempt, attempt_of
from offchain.payments.lattice import FiatStatus
from offchain.tables import campaigns, payment_attempts, pledges

_WAITING: Final[frozenset[FiatStatus]] = frozenset({"created", "awaiting"})


@dataclass(frozen=True, slots=True)
class Shown:
    """A payment with what belongs to it, and nothing of its backer."""

    attempt: Attempt
    campaign_slug: str
    metadata: Mapping[str, str]
    refunded_minor: int
    """What its gateway has given back."""
    is_payable: bool
    """Whether it waits for its money, and its time is not over by our clock."""


def read_shown(connection: Connection, payment_id: UUID, *, now: datetime) -> Shown | None:
    """Read a payment to show it; None when there is none."""
    given_back = (
        select(func.coalesce(func.sum(refunds.c.amount_minor), 0))
        .where(refunds.c.attempt_id == payment_attempts.c.id, refunds.c.state == "succeeded")
        .scalar_subquery()
    )
    row = (
        connection.execute(
            select(
                payment_attempts,
                campaigns.c.slug.label("campaign_slug"),
                pledges.c.metadata.label("pledge_metadata"),
                given_back.label("refunded_minor"),
            )
            .join_from(payment_attempts, pledges, pledges.c.id == payment_attempts.c.pledge_id)
            .join(campaigns, campaigns.c.id == pledges.c.campaign_id)
            .where(payment_attempts.c.id == payment_id)
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        return None
    attempt = attempt_of(row)
    is_in_time = attempt.expires_at is None or now < attempt.expires_at
    return Shown(
        attempt=attempt,
        campaign_slug=row["campaign_slug"],
        metadata=row["pledge_metadata"],
        refunded_minor=int(row["refunded_minor"]),
        is_payable=attempt.fiat_status in _WAITING and is_in_time,
    )
