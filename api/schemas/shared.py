"""Types that every answer is made of."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import examples

LIMIT_DEFAULT = 50
LIMIT_MAX = 100
CURSOR_CHARACTERS_MAX = 2048

AddressText = Annotated[
    str,
    Field(
        pattern="^0x[0-9a-fA-F]{40}$",
        description="Address in its EIP-55 mixed case.",
        examples=[examples.ADDRESS],
    ),
]
HashText = Annotated[
    str,
    Field(
        pattern="^0x[0-9a-f]{64}$",
        description="32 bytes, lower-case hex.",
        examples=[examples.HASH],
    ),
]
Finality = Annotated[
    Literal["pending", "included", "finalized", "reverted"],
    Field(
        description="pending: not on the chain; included: in a canonical block that may still"
        " change; finalized: can no longer change; reverted: the chain refused it."
    ),
]
SettlementMode = Literal["onchain", "fiat_only"]


class Schema(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Query(BaseModel):
    """Base of every query string: an unknown parameter is refused, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PageQuery(Query):
    """Which page of a list."""

    limit: int = Field(LIMIT_DEFAULT, ge=1, le=LIMIT_MAX, description="Rows per page.")
    cursor: str | None = Field(
        None,
        min_length=1,
        max_length=CURSOR_CHARACTERS_MAX,
        description="next_cursor of the page before, with the same filters.",
    )


class Amount(Schema):
    """An exact amount: an integer of the smallest unit, and the same for people."""

    raw: str = Field(pattern="^-?[0-9]+$", description="Integer in the smallest unit, as text.")
    decimals: int | None = Field(description="Decimal places of raw; null for an unknown token.")
    currency: str | None = Field(description="ISO 4217 code; null for an unknown token.")
    display: str | None = Field(description="raw as an exact decimal; null for an unknown token.")


class AsOf(Schema):
    """The block of one chain that the answer is true as of; nulls before its first block."""

    chain_id: int
    network: str | None
    block_number: int | None = Field(description="Newest indexed block.")
    block_hash: HashText | None
    block_timestamp: datetime | None
    finalized_block: int | None = Field(description="Newest block that can no longer change.")
    head_block: int | None = Field(description="Newest block the node reported.")
    lag_blocks: int | None = Field(description="head_block - block_number.")
    degraded: bool = Field(description="The indexer of this chain halted; answers are frozen.")


class Fresh(Schema):
    """Carries the freshness of every chain the answer rests on; empty for fiat alone."""

    as_of: list[AsOf]


class Page(Fresh):
    """A page of a list; each list narrows ``items``."""

    next_cursor: str | None = Field(description="Send back as cursor; null on the last page.")


class LogPlace(Schema):
    """Where a fact stands on its chain; all null (and 0 confirmations) while it is pending."""

    block_number: int | None
    block_hash: HashText | None
    tx_hash: HashText | None
    log_index: int | None
    confirmations: int = Field(description="Blocks from this one to as_of's, both included.")
    finality: Finality
