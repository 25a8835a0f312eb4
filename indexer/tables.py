"""Schema ``chain``: immutable facts keyed by block, projections rebuilt from them, and marks.

Rules that hold for every table: rows of one block and the cursor that covers it commit together;
a reorg deletes rows above the fork point in one transaction and keeps payment facts as orphans; no
foreign key points here. A raw log is ``(chain_id, block_hash, log_index)``; a fact adds ``ordinal``
because one ``PaymentBatchConfirmed`` is many confirmations.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from indexer.db.base import metadata
from indexer.db.columns import ADDRESS, HASH, UINT256, UTC_TIME

SCHEMA = "chain"


def _position() -> tuple[Column[int], ...]:
    """Where a fact stands on its chain; the first four columns of every fact."""
    return (
        Column("chain_id", BigInteger, nullable=False),
        Column("block_number", BigInteger, nullable=False),
        Column("block_hash", HASH, nullable=False),
        Column("log_index", Integer, nullable=False),
        Column("tx_hash", HASH, nullable=False),
    )


# Canonical blocks: every one above the finalized mark, and below it those that hold our logs.
blocks = Table(
    "blocks",
    metadata,
    Column("chain_id", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("hash", HASH, nullable=False),
    Column("parent_hash", HASH, nullable=False),
    Column("timestamp", UTC_TIME, nullable=False),
    Column("receipts_root", HASH, nullable=False),
    Column("logs_count", Integer, nullable=False),
    Column("proven", Boolean, nullable=False),  # receipts root recomputed from receipts
    PrimaryKeyConstraint("chain_id", "number"),
    UniqueConstraint("chain_id", "hash"),
    schema=SCHEMA,
)

# The ledger of what was read: "complete up to" is its first hole.
# state: fetched < cross_checked < proven.
ranges = Table(
    "ranges",
    metadata,
    Column("chain_id", BigInteger, nullable=False),
    Column("low", BigInteger, nullable=False),
    Column("high", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("provider", Text, nullable=False),
    PrimaryKeyConstraint("chain_id", "low"),
    schema=SCHEMA,
)

# One row per chain: the cursor (compare-and-set) and the finality marks, monotone and hash-checked.
marks = Table(
    "marks",
    metadata,
    Column("chain_id", BigInteger, primary_key=True),
    Column("network", Text, nullable=False),
    Column("first_block", BigInteger, nullable=False),
    Column("genesis_hash", HASH),  # of the chain these rows are of: an id can be used again
    Column("head_number", BigInteger),  # newest block the node reported
    Column("indexed_number", BigInteger),  # facts are complete up to here
    Column("indexed_hash", HASH),
    Column("indexed_timestamp", UTC_TIME),
    Column("finalized_number", BigInteger),  # never above indexed_number, never falls
    Column("finalized_hash", HASH),
    Column("finalized_timestamp", UTC_TIME),
    Column("degraded_reason", Text),  # set when a finalized hash changed: the writer has halted
    Column("updated_at", UTC_TIME, nullable=False, server_default=func.now()),
    schema=SCHEMA,
)

logs = Table(
    "logs",
    metadata,
    *_position(),
    Column("tx_index", Integer, nullable=False),
    Column("address", ADDRESS, nullable=False),
    Column("event", Text, nullable=False),  # decoded event name
    Column("arguments", JSONB, nullable=False),  # integers as decimal strings, bytes as 0x hex
    Column("claimed", Boolean, nullable=False),  # False: our topic from a contract we do not know
    # The log itself, so that what it says can be read again without asking a node.
    Column("topics", LargeBinary, nullable=False, server_default=""),  # 32 bytes each, joined
    Column("data", LargeBinary, nullable=False, server_default=""),
    PrimaryKeyConstraint("chain_id", "block_hash", "log_index"),
    Index("ix_logs_tx", "chain_id", "tx_hash"),
    Index("ix_logs_block", "chain_id", "block_number"),
    Index("ix_logs_address", "chain_id", "address"),
    schema=SCHEMA,
)

campaigns = Table(
    "campaigns",
    metadata,
    *_position(),
    Column("campaign", ADDRESS, nullable=False),
    Column("identifier_hash", HASH, nullable=False),
    PrimaryKeyConstraint("chain_id", "campaign"),
    UniqueConstraint("chain_id", "identifier_hash"),
    schema=SCHEMA,
)

treasuries = Table(
    "treasuries",
    metadata,
    *_position(),
    Column("treasury", ADDRESS, nullable=False),
    Column("campaign", ADDRESS, nullable=False),
    Column("platform_hash", HASH, nullable=False),
    Column("implementation_id", UINT256, nullable=False),
    PrimaryKeyConstraint("chain_id", "treasury"),
    UniqueConstraint("chain_id", "campaign", "platform_hash"),
    schema=SCHEMA,
)

payments_created = Table(
    "payments_created",
    metadata,
    *_position(),
    Column("treasury", ADDRESS, nullable=False),
    Column("payment_id", HASH, nullable=False),  # a crypto payment's is its key
    Column("announced_id", HASH),  # of a crypto payment: the id that its buyer paid under
    Column("buyer", ADDRESS, nullable=False),
    Column("buyer_id", HASH, nullable=False),
    Column("item_id", HASH, nullable=False),
    Column("token", ADDRESS, nullable=False),
    Column("amount", UINT256, nullable=False),  # token base units
    Column("expiration", UINT256, nullable=False),  # unix seconds; 0 = never
    Column("is_crypto", Boolean, nullable=False),
    PrimaryKeyConstraint("chain_id", "block_hash", "log_index"),
    Index("ix_payments_created_payment", "chain_id", "treasury", "payment_id"),
    Index("ix_payments_created_block", "chain_id", "block_number"),
    Index(
        "ix_payments_created_announced",
        "chain_id",
        "treasury",
        "announced_id",
        postgresql_where=text("announced_id IS NOT NULL"),
    ),
    schema=SCHEMA,
)

payments_confirmed = Table(
    "payments_confirmed",
    metadata,
    *_position(),
    Column("ordinal", Integer, nullable=False),  # place in a PaymentBatchConfirmed, else 0
    Column("treasury", ADDRESS, nullable=False),
    Column("payment_id", HASH, nullable=False),
    PrimaryKeyConstraint("chain_id", "block_hash", "log_index", "ordinal"),
    Index("ix_payments_confirmed_payment", "chain_id", "treasury", "payment_id"),
    Index("ix_payments_confirmed_block", "chain_id", "block_number"),
    schema=SCHEMA,
)

payments_ended = Table(
    "payments_ended",
    metadata,
    *_position(),
    Column("treasury", ADDRESS, nullable=False),
    Column("payment_id", HASH, nullable=False),  # what it ends; the event may name it otherwise
    Column("outcome", Text, nullable=False),  # cancelled | refunded
    Column("amount", UINT256),  # refunded base units
    Column("claimer", ADDRESS),
    PrimaryKeyConstraint("chain_id", "block_hash", "log_index"),
    Index("ix_payments_ended_payment", "chain_id", "treasury", "payment_id"),
    Index("ix_payments_ended_block", "chain_id", "block_number"),
    schema=SCHEMA,
)

# ERC-20 transfers into and out of known treasuries: deposits have no event of their own.
token_transfers = Table(
    "token_transfers",
    metadata,
    *_position(),
    Column("token", ADDRESS, nullable=False),
    Column("sender", ADDRESS, nullable=False),
    Column("recipient", ADDRESS, nullable=False),
    Column("amount", UINT256, nullable=False),
    PrimaryKeyConstraint("chain_id", "block_hash", "log_index"),
    Index("ix_token_transfers_recipient", "chain_id", "recipient"),
    Index("ix_token_transfers_sender", "chain_id", "sender"),
    Index("ix_token_transfers_block", "chain_id", "block_number"),
    schema=SCHEMA,
)

# Tokens that a platform took back from a treasury because nothing claimed them.
surplus_sweeps = Table(
    "surplus_sweeps",
    metadata,
    *_position(),
    Column("treasury", ADDRESS, nullable=False),
    Column("token", ADDRESS, nullable=False),
    Column("recipient", ADDRESS, nullable=False),
    Column("amount", UINT256, nullable=False),
    PrimaryKeyConstraint("chain_id", "block_hash", "log_index"),
    Index("ix_surplus_sweeps_treasury", "chain_id", "treasury"),
    Index("ix_surplus_sweeps_block", "chain_id", "block_number"),
    schema=SCHEMA,
)

# Projection: the present life of every payment, rebuilt from the facts above for touched ids.
payments = Table(
    "payments",
    metadata,
    Column("chain_id", BigInteger, nullable=False),
    Column("treasury", ADDRESS, nullable=False),
    Column("payment_id", HASH, nullable=False),  # a crypto payment's is its key
    Column("life", Integer, nullable=False),  # a cancelled or refunded id can be created again
    Column("state", Text, nullable=False),  # created | confirmed | cancelled | refunded
    Column("buyer_id", HASH, nullable=False),
    Column("item_id", HASH, nullable=False),
    Column("token", ADDRESS, nullable=False),
    Column("amount", UINT256, nullable=False),
    Column("expiration", UINT256, nullable=False),
    Column("created_block", BigInteger, nullable=False),
    Column("created_tx", HASH, nullable=False),
    Column("confirmed_block", BigInteger),
    Column("confirmed_block_hash", HASH),
    Column("confirmed_tx", HASH),
    Column("confirmed_log_index", Integer),
    Column("confirmed_ordinal", Integer),
    Column("confirmed_at", UTC_TIME),
    Column("confirmed_proven", Boolean),  # that block's receipts root was recomputed
    PrimaryKeyConstraint("chain_id", "treasury", "payment_id"),
    Index("ix_payments_confirmed_at", "chain_id", "confirmed_block"),
    Index("ix_payments_payment_id", "payment_id"),
    schema=SCHEMA,
)

# One row per rewind, with the payment facts that vanished: evidence that they were once seen.
reorgs = Table(
    "reorgs",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("ancestor_number", BigInteger, nullable=False),
    Column("orphaned_tip_number", BigInteger, nullable=False),
    Column("orphaned_tip_hash", HASH, nullable=False),
    Column("orphaned_facts", JSONB, nullable=False),
    Column("seen_at", UTC_TIME, nullable=False, server_default=func.now()),
    schema=SCHEMA,
)
