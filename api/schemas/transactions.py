"""Transactions."""

from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from api.schemas.shared import AddressText, Amount, Finality, Fresh, HashText, Query, Schema


class TransactionQuery(Query):
    """Where to look."""

    chain: str | None = Field(None, description="Network name or chain id.", examples=["celo"])


class Log(Schema):
    """One indexed log, decoded."""

    log_index: int
    address: AddressText
    event: str
    arguments: JsonValue = Field(
        description="Integers as decimal text, bytes as hex, addresses in EIP-55."
    )
    claimed: bool = Field(description="False: emitted by a contract that is not one of ours.")


class TransactionSettlement(Schema):
    """What settlement meant by a transaction that it signed."""

    kind: str | None = Field(description="What it does; null for a nonce given up to a no-op.")
    signer: AddressText
    nonce: int
    status: Literal["signed", "sent", "mined", "failed", "replaced"]
    replaced_by: HashText | None = Field(description="The transaction that took its nonce.")
    items: int = Field(description="Payments in the batch.")
    sent_at: datetime | None
    gas_used: int | None
    effective_gas_price: Amount | None = Field(description="In wei.")


class TransactionAnswer(Fresh):
    """One transaction: what is indexed of it and, when it is ours, why it was sent."""

    tx_hash: HashText
    chain_id: int
    network: str | None
    block_number: int | None
    block_hash: HashText | None
    block_timestamp: datetime | None
    tx_index: int | None
    confirmations: int
    finality: Finality
    proven: bool = Field(description="The block's receipts root was recomputed.")
    explorer_url: str | None
    logs: list[Log]
    settlement: TransactionSettlement | None
