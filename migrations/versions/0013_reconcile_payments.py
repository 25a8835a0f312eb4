"""Add when a payment is read again, what gateways list, and how often webhooks were missed.

So that no sweep reads all that ever was paid, an attempt also knows whether it settles on-chain.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    _plan_reads()
    _mark_onchain()
    op.create_index(
        "ix_inbox_dead",
        "inbox",
        ["received_at"],
        unique=False,
        schema="offchain",
        postgresql_where=sa.text("state = 'dead'"),
    )
    op.create_table(
        "listed_payments",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("provider_payment_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="listed", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("effect", sa.Text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "next_try_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=True,
        ),
        sa.Column(
            "listed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "state IN ('listed','unmatched','dismissed')", name=op.f("ck_listed_payments_state")
        ),
        sa.PrimaryKeyConstraint("gateway", "provider_payment_id", name=op.f("pk_listed_payments")),
        schema="offchain",
    )
    op.create_index(
        "ix_listed_payments_due",
        "listed_payments",
        ["next_try_at"],
        unique=False,
        schema="offchain",
        postgresql_where=sa.text("state <> 'dismissed'"),
    )
    op.create_table(
        "corrections",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("found_by", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column(
            "last_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("gateway", "found_by", name=op.f("pk_corrections")),
        schema="offchain",
    )


def _plan_reads() -> None:
    op.add_column(
        "payment_attempts",
        sa.Column("next_read_at", sa.DateTime(timezone=True), nullable=True),
        schema="offchain",
    )
    # What is open, claimed, held or recent is read once more; nothing older is.
    op.execute(
        """
        UPDATE offchain.payment_attempts SET next_read_at = now()
        WHERE fiat_status IN ('created','awaiting','authorized')
           OR claim_status <> 'none'
           OR booked_to IN ('suspense','payable')
           OR coalesce(captured_at, expires_at, created_at) > now() - interval '14 days'
        """
    )
    op.alter_column(
        "payment_attempts", "next_read_at", server_default=sa.text("now()"), schema="offchain"
    )
    op.create_index(
        "ix_payment_attempts_next_read",
        "payment_attempts",
        ["next_read_at"],
        unique=False,
        schema="offchain",
        postgresql_where=sa.text("next_read_at IS NOT NULL"),
    )


def _mark_onchain() -> None:
    op.add_column(
        "payment_attempts",
        sa.Column("settles_onchain", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema="offchain",
    )
    op.execute(
        """
        UPDATE offchain.payment_attempts a SET settles_onchain = true
        FROM offchain.pledges p JOIN offchain.campaigns c ON c.id = p.campaign_id
        WHERE p.id = a.pledge_id AND c.settlement_mode = 'onchain'
        """
    )
    op.execute(
        """
        CREATE FUNCTION offchain.mark_onchain() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.settles_onchain := EXISTS (
                SELECT 1 FROM offchain.pledges p JOIN offchain.campaigns c ON c.id = p.campaign_id
                WHERE p.id = NEW.pledge_id AND c.settlement_mode = 'onchain'
            );
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER mark_onchain BEFORE INSERT ON offchain.payment_attempts
        FOR EACH ROW EXECUTE FUNCTION offchain.mark_onchain()
        """
    )
    op.create_index(
        "ix_payment_attempts_not_handed_over",
        "payment_attempts",
        ["id"],
        unique=False,
        schema="offchain",
        postgresql_where=sa.text(
            "settles_onchain AND booked_to = 'campaign' AND fiat_status = 'captured'"
            " AND claim_status = 'none' AND chain_status = 'none'"
        ),
    )


def downgrade() -> None:
    op.drop_table("corrections", schema="offchain")
    op.drop_table("listed_payments", schema="offchain")
    op.drop_index("ix_inbox_dead", table_name="inbox", schema="offchain")
    op.drop_index("ix_payment_attempts_next_read", table_name="payment_attempts", schema="offchain")
    op.drop_index(
        "ix_payment_attempts_not_handed_over", table_name="payment_attempts", schema="offchain"
    )
    op.execute("DROP TRIGGER mark_onchain ON offchain.payment_attempts")
    op.execute("DROP FUNCTION offchain.mark_onchain()")
    op.drop_column("payment_attempts", "settles_onchain", schema="offchain")
    op.drop_column("payment_attempts", "next_read_at", schema="offchain")
