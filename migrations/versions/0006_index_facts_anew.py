"""Facts with no index but their key, a cursor ahead of the readers' mark, evidence and an outbox.

The chain is the source of schema ``chain``: its tables are made anew and read from it again.
"""

from importlib import import_module

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

_OLD = (
    "blocks, campaigns, logs, marks, payments, payments_confirmed, payments_created, "
    "payments_ended, ranges, reorgs, surplus_sweeps, token_transfers, treasuries"
)
_NEW = "audits, blocks, details, logs, marks, orphans, outbox, outbox_cursors, payments_confirmed, payments_created, provider_findings, ranges, reorgs, token_transfers, unclaimed_logs"


def upgrade() -> None:
    _drop(_OLD)
    op.create_table(
        "audits",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("treasury", sa.LargeBinary(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("getter", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("indexed", sa.Numeric(78, 0), nullable=True),
        sa.Column("onchain", sa.Numeric(78, 0), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "ran_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audits")),
        schema="chain",
    )
    op.create_index(
        "ix_audits_figure",
        "audits",
        ["chain_id", "treasury", "getter", "id"],
        unique=False,
        schema="chain",
    )
    op.create_index(
        "ix_audits_different",
        "audits",
        ["chain_id", "ran_at"],
        unique=False,
        schema="chain",
        postgresql_where=sa.text("verdict = 'different'"),
    )
    op.create_table(
        "blocks",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("parent_hash", sa.LargeBinary(), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("receipts_root", sa.LargeBinary(), nullable=False),
        sa.Column("logs_count", sa.Integer(), nullable=False),
        sa.Column("proven", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("chain_id", "number", name=op.f("pk_blocks")),
        sa.UniqueConstraint("chain_id", "hash", name=op.f("uq_blocks_chain_id_hash")),
        schema="chain",
    )
    op.create_index(
        "ix_blocks_empty",
        "blocks",
        ["chain_id", "number"],
        unique=False,
        schema="chain",
        postgresql_where=sa.text("logs_count = 0"),
    )
    op.create_index(
        "ix_blocks_unproven",
        "blocks",
        ["chain_id", "number"],
        unique=False,
        schema="chain",
        postgresql_where=sa.text("NOT proven"),
    )
    op.create_table(
        "details",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("arguments", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint(
            "chain_id", "block_number", "log_index", "ordinal", "kind", name=op.f("pk_details")
        ),
        schema="chain",
    )
    op.create_table(
        "logs",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("tx_index", sa.Integer(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("abi_version", sa.SmallInteger(), nullable=False),
        sa.Column("arguments", postgresql.JSONB(), nullable=False),
        sa.Column("topics", sa.LargeBinary(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("chain_id", "block_number", "log_index", name=op.f("pk_logs")),
        schema="chain",
    )
    op.create_index(
        "ix_logs_address", "logs", ["chain_id", "address"], unique=False, schema="chain"
    )
    op.create_index(
        "ix_logs_event", "logs", ["chain_id", "event", "block_number"], unique=False, schema="chain"
    )
    op.create_table(
        "marks",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("first_block", sa.BigInteger(), nullable=False),
        sa.Column("genesis_hash", sa.LargeBinary(), nullable=True),
        sa.Column("head_number", sa.BigInteger(), nullable=True),
        sa.Column("fetched_number", sa.BigInteger(), nullable=True),
        sa.Column("fetched_hash", sa.LargeBinary(), nullable=True),
        sa.Column("fetched_timestamp", sa.DateTime(timezone=True), nullable=True),
        sa.Column("indexed_number", sa.BigInteger(), nullable=True),
        sa.Column("indexed_hash", sa.LargeBinary(), nullable=True),
        sa.Column("indexed_timestamp", sa.DateTime(timezone=True), nullable=True),
        sa.Column("safe_number", sa.BigInteger(), nullable=True),
        sa.Column("finalized_number", sa.BigInteger(), nullable=True),
        sa.Column("finalized_hash", sa.LargeBinary(), nullable=True),
        sa.Column("finalized_timestamp", sa.DateTime(timezone=True), nullable=True),
        sa.Column("totals_number", sa.BigInteger(), nullable=True),
        sa.Column("tokens", sa.LargeBinary(), nullable=True),
        sa.Column("degraded_reason", sa.Text(), nullable=True),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("chain_id", name=op.f("pk_marks")),
        schema="chain",
    )
    op.create_table(
        "orphans",
        sa.Column("reorg_id", sa.BigInteger(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("fact", sa.Text(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("values", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint(
            "reorg_id", "fact", "block_number", "log_index", "ordinal", name=op.f("pk_orphans")
        ),
        schema="chain",
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("reorg_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "written_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        schema="chain",
    )
    op.create_index("ix_outbox_chain", "outbox", ["chain_id", "id"], unique=False, schema="chain")
    # A consumer's place in the outbox and among the facts, and above which it holds none.
    op.create_table(
        "outbox_cursors",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("delivery", sa.Text(), nullable=False),
        sa.Column("outbox_id", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("held_block_number", sa.BigInteger(), nullable=False),
        sa.Column("held_log_index", sa.Integer(), nullable=False),
        sa.Column("held_ordinal", sa.Integer(), nullable=False),
        sa.Column("held_rank", sa.SmallInteger(), nullable=False),
        sa.Column("retracted", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "chain_id", "delivery", name=op.f("pk_outbox_cursors")),
        schema="chain",
    )
    op.create_table(
        "payments_confirmed",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("tx_index", sa.Integer(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("treasury", sa.LargeBinary(), nullable=False),
        sa.Column("payment_id", sa.LargeBinary(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "chain_id", "block_number", "log_index", "ordinal", name=op.f("pk_payments_confirmed")
        ),
        schema="chain",
    )
    op.create_table(
        "payments_created",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("tx_index", sa.Integer(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("treasury", sa.LargeBinary(), nullable=False),
        sa.Column("payment_id", sa.LargeBinary(), nullable=False),
        sa.Column("announced_id", sa.LargeBinary(), nullable=False),
        sa.Column("buyer", sa.LargeBinary(), nullable=False),
        sa.Column("buyer_id", sa.LargeBinary(), nullable=False),
        sa.Column("item_id", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("amount", sa.Numeric(78, 0), nullable=False),
        sa.Column("expiration", sa.Numeric(78, 0), nullable=False),
        sa.Column("is_crypto", sa.Boolean(), nullable=False),
        sa.Column("abi_version", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "chain_id", "block_number", "log_index", name=op.f("pk_payments_created")
        ),
        schema="chain",
    )
    op.create_table(
        "provider_findings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=True),
        sa.Column("high", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_findings")),
        schema="chain",
    )
    op.create_index(
        "ix_provider_findings_provider",
        "provider_findings",
        ["chain_id", "provider", "seen_at"],
        unique=False,
        schema="chain",
    )
    op.create_table(
        "ranges",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("headers_linked", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("confirmed_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("chain_id", "filter", "low", name=op.f("pk_ranges")),
        schema="chain",
    )
    op.create_table(
        "reorgs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("ancestor_number", sa.BigInteger(), nullable=False),
        sa.Column("orphaned_tip_number", sa.BigInteger(), nullable=False),
        sa.Column("orphaned_tip_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reorgs")),
        schema="chain",
    )
    op.create_table(
        "token_transfers",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("tx_index", sa.Integer(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("sender", sa.LargeBinary(), nullable=False),
        sa.Column("recipient", sa.LargeBinary(), nullable=False),
        sa.Column("amount", sa.Numeric(78, 0), nullable=False),
        sa.PrimaryKeyConstraint(
            "chain_id", "block_number", "log_index", name=op.f("pk_token_transfers")
        ),
        schema="chain",
    )
    op.create_index(
        "ix_token_transfers_recipient",
        "token_transfers",
        ["chain_id", "recipient"],
        unique=False,
        schema="chain",
    )
    op.create_index(
        "ix_token_transfers_sender",
        "token_transfers",
        ["chain_id", "sender"],
        unique=False,
        schema="chain",
    )
    op.create_table(
        "unclaimed_logs",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("tx_index", sa.Integer(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("topics", sa.LargeBinary(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("claimed_block", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint(
            "chain_id", "block_number", "log_index", name=op.f("pk_unclaimed_logs")
        ),
        schema="chain",
    )
    op.create_index(
        "ix_unclaimed_logs_address",
        "unclaimed_logs",
        ["chain_id", "address"],
        unique=False,
        schema="chain",
    )


def downgrade() -> None:
    """Index anew with the older code."""
    _drop(_NEW)
    import_module("migrations.versions.0002_create_chain").upgrade()
    import_module("migrations.versions.0005_settle_in_one_call").extend_chain()


def _drop(names: str) -> None:
    for name in names.split(", "):
        op.drop_table(name, schema="chain")
