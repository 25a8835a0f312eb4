"""Create schema offchain's tables: campaigns, pledges, inbox, ledger."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "backers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backers")),
        sa.UniqueConstraint("reference", name=op.f("uq_backers_reference")),
        schema="offchain",
    )
    op.create_table(
        "campaigns",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("creator", sa.Text(), nullable=False),
        sa.Column("creator_wallet", sa.LargeBinary(), nullable=True),
        sa.Column("goal_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("launch_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settlement_mode", sa.Text(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=True),
        sa.Column("treasury_kind", sa.Text(), nullable=True),
        sa.Column("identifier_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(settlement_mode = 'onchain') = (chain_id IS NOT NULL AND treasury_kind IS NOT NULL)",
            name=op.f("ck_campaigns_onchain_names_chain"),
        ),
        sa.CheckConstraint(
            "settlement_mode IN ('onchain','fiat_only')", name=op.f("ck_campaigns_settlement_mode")
        ),
        sa.CheckConstraint("goal_minor > 0", name=op.f("ck_campaigns_goal_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("identifier_hash", name=op.f("uq_campaigns_identifier_hash")),
        sa.UniqueConstraint("slug", name=op.f("uq_campaigns_slug")),
        schema="offchain",
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("response_status", sa.Integer(), nullable=True),
        sa.Column("response_body", postgresql.JSONB(), nullable=True),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_idempotency_keys")),
        schema="offchain",
    )
    op.create_table(
        "inbox",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("event_key", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("headers", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), server_default="new", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "next_try_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("attempt_id", sa.Uuid(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('new','done','unmatched','dead')", name=op.f("ck_inbox_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("gateway", "event_key", name=op.f("uq_inbox_gateway_event_key")),
        schema="offchain",
    )
    op.create_index(
        "ix_inbox_due",
        "inbox",
        ["next_try_at"],
        unique=False,
        schema="offchain",
        postgresql_where=sa.text("state IN ('new','unmatched')"),
    )
    op.create_table(
        "job_runs",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", "slot", name=op.f("pk_job_runs")),
        schema="offchain",
    )
    op.create_table(
        "ledger_accounts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("normal_side", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "normal_side IN ('debit','credit')", name=op.f("ck_ledger_accounts_normal_side")
        ),
        sa.PrimaryKeyConstraint("id", "currency", name=op.f("pk_ledger_accounts")),
        schema="offchain",
    )
    op.create_table(
        "webhook_refusals",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column(
            "last_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("gateway", "reason", name=op.f("pk_webhook_refusals")),
        schema="offchain",
    )
    op.create_table(
        "ledger_transfers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("pending_id", sa.Uuid(), nullable=True),
        sa.Column("debit_account", sa.Text(), nullable=False),
        sa.Column("credit_account", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(kind IN ('post','void')) = (pending_id IS NOT NULL)",
            name=op.f("ck_ledger_transfers_resolution_names_pending"),
        ),
        sa.CheckConstraint(
            "kind IN ('pending','post','void','single')", name=op.f("ck_ledger_transfers_kind")
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_ledger_transfers_amount_positive")),
        sa.CheckConstraint(
            "debit_account <> credit_account", name=op.f("ck_ledger_transfers_two_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["credit_account", "currency"],
            ["offchain.ledger_accounts.id", "offchain.ledger_accounts.currency"],
            name=op.f("fk_ledger_transfers_credit_account_currency_ledger_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["debit_account", "currency"],
            ["offchain.ledger_accounts.id", "offchain.ledger_accounts.currency"],
            name=op.f("fk_ledger_transfers_debit_account_currency_ledger_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["pending_id"],
            ["offchain.ledger_transfers.id"],
            name=op.f("fk_ledger_transfers_pending_id_ledger_transfers"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transfers")),
        sa.UniqueConstraint("pending_id", name=op.f("uq_ledger_transfers_pending_id")),
        sa.UniqueConstraint(
            "source", "source_id", "kind", name=op.f("uq_ledger_transfers_source_source_id_kind")
        ),
        schema="offchain",
    )
    op.create_table(
        "pledges",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("backer_id", sa.Uuid(), nullable=False),
        sa.Column("buyer_commitment", sa.LargeBinary(), nullable=False),
        sa.Column("item_id", sa.LargeBinary(), nullable=False),
        sa.Column("reward", sa.Text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_pledges_amount_positive")),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["offchain.campaigns.id"],
            name=op.f("fk_pledges_campaign_id_campaigns"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pledges")),
        schema="offchain",
    )
    op.create_index(
        "ix_pledges_campaign", "pledges", ["campaign_id"], unique=False, schema="offchain"
    )
    op.create_table(
        "payment_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("pledge_id", sa.Uuid(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("provider_payment_id", sa.Text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fiat_status", sa.Text(), server_default="created", nullable=False),
        sa.Column("chain_status", sa.Text(), server_default="none", nullable=False),
        sa.Column("claim_status", sa.Text(), server_default="none", nullable=False),
        sa.Column("review_reason", sa.Text(), nullable=True),
        sa.Column("received_minor", sa.BigInteger(), nullable=True),
        sa.Column("pix_code", sa.Text(), nullable=True),
        sa.Column("provider_version", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("captured_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "chain_status IN ('none','queued','submitted','mined','final','held','failed')",
            name=op.f("ck_payment_attempts_chain_status"),
        ),
        sa.CheckConstraint(
            "claim_status IN ('none','refund_pending','partially_refunded','refunded','disputed','dispute_lost')",
            name=op.f("ck_payment_attempts_claim_status"),
        ),
        sa.CheckConstraint(
            "fiat_status IN ('created','awaiting','authorized','failed','expired','canceled','late_paid','mismatch','captured','returned')",
            name=op.f("ck_payment_attempts_fiat_status"),
        ),
        sa.ForeignKeyConstraint(
            ["pledge_id"],
            ["offchain.pledges.id"],
            name=op.f("fk_payment_attempts_pledge_id_pledges"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_attempts")),
        sa.UniqueConstraint(
            "gateway",
            "provider_payment_id",
            name=op.f("uq_payment_attempts_gateway_provider_payment_id"),
        ),
        schema="offchain",
    )
    op.create_index(
        "ix_payment_attempts_chain",
        "payment_attempts",
        ["chain_status"],
        unique=False,
        schema="offchain",
    )
    op.create_index(
        "ix_payment_attempts_open",
        "payment_attempts",
        ["fiat_status", "checked_at"],
        unique=False,
        schema="offchain",
    )
    op.create_index(
        "ix_payment_attempts_pledge",
        "payment_attempts",
        ["pledge_id"],
        unique=False,
        schema="offchain",
    )
    op.create_index(
        "uq_payment_attempts_captured_pledge",
        "payment_attempts",
        ["pledge_id"],
        unique=True,
        schema="offchain",
        postgresql_where=sa.text("fiat_status = 'captured' AND claim_status = 'none'"),
    )
    op.create_table(
        "attempt_events",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("lattice", sa.Text(), nullable=False),
        sa.Column("from_status", sa.Text(), nullable=False),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["offchain.payment_attempts.id"],
            name=op.f("fk_attempt_events_attempt_id_payment_attempts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt_events")),
        schema="offchain",
    )
    op.create_index(
        "ix_attempt_events_attempt",
        "attempt_events",
        ["attempt_id"],
        unique=False,
        schema="offchain",
    )
    # The ledger and the evidence are never edited: corrections are new rows.
    op.execute(
        """
        CREATE FUNCTION offchain.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% of offchain.% is refused: rows are immutable, add a new one',
                TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    for table in ("ledger_transfers", "ledger_accounts", "attempt_events"):
        op.execute(
            f"""
            CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON offchain.{table}
            FOR EACH STATEMENT EXECUTE FUNCTION offchain.refuse_change()
            """
        )
    op.execute(
        """
        CREATE FUNCTION offchain.check_resolution() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NOT EXISTS (
                SELECT 1 FROM offchain.ledger_transfers AS pending
                WHERE pending.id = NEW.pending_id AND pending.kind = 'pending'
                  AND (pending.debit_account, pending.credit_account, pending.amount,
                       pending.currency, pending.source, pending.source_id)
                    = (NEW.debit_account, NEW.credit_account, NEW.amount,
                       NEW.currency, NEW.source, NEW.source_id)
            ) THEN
                RAISE EXCEPTION 'transfer % differs from the pending one it resolves', NEW.id
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER resolution BEFORE INSERT ON offchain.ledger_transfers
        FOR EACH ROW WHEN (NEW.pending_id IS NOT NULL)
        EXECUTE FUNCTION offchain.check_resolution()
        """
    )

    # The read role serves the public: no way from it to a person, a raw webhook or a request.
    op.execute("REVOKE ALL ON offchain.backers, offchain.idempotency_keys FROM lastro_api")
    op.execute("REVOKE ALL ON offchain.inbox FROM lastro_api")
    op.execute(
        "GRANT SELECT (id, gateway, state, tries, next_try_at, received_at, done_at)"
        " ON offchain.inbox TO lastro_api"
    )


