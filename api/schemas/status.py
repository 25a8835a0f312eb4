"""Where the whole system stands."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.schemas.shared import AsOf, Fresh, HashText, Schema


class ChainStatus(AsOf):
    """One chain's index."""

    first_block: int | None
    finalized_hash: HashText | None
    finalized_timestamp: datetime | None
    degraded_reason: str | None
    updated_at: datetime | None
    settlement_requests: dict[str, int] = Field(description="Payments to settle, by state.")
    settlement_campaigns: dict[str, int] = Field(description="Campaigns to create, by state.")
    signers: dict[str, int] = Field(description="Signers by mode.")


class OffchainStatus(Schema):
    """What came in from the gateways."""

    inbox: dict[str, int] = Field(description="Webhooks by state.")
    inbox_oldest_waiting_at: datetime | None
    refused_webhooks: int
    fiat: dict[str, int] = Field(description="Payment attempts by fiat status.")
    chain: dict[str, int] = Field(description="Payment attempts by chain status.")
    needs_review: int


class StatusAnswer(Fresh):
    """Counts per chain and per state."""

    chains: list[ChainStatus]
    offchain: OffchainStatus
    database_revision: str | None
    expected_revision: str | None


class Liveness(Schema):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Readiness(Schema):
    """Everything an answer needs is there."""

    status: Literal["ready"] = "ready"
    checks: dict[str, Literal["ok"]]
