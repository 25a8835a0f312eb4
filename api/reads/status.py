"""Counts per state over all owners, and what readiness needs to know."""

from typing import Any

from sqlalchemy import Column, Connection, func, select, text

from api.freshness import Snapshot
from api.schemas.status import ChainStatus, OffchainStatus
from api.values import hex_or_none
from offchain.tables import inbox, payment_attempts, webhook_refusals
from settlement.tables import campaigns, requests, signers

WAITING = ("new", "unmatched")
"""Inbox states that still need work."""


def show_chains(snapshot: Snapshot) -> list[ChainStatus]:
    """Where each followed chain stands, with what settlement owes to it."""
    settling = _count_by_chain(snapshot.connection, requests.c.chain_id, requests.c.state)
    creating = _count_by_chain(snapshot.connection, campaigns.c.chain_id, campaigns.c.state)
    signing = _count_by_chain(snapshot.connection, signers.c.chain_id, signers.c.mode)
    chain_ids = sorted({*snapshot.chains, *settling, *creating, *signing})
    return [
        ChainStatus(
            **mark.as_of().model_dump(),
            first_block=mark.first_block,
            finalized_hash=hex_or_none(mark.finalized_hash),
            finalized_timestamp=mark.finalized_timestamp,
            degraded_reason=mark.degraded_reason,
            updated_at=mark.updated_at,
            settlement_requests=settling.get(mark.chain_id, {}),
            settlement_campaigns=creating.get(mark.chain_id, {}),
            signers=signing.get(mark.chain_id, {}),
        )
        for mark in map(snapshot.mark, chain_ids)
    ]


def show_offchain(connection: Connection) -> OffchainStatus:
    """What came in from the gateways, by state."""
    oldest = select(func.min(inbox.c.received_at)).where(inbox.c.state.in_(WAITING))
    refused = select(func.coalesce(func.sum(webhook_refusals.c.count), 0))
    review = select(func.count()).where(payment_attempts.c.review_reason.is_not(None))
    return OffchainStatus(
        inbox=_count(connection, inbox.c.state),
        inbox_oldest_waiting_at=connection.execute(oldest).scalar_one(),
        refused_webhooks=int(connection.execute(refused).scalar_one()),
        fiat=_count(connection, payment_attempts.c.fiat_status),
        chain=_count(connection, payment_attempts.c.chain_status),
        needs_review=connection.execute(review).scalar_one(),
    )


def read_revision(connection: Connection) -> str | None:
    """The migration the database is at; None when it was never migrated."""
    known = connection.execute(text("SELECT to_regclass('public.alembic_version')")).scalar_one()
    if known is None:
        return None
    found = connection.execute(text("SELECT version_num FROM public.alembic_version"))
    return found.scalar_one_or_none()


def _count(connection: Connection, state: Column[Any]) -> dict[str, int]:
    rows = connection.execute(select(state, func.count()).group_by(state).order_by(state))
    return {row[0]: row[1] for row in rows}


def _count_by_chain(
    connection: Connection, chain: Column[Any], state: Column[Any]
) -> dict[int, dict[str, int]]:
    rows = connection.execute(
        select(chain, state, func.count()).group_by(chain, state).order_by(chain, state)
    )
    counts: dict[int, dict[str, int]] = {}
    for chain_id, name, count in rows:
        counts.setdefault(chain_id, {})[name] = count
    return counts
