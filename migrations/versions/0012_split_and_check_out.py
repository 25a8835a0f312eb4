"""Add what checkout needs: splits of a campaign's charges, the pledge's own words."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column(
        "pledges",
        sa.Column("metadata", postgresql.JSONB(), server_default="{}", nullable=False),
        schema="offchain",
    )
    op.create_table(
        "campaign_splits",
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("share_bps", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "share_bps BETWEEN 1 AND 10000", name=op.f("ck_campaign_splits_share_of_whole")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["offchain.campaigns.id"],
            name=op.f("fk_campaign_splits_campaign_id_campaigns"),
        ),
        sa.PrimaryKeyConstraint("campaign_id", "place", name=op.f("pk_campaign_splits")),
        sa.UniqueConstraint(
            "campaign_id",
            "gateway",
            "account",
            name=op.f("uq_campaign_splits_campaign_id_gateway_account"),
        ),
        schema="offchain",
    )
    # A payment's parts are computed anew on every try and must come out equal.
    op.execute(
        """
        CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON offchain.campaign_splits
        FOR EACH STATEMENT EXECUTE FUNCTION offchain.refuse_change()
        """
    )
    op.execute(
        """
        CREATE FUNCTION offchain.check_shares() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF (SELECT sum(share_bps) FROM offchain.campaign_splits
                WHERE campaign_id = NEW.campaign_id AND gateway = NEW.gateway) <> 10000 THEN
                RAISE EXCEPTION 'the shares of campaign % at % are not a whole',
                    NEW.campaign_id, NEW.gateway USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        """
        CREATE CONSTRAINT TRIGGER whole AFTER INSERT ON offchain.campaign_splits
        DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION offchain.check_shares()
        """
    )
    # The read role serves the public: receivers' accounts are none of its business.
    op.execute("REVOKE ALL ON offchain.campaign_splits FROM lastro_api")


def downgrade() -> None:
    op.execute("DROP TRIGGER whole ON offchain.campaign_splits")
    op.execute("DROP FUNCTION offchain.check_shares()")
    op.execute("DROP TRIGGER immutable ON offchain.campaign_splits")
    op.drop_table("campaign_splits", schema="offchain")
    op.drop_column("pledges", "metadata", schema="offchain")
