"""Create schema chain's tables: blocks, facts, projections and marks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
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
    op.create_table(
        "campaigns",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("campaign", sa.LargeBinary(), nullable=False),
        sa.Column("identifier_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("chain_id", "campaign", name=op.f("pk_campaigns")),
        sa.UniqueConstraint(
            "chain_id", "identifier_hash", name=op.f("uq_campaigns_chain_id_identifier_hash")
        ),
        schema="chain",
    )
    op.create_table(
        "logs",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tx_index", sa.Integer(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("arguments", postgresql.JSONB(), nullable=False),
        sa.Column("claimed", sa.Boolean(), nullable=False),
        sa.Column("topics", sa.LargeBinary(), server_default="", nullable=False),
        sa.Column("data", sa.LargeBinary(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("chain_id", "block_hash", "log_index", name=op.f("pk_logs")),
        schema="chain",
    )
    op.create_index(
        "ix_logs_address", "logs", ["chain_id", "address"], unique=False, schema="chain"
    )
    op.create_index(
        "ix_logs_block", "logs", ["chain_id", "block_number"], unique=False, schema="chain"
    )
    op.create_index("ix_logs_tx", "logs", ["chain_id", "tx_hash"], unique=False, schema="chain")
    op.create_table(
        "marks",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("first_block", sa.BigInteger(), nullable=False),
        sa.Column("genesis_hash", sa.LargeBinary(), nullable=True),
        sa.Column("head_number", sa.BigInteger(), nullable=True),
        sa.Column("indexed_number", sa.BigInteger(), nullable=True),
        sa.Column("indexed_hash", sa.LargeBinary(), nullable=True),
        sa.Column("indexed_timestamp", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finalized_number", sa.BigInteger(), nullable=True),
        sa.Column("finalized_hash", sa.LargeBinary(), nullable=True),
        sa.Column("finalized_timestamp", sa.DateTime(timezone=True), nullable=True),
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
        "payments",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("treasury", sa.LargeBinary(), nullable=False),
        sa.Column("payment_id", sa.LargeBinary(), nullable=False),
        sa.Column("life", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("buyer_id", sa.LargeBinary(), nullable=False),
        sa.Column("item_id", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("amount", sa.Numeric(78, 0), nullable=False),
        sa.Column("expiration", sa.Numeric(78, 0), nullable=False),
        sa.Column("created_block", sa.BigInteger(), nullable=False),
        sa.Column("created_tx", sa.LargeBinary(), nullable=False),
        sa.Column("confirmed_block", sa.BigInteger(), nullable=True),
        sa.Column("confirmed_block_hash", sa.LargeBinary(), nullable=True),
        sa.Column("confirmed_tx", sa.LargeBinary(), nullable=True),
        sa.Column("confirmed_log_index", sa.Integer(), nullable=True),
        sa.Column("confirmed_ordinal", sa.Integer(), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_proven", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("chain_id", "treasury", "payment_id", name=op.f("pk_payments")),
        schema="chain",
    )
    op.create_index(
        "ix_payments_confirmed_at",
        "payments",
        ["chain_id", "confirmed_block"],
        unique=False,
        schema="chain",
    )
    op.create_index(
        "ix_payments_payment_id", "payments", ["payment_id"], unique=False, schema="chain"
    )
    op.create_table(
        "payments_confirmed",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("treasury", sa.LargeBinary(), nullable=False),
        sa.Column("payment_id", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "chain_id", "block_hash", "log_index", "ordinal", name=op.f("pk_payments_confirmed")
        ),
        schema="chain",
    )
    op.create_index(
        "ix_payments_confirmed_block",
        "payments_confirmed",
        ["chain_id", "block_number"],
        unique=False,
        schema="chain",
    )
    op.create_index(
        "ix_payments_confirmed_payment",
        "payments_confirmed",
        ["chain_id", "treasury", "payment_id"],
        unique=False,
        schema="chain",
    )
    op.create_table(
        "payments_created",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("treasury", sa.LargeBinary(), nullable=False),
        sa.Column("payment_id", sa.LargeBinary(), nullable=False),
        sa.Column("buyer", sa.LargeBinary(), nullable=False),
        sa.Column("buyer_id", sa.LargeBinary(), nullable=False),
        sa.Column("item_id", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("amount", sa.Numeric(78, 0), nullable=False),
        sa.Column("expiration", sa.Numeric(78, 0), nullable=False),
        sa.Column("is_crypto", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "chain_id", "block_hash", "log_index", name=op.f("pk_payments_created")
        ),
        schema="chain",
    )
    op.create_index(
        "ix_payments_created_block",
        "payments_created",
        ["chain_id", "block_number"],
        unique=False,
        schema="chain",
    )
    op.create_index(
        "ix_payments_created_payment",
        "payments_created",
        ["chain_id", "treasury", "payment_id"],
        unique=False,
        schema="chain",
    )
    op.create_table(
        "payments_ended",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("treasury", sa.LargeBinary(), nullable=False),
        sa.Column("payment_id", sa.LargeBinary(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(78, 0), nullable=True),
        sa.Column("claimer", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint(
            "chain_id", "block_hash", "log_index", name=op.f("pk_payments_ended")
        ),
        schema="chain",
    )
    op.create_index(
        "ix_payments_ended_block",
        "payments_ended",
        ["chain_id", "block_number"],
        unique=False,
        schema="chain",
    )
    op.create_index(
        "ix_payments_ended_payment",
        "payments_ended",
        ["chain_id", "treasury", "payment_id"],
        unique=False,
        schema="chain",
    )
    op.create_table(
        "ranges",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("chain_id", "low", name=op.f("pk_ranges")),
        schema="chain",
    )
    op.create_table(
        "reorgs",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("ancestor_number", sa.BigInteger(), nullable=False),
        sa.Column("orphaned_tip_number", sa.BigInteger(), nullable=False),
        sa.Column("orphaned_tip_hash", sa.LargeBinary(), nullable=False),
        sa.Column("orphaned_facts", postgresql.JSONB(), nullable=False),
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
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("sender", sa.LargeBinary(), nullable=False),
        sa.Column("recipient", sa.LargeBinary(), nullable=False),
        sa.Column("amount", sa.Numeric(78, 0), nullable=False),
        sa.PrimaryKeyConstraint(
            "chain_id", "block_hash", "log_index", name=op.f("pk_token_transfers")
        ),
        schema="chain",
    )
    op.create_index(
        "ix_token_transfers_block",
        "token_transfers",
        ["chain_id", "block_number"],
        unique=False,
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
        "treasuries",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("treasury", sa.LargeBinary(), nullable=False),
        sa.Column("campaign", sa.LargeBinary(), nullable=False),
        sa.Column("platform_hash", sa.LargeBinary(), nullable=False),
        sa.Column("implementation_id", sa.Numeric(78, 0), nullable=False),
        sa.PrimaryKeyConstraint("chain_id", "treasury", name=op.f("pk_treasuries")),
        sa.UniqueConstraint(
            "chain_id",
            "campaign",
            "platform_hash",
            name=op.f("uq_treasuries_chain_id_campaign_platform_hash"),
        ),
        schema="chain",
    )


def downgrade() -> None:
    op.drop_table("treasuries", schema="chain")
    op.drop_index("ix_token_transfers_sender", table_name="token_transfers", schema="chain")
    op.drop_index("ix_token_transfers_recipient", table_name="token_transfers", schema="chain")
    op.drop_index("ix_token_transfers_block", table_name="token_transfers", schema="chain")
    op.drop_table("token_transfers", schema="chain")
    op.drop_table("reorgs", schema="chain")
    op.drop_table("ranges", schema="chain")
    op.drop_index("ix_payments_ended_payment", table_name="payments_ended", schema="chain")
    op.drop_index("ix_payments_ended_block", table_name="payments_ended", schema="chain")
    op.drop_table("payments_ended", schema="chain")
    op.drop_index("ix_payments_created_payment", table_name="payments_created", schema="chain")
    op.drop_index("ix_payments_created_block", table_name="payments_created", schema="chain")
    op.drop_table("payments_created", schema="chain")
    op.drop_index("ix_payments_confirmed_payment", table_name="payments_confirmed", schema="chain")
    op.drop_index("ix_payments_confirmed_block", table_name="payments_confirmed", schema="chain")
    op.drop_table("payments_confirmed", schema="chain")
    op.drop_index("ix_payments_payment_id", table_name="payments", schema="chain")
    op.drop_index("ix_payments_confirmed_at", table_name="payments", schema="chain")
    op.drop_table("payments", schema="chain")
    op.drop_table("marks", schema="chain")
    op.drop_index("ix_logs_tx", table_name="logs", schema="chain")
    op.drop_index("ix_logs_block", table_name="logs", schema="chain")
    op.drop_index("ix_logs_address", table_name="logs", schema="chain")
    op.drop_table("logs", schema="chain")
    op.drop_table("campaigns", schema="chain")
    op.drop_table("blocks", schema="chain")
