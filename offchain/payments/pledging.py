"""Backers and pledges: who wants to give what to which campaign, before any money moves."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select
from sqlalchemy.dialects.postgresql import insert

from offchain.identity import buyer_commitment, item_id, new_salt
from offchain.money import Money
from offchain.payments.lattice import GONE
from offchain.tables import backers, payment_attempts, pledges


@dataclass(frozen=True, slots=True)
class Pledge:
    """What stays of an order once its backer is a row of its own."""

    id: UUID
    campaign_id: UUID
    backer_id: UUID
    metadata: Mapping[str, str]
    """The platform's own words, as the gateway gets them too."""


_COLUMNS = (pledges.c.id, pledges.c.campaign_id, pledges.c.backer_id, pledges.c.metadata)


def read_pledge(connection: Connection, pledge_id: UUID) -> Pledge:
    """Read a pledge that exists."""
    query = select(*_COLUMNS).where(pledges.c.id == pledge_id)
    return Pledge(*connection.execute(query).one())


def make_pledge(
    connection: Connection,
    campaign: RowMapping,
    *,
    backer_reference: str,
    amount: Money,
    reward: str | None,
    metadata: Mapping[str, str],
) -> Pledge:
    """Write a new pledge, and its backer unless known."""
    backer = _backer(connection, backer_reference)
    pledge = Pledge(uuid.uuid4(), campaign["id"], backer["id"], dict(metadata))
    connection.execute(
        insert(pledges).values(
            id=pledge.id,
            campaign_id=pledge.campaign_id,
            backer_id=pledge.backer_id,
            amount_minor=amount.minor,
            currency=amount.currency,
            reward=reward,
            metadata=pledge.metadata,
            buyer_commitment=buyer_commitment(
                backer["salt"], backer_id=pledge.backer_id, pledge_id=pledge.id
            ),
            item_id=item_id(reward, identifier_hash=campaign["identifier_hash"]),
        )
    )
    return pledge


def find_pledge(
    connection: Connection,
    pledge_id: UUID,
    *,
    campaign_id: UUID,
    backer_reference: str,
    amount: Money,
    metadata: Mapping[str, str] | None,
) -> Pledge | None:
    """Find the pledge to pay again; None when it is of other terms than these.

    Args:
        connection: The caller's transaction.
        pledge_id: Which one.
        campaign_id: What it must be for.
        backer_reference: Whose it must be.
        amount: What it must be over.
        metadata: What it must say; None for anything.
    """
    terms: dict[Any, Any] = {
        pledges.c.id: pledge_id,
        pledges.c.campaign_id: campaign_id,
        pledges.c.amount_minor: amount.minor,
        pledges.c.currency: amount.currency,
        backers.c.reference: backer_reference,
    }
    row = connection.execute(
        select(*_COLUMNS)
        .join(backers, backers.c.id == pledges.c.backer_id)
        .where(*(column == value for column, value in terms.items()))
    ).one_or_none()
    if row is None or (metadata is not None and row.metadata != metadata):
        return None
    return Pledge(*row)


def is_paid(connection: Connection, pledge_id: UUID) -> bool:
    """Whether a payment holds the pledge: a second one would only have to be given back."""
    paid = select(payment_attempts.c.id).where(
        payment_attempts.c.pledge_id == pledge_id,
        payment_attempts.c.booked_to == "campaign",
        payment_attempts.c.claim_status.not_in(GONE),
    )
    return connection.execute(paid.limit(1)).first() is not None


def _backer(connection: Connection, reference: str) -> RowMapping:
    """Find or make the backer with this reference."""
    connection.execute(
        insert(backers)
        .values(id=uuid.uuid4(), reference=reference, salt=new_salt())
        .on_conflict_do_nothing(index_elements=["reference"])
    )
    query = select(backers.c.id, backers.c.salt).where(backers.c.reference == reference)
    return connection.execute(query).mappings().one()
