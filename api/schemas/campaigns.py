"""Campaigns."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.schemas.shared import (
    AddressText,
    Amount,
    Finality,
    Fresh,
    HashText,
    LogPlace,
    Page,
    PageQuery,
    Schema,
    SettlementMode,
)


class CampaignQuery(PageQuery):
    """Which campaigns."""

    settlement_mode: SettlementMode | None = None
    chain: str | None = Field(None, description="Network name or chain id.", examples=["celo"])
    finality: Finality | None = Field(None, description="Finality of the treasury's creation.")


class TokenRaised(Schema):
    """What a treasury raised in one token, counted from its payments."""

    token: AddressText
    symbol: str | None
    confirmed: Amount = Field(description="Confirmed on-chain, final or not.")
    finalized: Amount = Field(description="The part of confirmed that can no longer change.")
    payments_confirmed: int
    payments_finalized: int


class Captured(Schema):
    """What the gateways captured and nobody was given back in full."""

    captured: Amount
    contributions: int


class CampaignOnchain(LogPlace):
    """A campaign's side on its chain; the place is that of its treasury's creation."""

    chain_id: int
    network: str | None
    state: str | None = Field(
        description="requested, campaign_pending, treasury_pending, live or blocked."
    )
    treasury_kind: str
    identifier_hash: HashText
    campaign: AddressText | None
    treasury: AddressText | None
    token: AddressText | None
    live_at: datetime | None
    raised: list[TokenRaised]


class Campaign(Schema):
    """A campaign, off-chain and on-chain."""

    id: UUID
    slug: str
    title: str
    creator: str = Field(description="Public display name.")
    creator_wallet: AddressText | None
    goal: Amount
    currency: str
    launch_at: datetime
    deadline_at: datetime
    created_at: datetime
    settlement_mode: SettlementMode
    raised: Captured
    onchain: CampaignOnchain | None = Field(description="Null for a fiat-only campaign.")


class CampaignAnswer(Campaign, Fresh):
    """One campaign."""


class CampaignPage(Page):
    """A page of campaigns, newest first."""

    items: list[Campaign]
