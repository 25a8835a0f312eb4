"""Treasuries."""

from pydantic import Field

from api.schemas.campaigns import TokenRaised
from api.schemas.shared import (
    AddressText,
    Finality,
    Fresh,
    HashText,
    LogPlace,
    Page,
    PageQuery,
    Schema,
)


class TreasuryQuery(PageQuery):
    """Which treasuries."""

    chain: str | None = Field(None, description="Network name or chain id.", examples=["celo"])
    finality: Finality | None = None


class PaymentCounts(Schema):
    """Payments of a treasury by their present state."""

    created: int
    confirmed: int
    cancelled: int
    refunded: int


class Treasury(LogPlace):
    """A treasury; the place is that of its creation."""

    chain_id: int
    network: str | None
    treasury: AddressText
    campaign: AddressText
    campaign_slug: str | None = Field(description="Null when the campaign is not one of ours.")
    platform_hash: HashText
    implementation_id: str = Field(description="uint256 as text.")
    payments: PaymentCounts
    raised: list[TokenRaised]
    explorer_url: str | None


class TreasuryAnswer(Treasury, Fresh):
    """One treasury."""


class TreasuryPage(Page):
    """A page of treasuries, by chain and then oldest first."""

    items: list[Treasury]
