"""Contributions. Neither who gave nor the pledge id, which feeds the on-chain id, is published."""

from datetime import datetime
from typing import Literal
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
)

FiatStatus = Literal[
    "created",
    "awaiting",
    "authorized",
    "failed",
    "expired",
    "canceled",
    "late_paid",
    "mismatch",
    "captured",
    "returned",
]


class ContributionQuery(PageQuery):
    """Which contributions of a campaign."""

    fiat_status: FiatStatus | None = None
    finality: Finality | None = None


class ContributionOnchain(LogPlace):
    """The payment's present life on its treasury; the place is that of its confirmation."""

    chain_id: int
    network: str | None
    treasury: AddressText
    payment_id: HashText
    state: str = Field(description="created, confirmed, cancelled or refunded.")
    token: AddressText
    amount: Amount
    created_block: int
    created_tx: HashText
    ordinal: int | None = Field(description="Place within a batch confirmation's event.")
    confirmed_at: datetime | None = Field(description="Timestamp of the confirming block.")
    proven: bool = Field(description="The confirming block's receipts root was recomputed.")
    explorer_url: str | None


class Contribution(Schema):
    """One try to pay a pledge, from the gateway to finality."""

    id: UUID
    campaign: str = Field(description="Slug of the campaign.")
    method: str = Field(description="pix, card, bank or ussd.")
    amount: Amount
    received: Amount | None = Field(description="What the gateway says was paid.")
    fiat_status: str
    chain_status: str
    claim_status: str
    needs_review: bool = Field(description="Held until an operator decides.")
    created_at: datetime
    captured_at: datetime | None
    payment_id: HashText | None = Field(description="On-chain id, once handed to settlement.")
    settlement_state: str | None
    finality: Finality | None = Field(description="Null for a fiat-only campaign.")
    onchain: ContributionOnchain | None = Field(description="Null until its creation is indexed.")


class ContributionAnswer(Contribution, Fresh):
    """One contribution."""


class ContributionPage(Page):
    """A page of contributions, newest first."""

    items: list[Contribution]