def downgrade() -> None:
    for table in ("ledger_transfers", "ledger_accounts", "attempt_events"):
        op.execute(f"DROP TRIGGER immutable ON offchain.{table}")
    op.execute("DROP TRIGGER resolution ON offchain.ledger_transfers")
    op.execute("DROP FUNCTION offchain.check_resolution()")
    op.execute("DROP FUNCTION offchain.refuse_change()")
    op.drop_index("ix_attempt_events_attempt", table_name="attempt_events", schema="offchain")
    op.drop_table("attempt_events", schema="offchain")
    op.drop_index(
        "uq_payment_attempts_captured_pledge",
        table_name="payment_attempts",
        schema="offchain",
        postgresql_where=sa.text("fiat_status = 'captured' AND claim_status = 'none'"),
    )
    op.drop_index("ix_payment_attempts_pledge", table_name="payment_attempts", schema="offchain")
    op.drop_index("ix_payment_attempts_open", table_name="payment_attempts", schema="offchain")
    op.drop_index("ix_payment_attempts_chain", table_name="payment_attempts", schema="offchain")
    op.drop_table("payment_attempts", schema="offchain")
    op.drop_index("ix_pledges_campaign", table_name="pledges", schema="offchain")
    op.drop_table("pledges", schema="offchain")
    op.drop_table("ledger_transfers", schema="offchain")
    op.drop_table("webhook_refusals", schema="offchain")
    op.drop_table("ledger_accounts", schema="offchain")
    op.drop_table("job_runs", schema="offchain")
    op.drop_index(
        "ix_inbox_due",
        table_name="inbox",
        schema="offchain",
        postgresql_where=sa.text("state IN ('new','unmatched')"),
    )
    op.drop_table("inbox", schema="offchain")
    op.drop_table("idempotency_keys", schema="offchain")
    op.drop_table("campaigns", schema="offchain")
    op.drop_table("backers", schema="offchain")
