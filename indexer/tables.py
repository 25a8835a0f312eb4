"""Schema ``chain``: what the writer knows of each chain, and the facts it read there.

Rules that hold for every table of facts: rows of one block and the cursor that covers it commit
together; a reorg deletes rows above the fork point in one transaction and keeps payment facts as
orphans; no foreign key points here. A log is stated once: by the fact table of its event where
that holds all of it, else by ``logs``; by ``unclaimed_logs`` while nobody we know vouches for it.
Facts have no index but their key, which is the order they arrive in: what is looked up otherwise is
found through the projections (``projection_tables``).
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
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
    """Where a fact stands on its chain; the first columns of every fact."""
    return (
        Column("chain_id", BigInteger, nullable=False),
        Column("block_number", BigInteger, nullable=False),
        Column("log_index", Integer, nullable=False),
        Column("tx_index", Integer, nullable=False),
        Column("block_hash", HASH, nullable=False),
        Column("tx_hash", HASH, nullable=False),
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
    # The writer's cursor: facts are committed up to here. Ahead of "indexed" in a backfill only.
    Column("fetched_number", BigInteger),
    Column("fetched_hash", HASH),
    Column("fetched_timestamp", UTC_TIME),
    # What readers may rely on: facts and every projection are complete up to here.
    Column("indexed_number", BigInteger),
    Column("indexed_hash", HASH),
    Column("indexed_timestamp", UTC_TIME),
    Column("safe_number", BigInteger),  # the node's "safe" tag, for display
    Column("finalized_number", BigInteger),  # never above indexed_number, never falls
    Column("finalized_hash", HASH),
    Column("finalized_timestamp", UTC_TIME),
    Column("totals_number", BigInteger),  # daily_totals holds what is final up to here
    Column("tokens", LargeBinary),  # whose transfers were read: 20 bytes each, sorted, joined
    Column("degraded_reason", Text),  # set when a finalized hash changed: the writer has halted
    Column("updated_at", UTC_TIME, nullable=False, server_default=func.now()),
    schema=SCHEMA,
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
    Column("logs_count", Integer, nullable=False),  # logs we kept, claimed or not
    Column("proven", Boolean, nullable=False),  # receipts root recomputed from receipts
    PrimaryKeyConstraint("chain_id", "number"),
    UniqueConstraint("chain_id", "hash"),
    Index("ix_blocks_unproven", "chain_id", "number", postgresql_where=text("NOT proven")),
    Index("ix_blocks_empty", "chain_id", "number", postgresql_where=text("logs_count = 0")),
    schema=SCHEMA,
)

# The ledger of what was read, per set of topics: "complete up to" is its first hole. Rows of one
# filter never overlap. state: fetched < cross_checked < proven.
ranges = Table(
    "ranges",
    metadata,
    Column("chain_id", BigInteger, nullable=False),
    Column("filter", Text, nullable=False),  # events.FILTER_ID: which topics were asked for
    Column("low", BigInteger, nullable=False),
    Column("high", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("provider", Text, nullable=False),  # who served it
    Column("headers_linked", Boolean, nullable=False),  # every header hashed, linked, bloom agrees
    Column("digest", HASH),  # of the logs read, to compare with another provider's; null: proven
    Column("confirmed_by", Text),  # the provider whose digest was the same
    PrimaryKeyConstraint("chain_id", "filter", "low"),
    schema=SCHEMA,
)

payments_created = Table(
    "payments_created",
    metadata,
    *_position(),
    Column("treasury", ADDRESS, nullable=False),
    Column("payment_id", HASH, nullable=False),  # a crypto payment's is its key
    Column("announced_id", HASH, nullable=False),  # as the event names it
    Column("buyer", ADDRESS, nullable=False),
    Column("buyer_id", HASH, nullable=False),
    Column("item_id", HASH, nullable=False),
    Column("token", ADDRESS, nullable=False),  # zero: the one token of an older treasury
    Column("amount", UINT256, nullable=False),  # token base units
    Column("expiration", UINT256, nullable=False),  # unix seconds; 0 = never
    Column("is_crypto", Boolean, nullable=False),
    Column("abi_version", SmallInteger, nullable=False),
    PrimaryKeyConstraint("chain_id", "block_number", "log_index"),
    schema=SCHEMA,
)

payments_confirmed = Table(
    "payments_confirmed",
    metadata,
    *_position(),
    Column("ordinal", Integer, nullable=False),  # place in a PaymentBatchConfirmed, else 0
    Column("treasury", ADDRESS, nullable=False),
    Column("payment_id", HASH, nullable=False),
    # PaymentConfirmed, PaymentBatchConfirmed, or PaymentCreated of a crypto payment
    Column("event", Text, nullable=False),
    PrimaryKeyConstraint("chain_id", "block_number", "log_index", "ordinal"),
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
    PrimaryKeyConstraint("chain_id", "block_number", "log_index"),
    Index("ix_token_transfers_recipient", "chain_id", "recipient"),
    Index("ix_token_transfers_sender", "chain_id", "sender"),
    schema=SCHEMA,
)

# Every other event of a contract we know, decoded, and the log itself.
logs = Table(
    "logs",
    metadata,
    *_position(),
    Column("address", ADDRESS, nullable=False),
    Column("event", Text, nullable=False),
    Column("abi_version", SmallInteger, nullable=False),
    Column("arguments", JSONB, nullable=False),  # integers as decimal strings, bytes as 0x hex
    Column("topics", LargeBinary, nullable=False),  # 32 bytes each, joined
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("chain_id", "block_number", "log_index"),
    Index("ix_logs_address", "chain_id", "address"),
    Index("ix_logs_event", "chain_id", "event", "block_number"),
    schema=SCHEMA,
)

# Our topics from contracts we do not know, or with rubbish behind them. A contract that becomes
# known later claims its own from here, so that nothing is read from the chain twice.
unclaimed_logs = Table(
    "unclaimed_logs",
    metadata,
    *_position(),
    Column("address", ADDRESS, nullable=False),
    Column("topics", LargeBinary, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("claimed_block", BigInteger),  # the block that made its contract known
    PrimaryKeyConstraint("chain_id", "block_number", "log_index"),
    Index("ix_unclaimed_logs_address", "chain_id", "address"),
    schema=SCHEMA,
)

# What events do not carry, found in calldata or read from the contract at that block.
details = Table(
    "details",
    metadata,
    Column("chain_id", BigInteger, nullable=False),
    Column("block_number", BigInteger, nullable=False),
    Column("log_index", Integer, nullable=False),  # of the fact it belongs to
    Column("ordinal", Integer, nullable=False),
    Column("kind", Text, nullable=False),  # line_items | buyer | campaign_settings
    Column("block_hash", HASH, nullable=False),
    Column("source", Text, nullable=False),  # calldata | read | event | unavailable
    Column("arguments", JSONB, nullable=False),  # as in logs
    PrimaryKeyConstraint("chain_id", "block_number", "log_index", "ordinal", "kind"),
    schema=SCHEMA,
)

# One row per rewind; what vanished with it stands in orphans.
reorgs = Table(
    "reorgs",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("ancestor_number", BigInteger, nullable=False),
    Column("orphaned_tip_number", BigInteger, nullable=False),
    Column("orphaned_tip_hash", HASH, nullable=False),
    Column("seen_at", UTC_TIME, nullable=False, server_default=func.now()),
    schema=SCHEMA,
)

# Facts of blocks that are no longer canonical: evidence that they were once seen.
orphans = Table(
    "orphans",
    metadata,
    Column("reorg_id", BigInteger, nullable=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("fact", Text, nullable=False),  # name of the table it stood in
    Column("block_number", BigInteger, nullable=False),
    Column("block_hash", HASH, nullable=False),
    Column("log_index", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("values", JSONB, nullable=False),  # the row: bytes as \x hex, integers as numbers
    PrimaryKeyConstraint("reorg_id", "fact", "block_number", "log_index", "ordinal"),
    schema=SCHEMA,
)

# What changed, in order, for consumers: blocks low to high were added or removed. A consumer reads
# the facts of an added range from the fact tables and those of a removed one from orphans.
outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("action", Text, nullable=False),  # added | removed | amended
    Column("low", BigInteger, nullable=False),
    Column("high", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),  # 1 + removals on this chain so far
    Column("reorg_id", BigInteger),  # of what went: a removal's, a repair's that found false rows
    Column("written_at", UTC_TIME, nullable=False, server_default=func.now()),
    Index("ix_outbox_chain", "chain_id", "id"),
    schema=SCHEMA,
)

# How far a consumer has been told: which changes it knows of, from which place on facts are told,
# and the place above which it holds none.
outbox_cursors = Table(
    "outbox_cursors",
    metadata,
    Column("consumer", Text, nullable=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("delivery", Text, nullable=False),  # latest | finalized
    Column("outbox_id", BigInteger, nullable=False),
    Column("block_number", BigInteger, nullable=False),
    Column("log_index", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("rank", SmallInteger, nullable=False),  # of the fact's table, in outbox_telling.FACTS
    Column("held_block_number", BigInteger, nullable=False),
    Column("held_log_index", Integer, nullable=False),
    Column("held_ordinal", Integer, nullable=False),
    Column("held_rank", SmallInteger, nullable=False),
    Column("retracted", Integer, nullable=False),  # facts of the next change taken back already
    PrimaryKeyConstraint("consumer", "chain_id", "delivery"),
    schema=SCHEMA,
)

# Checks that a provider's answers failed; its truth score counts them.
provider_findings = Table(
    "provider_findings",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("provider", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("low", BigInteger),
    Column("high", BigInteger),
    Column("detail", Text, nullable=False),
    Column("seen_at", UTC_TIME, nullable=False, server_default=func.now()),
    Index("ix_provider_findings_provider", "chain_id", "provider", "seen_at"),
    schema=SCHEMA,
)

# Indexed totals against the contract's own getters at a finalized block.
audits = Table(
    "audits",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("treasury", ADDRESS, nullable=False),
    Column("block_number", BigInteger, nullable=False),
    Column("getter", Text, nullable=False),
    Column("verdict", Text, nullable=False),  # equal | different | not_comparable
    Column("indexed", UINT256),
    Column("onchain", UINT256),
    Column("reason", Text),
    Column("ran_at", UTC_TIME, nullable=False, server_default=func.now()),
    Index("ix_audits_figure", "chain_id", "treasury", "getter", "id"),
    Index(
        "ix_audits_different",
        "chain_id",
        "ran_at",
        postgresql_where=text("verdict = 'different'"),
    ),
    schema=SCHEMA,
)
