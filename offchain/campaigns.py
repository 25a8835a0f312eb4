"""The campaign registry: register once, and ask settlement to create the on-chain side."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select
from sqlalchemy.dialects.postgresql import insert

from indexer.chain.types import Address, ChainId
from offchain.identity import campaign_identifier
from offchain.money import Money, base_units
from offchain.services import Chains
from offchain.splits import Share
from offchain.tables import campaign_splits, campaigns
from settlement.intake import CampaignConflict, request_campaign

SettlementMode = Literal["onchain", "fiat_only"]


@dataclass(frozen=True, slots=True)
class OnchainTerms:
    """Where and how a campaign settles on-chain."""

    chain_id: ChainId
    treasury_kind: str


@dataclass(frozen=True, slots=True)
class NewCampaign:
    """A campaign to register."""

    slug: str
    title: str
    creator: str
    creator_wallet: Address | None
    goal: Money
    launch_at: datetime | None
    """None: at once; not compared on a repeat."""
    deadline_at: datetime
    onchain: OnchainTerms | None
    """None: the campaign settles in fiat only."""
    shares: tuple[Share, ...] = ()
    """How its charges are split; empty: all of them is the platform's to pass on."""


@dataclass(frozen=True, slots=True)
class Registered:
    """The campaign's row."""

    row: RowMapping
    is_new: bool


@dataclass(frozen=True, slots=True)
class Conflict:
    """Why a campaign cannot be registered so; nothing was written."""

    reason: str


@dataclass(frozen=True, slots=True)
class Over:
    """A new campaign's deadline is over; the caller rolls back. A known one may be repeated."""


def register(
    connection: Connection, new: NewCampaign, *, chains: Chains, now: datetime
) -> Registered | Conflict | Over:
    """Register a campaign and, if it settles on-chain, request its contracts; once per slug."""
    campaign_id = uuid.uuid4()
    values = {
        **_terms(new),
        "id": campaign_id,
        "slug": new.slug,
        "launch_at": new.launch_at or now,
        "identifier_hash": campaign_identifier(campaign_id),
    }
    inserted = connection.execute(
        insert(campaigns)
        .values(values)
        .on_conflict_do_nothing(index_elements=["slug"])
        .returning(campaigns.c.id)
    ).first()
    row = connection.execute(select(campaigns).where(campaigns.c.slug == new.slug)).mappings().one()
    if inserted is None:
        return _repeated(connection, row, new)
    if new.deadline_at <= now:
        return Over()
    _write_shares(connection, row["id"], new.shares)
    reason = _request(connection, row, chains)
    return Registered(row, is_new=True) if reason is None else Conflict(reason)


def read_shares(
    connection: Connection, campaign_id: UUID, *, gateway: str | None = None
) -> tuple[Share, ...]:
    """The shares of a campaign in their order, at one gateway or at all; they never change."""
    columns = campaign_splits.c
    query = select(columns.gateway, columns.account, columns.share_bps, columns.role)
    query = query.where(columns.campaign_id == campaign_id).order_by(columns.place)
    if gateway is not None:
        query = query.where(columns.gateway == gateway)
    return tuple(Share(*row) for row in connection.execute(query))


def _write_shares(connection: Connection, campaign_id: UUID, shares: tuple[Share, ...]) -> None:
    rows = [
        {
            "campaign_id": campaign_id,
            "place": place,
            "gateway": share.gateway,
            "account": share.account_id,
            "share_bps": share.bps,
            "role": share.role,
        }
        for place, share in enumerate(shares)
    ]
    if rows:
        connection.execute(insert(campaign_splits), rows)


def _terms(new: NewCampaign) -> dict[str, Any]:
    return {
        "title": new.title,
        "creator": new.creator,
        "creator_wallet": new.creator_wallet,
        "goal_minor": new.goal.minor,
        "currency": new.goal.currency,
        "deadline_at": new.deadline_at,
        "settlement_mode": "fiat_only" if new.onchain is None else "onchain",
        "chain_id": None if new.onchain is None else new.onchain.chain_id,
        "treasury_kind": None if new.onchain is None else new.onchain.treasury_kind,
    }


def _repeated(connection: Connection, row: RowMapping, new: NewCampaign) -> Registered | Conflict:
    terms = _terms(new)
    if new.launch_at is not None:
        terms["launch_at"] = new.launch_at
    differing = [name for name, value in terms.items() if row[name] != value]
    if read_shares(connection, row["id"]) != new.shares:
        differing.append("splits")
    if differing:
        return Conflict(f"the slug is taken, with another {', '.join(differing)}")
    return Registered(row, is_new=False)


def _request(connection: Connection, row: RowMapping, chains: Chains) -> str | None:
    """Ask settlement for the contracts; None when there is nothing to ask or it accepted."""
    if row["chain_id"] is None:
        return None
    token = chains.token(row["chain_id"], row["currency"])
    if token is None:
        return f"no token stands for {row['currency']} on this chain"
    answer = request_campaign(
        connection,
        request_id=row["id"],
        chain_id=row["chain_id"],
        identifier_hash=row["identifier_hash"],
        creator=row["creator_wallet"],
        launch_at=row["launch_at"],
        deadline_at=row["deadline_at"],
        goal_base_units=base_units(row["goal_minor"], token_decimals=token.decimals),
        currency=row["currency"].upper(),
        title=row["title"],
        treasury_kind=row["treasury_kind"],
        # One wallet a campaign: the registry knows its creator by a display name only.
        creator_id=row["id"] if row["creator_wallet"] is None else None,
    )
    return answer.reason if isinstance(answer, CampaignConflict) else None
