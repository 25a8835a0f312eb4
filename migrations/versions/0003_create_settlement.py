"""Create schema settlement's tables: requests, batches, nonce slots and attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", sa.LargeBinary(), nullable=False),
        sa.Column("treasury", sa.LargeBinary(), nullable=True),
        sa.Column("calldata", sa.LargeBinary(), nullable=False),
        sa.Column("gas_limit", sa.BigInteger(), nullable=False),
        sa.Column("campaign_request_id", sa.Uuid(), nullable=True),
        sa.Column("amount_base_units", sa.Numeric(78, 0), nullable=True),
        sa.Column(
            "sealed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('create_campaign','create_treasury','fund','create_payments','confirm_payments')",
            name=op.f("ck_batches_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
        schema="settlement",
    )
    op.create_index(
        "ix_batches_treasury",
        "batches",
        ["chain_id", "treasury", "kind"],
        unique=False,
        schema="settlement",
    )
    op.create_index(
        "uq_batches_campaign_step",
        "batches",
        ["campaign_request_id", "kind"],
        unique=True,
        schema="settlement",
        postgresql_where=sa.text("campaign_request_id IS NOT NULL AND released_at IS NULL"),
    )
    op.create_table(
        "campaigns",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("identifier_hash", sa.LargeBinary(), nullable=False),
        sa.Column("creator", sa.LargeBinary(), nullable=False),
        sa.Column("launch_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("goal_base_units", sa.Numeric(78, 0), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("treasury_kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="requested", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("platform_hash", sa.LargeBinary(), nullable=True),
        sa.Column("campaign", sa.LargeBinary(), nullable=True),
        sa.Column("treasury", sa.LargeBinary(), nullable=True),
        sa.Column("token", sa.LargeBinary(), nullable=True),
        sa.Column(
            "state_since",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "requested_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("live_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state <> 'blocked' OR reason IS NOT NULL", name=op.f("ck_campaigns_blocked_has_reason")
        ),
        sa.CheckConstraint(
            "state IN ('requested','campaign_pending','treasury_pending','live','blocked')",
            name=op.f("ck_campaigns_state"),
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint(
            "chain_id", "identifier_hash", name=op.f("uq_campaigns_chain_id_identifier_hash")
        ),
        sa.UniqueConstraint("chain_id", "treasury", name=op.f("uq_campaigns_chain_id_treasury")),
        schema="settlement",
    )
    op.create_table(
        "requests",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("treasury", sa.LargeBinary(), nullable=False),
        sa.Column("pledge_id", sa.Uuid(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("payment_id", sa.LargeBinary(), nullable=False),
        sa.Column("buyer_commitment", sa.LargeBinary(), nullable=False),
        sa.Column("item_id", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("amount_base_units", sa.Numeric(78, 0), nullable=False),
        sa.Column("captured_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expiration", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), server_default="ready", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("strikes", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "state_since",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "requested_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "state <> 'batched' OR batch_id IS NOT NULL", name=op.f("ck_requests_batched_has_batch")
        ),
        sa.CheckConstraint(
            "state IN ('ready','batched','included','settled','blocked','quarantined','void','superseded')",
            name=op.f("ck_requests_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('blocked','quarantined') OR reason IS NOT NULL",
            name=op.f("ck_requests_stop_has_reason"),
        ),
        sa.CheckConstraint("amount_base_units > 0", name=op.f("ck_requests_amount_positive")),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_requests")),
        sa.UniqueConstraint(
            "chain_id",
            "treasury",
            "payment_id",
            name=op.f("uq_requests_chain_id_treasury_payment_id"),
        ),
        sa.UniqueConstraint(
            "pledge_id", "generation", name=op.f("uq_requests_pledge_id_generation")
        ),
        schema="settlement",
    )
    op.create_index(
        "ix_requests_due",
        "requests",
        ["chain_id", "state", "treasury"],
        unique=False,
        schema="settlement",
    )
    op.create_index(
        "ix_requests_payment", "requests", ["payment_id"], unique=False, schema="settlement"
    )
    op.create_index(
        "uq_requests_live_pledge",
        "requests",
        ["pledge_id"],
        unique=True,
        schema="settlement",
        postgresql_where=sa.text("state NOT IN ('void','superseded')"),
    )
    op.create_table(
        "signers",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("next_nonce", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.Text(), server_default="active", nullable=False),
        sa.Column("mode_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("mode IN ('active','quarantine')", name=op.f("ck_signers_mode")),
        sa.PrimaryKeyConstraint("chain_id", "address", name=op.f("pk_signers")),
        schema="settlement",
    )
    op.create_table(
        "batch_items",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["settlement.batches.id"], name=op.f("fk_batch_items_batch_id_batches")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["settlement.requests.request_id"],
            name=op.f("fk_batch_items_request_id_requests"),
        ),
        sa.PrimaryKeyConstraint("batch_id", "ordinal", name=op.f("pk_batch_items")),
        sa.UniqueConstraint(
            "batch_id", "request_id", name=op.f("uq_batch_items_batch_id_request_id")
        ),
        schema="settlement",
    )
    op.create_index(
        "ix_batch_items_request", "batch_items", ["request_id"], unique=False, schema="settlement"
    )
    op.create_index(
        "uq_batch_items_live",
        "batch_items",
        ["request_id", "kind"],
        unique=True,
        schema="settlement",
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_table(
        "nonce_slots",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("signer", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), server_default="reserved", nullable=False),
        sa.Column("is_final", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("mined_tx", sa.LargeBinary(), nullable=True),
        sa.Column("mined_block", sa.BigInteger(), nullable=True),
        sa.Column("mined_block_hash", sa.LargeBinary(), nullable=True),
        sa.Column("gas_used", sa.BigInteger(), nullable=True),
        sa.Column("effective_gas_price_wei", sa.Numeric(78, 0), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('reserved','signed','mined_ok','mined_failed','foreign')",
            name=op.f("ck_nonce_slots_state"),
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["settlement.batches.id"], name=op.f("fk_nonce_slots_batch_id_batches")
        ),
        sa.PrimaryKeyConstraint("chain_id", "signer", "nonce", name=op.f("pk_nonce_slots")),
        sa.UniqueConstraint("batch_id", name=op.f("uq_nonce_slots_batch_id")),
        schema="settlement",
    )
    op.create_table(
        "attempts",
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("signer", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("max_fee_per_gas_wei", sa.Numeric(78, 0), nullable=False),
        sa.Column("max_priority_fee_per_gas_wei", sa.Numeric(78, 0), nullable=False),
        sa.Column(
            "signed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("intent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_block", sa.BigInteger(), nullable=True),
        sa.Column("sends", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_answer", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["chain_id", "signer", "nonce"],
            [
                "settlement.nonce_slots.chain_id",
                "settlement.nonce_slots.signer",
                "settlement.nonce_slots.nonce",
            ],
            name=op.f("fk_attempts_chain_id_signer_nonce_nonce_slots"),
        ),
        sa.PrimaryKeyConstraint("tx_hash", name=op.f("pk_attempts")),
        sa.UniqueConstraint(
            "chain_id",
            "signer",
            "nonce",
            "sequence",
            name=op.f("uq_attempts_chain_id_signer_nonce_sequence"),
        ),
        schema="settlement",
    )
    # The two doors from off-chain: what to create and what to settle.
    op.execute("GRANT INSERT ON settlement.requests, settlement.campaigns TO lastro_offchain")


def downgrade() -> None:
    op.drop_table("attempts", schema="settlement")
    op.drop_table("nonce_slots", schema="settlement")
    op.drop_index(
        "uq_batch_items_live",
        table_name="batch_items",
        schema="settlement",
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.drop_index("ix_batch_items_request", table_name="batch_items", schema="settlement")
    op.drop_table("batch_items", schema="settlement")
    op.drop_table("signers", schema="settlement")
    op.drop_index(
        "uq_requests_live_pledge",
        table_name="requests",
        schema="settlement",
        postgresql_where=sa.text("state NOT IN ('void','superseded')"),
    )
    op.drop_index("ix_requests_payment", table_name="requests", schema="settlement")
    op.drop_index("ix_requests_due", table_name="requests", schema="settlement")
    op.drop_table("requests", schema="settlement")
    op.drop_table("campaigns", schema="settlement")
    op.drop_index(
        "uq_batches_campaign_step",
        table_name="batches",
        schema="settlement",
        postgresql_where=sa.text("campaign_request_id IS NOT NULL AND released_at IS NULL"),
    )
    op.drop_index("ix_batches_treasury", table_name="batches", schema="settlement")
    op.drop_table("batches", schema="settlement")
