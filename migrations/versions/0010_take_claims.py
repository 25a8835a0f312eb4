"""Keep what is wanted back: refunds, disputes, and how far reconciliation has looked.

An attempt remembers where the ledger has its money, which of its captures stands, and what the
backer completes it with. One payment holds its pledge, until its money is gone.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_ATTEMPT_COLUMNS = (
    "received_currency",
    "booked_to",
    "capture_id",
    "client_secret",
    "authorization_url",
)
# All but client_secret and authorization_url.
_READABLE = (
    "id", "pledge_id", "gateway", "method", "provider_payment_id", "amount_minor", "currency",
    "expires_at", "fiat_status", "chain_status", "claim_status", "review_reason", "received_minor",
    "received_currency", "booked_to", "capture_id", "pix_code", "provider_version", "version",
    "captured_at", "checked_at", "created_at",
)  # fmt: skip
_CHECKS = {
    "method": "method IN ('pix','card','bank','ussd')",
    "booked_to": "booked_to IN ('campaign','suspense','payable')",
    "booked_has_money": (
        "booked_to IS NULL OR fiat_status IN ('late_paid','mismatch','captured','returned')"
    ),
    "booked_is_counted": (
        "booked_to IS NULL OR (coalesce(received_minor, 0) > 0 AND received_currency IS NOT NULL)"
    ),
    "accepted_is_captured": ("booked_to IS DISTINCT FROM 'campaign' OR fiat_status = 'captured'"),
}


def upgrade() -> None:
    _extend_attempts()
    _create_refunds()
    _create_disputes()
    _create_cursors()
    _guard_attempts()
    _guard_claims()
    _grant_attempts()


def _extend_attempts() -> None:
    for name in _ATTEMPT_COLUMNS:
        kind = sa.Uuid() if name == "capture_id" else sa.Text()
        op.add_column("payment_attempts", sa.Column(name, kind), schema="offchain")
    # Where the money of each payment went is in the ledger, by the payment's own name.
    op.execute(
        """
        UPDATE offchain.payment_attempts AS attempt
        SET received_currency = entry.currency,
            received_minor = coalesce(attempt.received_minor, entry.amount),
            booked_to = CASE entry.credit_account
                WHEN 'suspense' THEN 'suspense'
                WHEN 'refunds_payable' THEN 'payable'
                ELSE 'campaign' END,
            capture_id = CASE WHEN entry.source = 'capture' THEN coalesce(
                (SELECT again.id FROM offchain.ledger_transfers AS again
                 WHERE again.source = 'capture_again' AND again.kind = 'pending'
                   AND again.source_id LIKE attempt.id::text || ':%'
                 ORDER BY again.created_at DESC LIMIT 1), entry.id) END
        FROM offchain.ledger_transfers AS entry
        WHERE entry.source_id = attempt.id::text AND entry.kind IN ('pending','single')
          AND entry.source IN ('capture','unaccepted')
        """
    )
    _refuse_two_holders()
    op.drop_index(
        "uq_payment_attempts_captured_pledge", table_name="payment_attempts", schema="offchain"
    )
    op.create_index(
        "uq_payment_attempts_holder",
        "payment_attempts",
        ["pledge_id"],
        unique=True,
        schema="offchain",
        postgresql_where=sa.text(
            "booked_to = 'campaign' AND claim_status NOT IN ('refunded','dispute_lost')"
        ),
    )
    for name, condition in _CHECKS.items():
        op.create_check_constraint(
            op.f(f"ck_payment_attempts_{name}"), "payment_attempts", condition, schema="offchain"
        )


def _refuse_two_holders() -> None:
    """Say which pledges two payments count for: until now a claim alone made room for another."""
    pledges = op.get_bind().execute(
        sa.text(
            "SELECT pledge_id FROM offchain.payment_attempts WHERE booked_to = 'campaign'"
            " AND claim_status NOT IN ('refunded','dispute_lost')"
            " GROUP BY pledge_id HAVING count(*) > 1 ORDER BY pledge_id"
        )
    )
    named = ", ".join(str(pledge) for pledge in pledges.scalars())
    if named:
        raise RuntimeError(
            f"two payments count for each of these pledges: {named}. Give one of them back, "
            "let its claim_status become refunded, and migrate again; nothing was changed"
        )


def _create_refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("provider_refund_id", sa.Text()),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("booked_to", sa.Text()),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        _now("next_try_at"),
        _now("created_at"),
        _now("state_since"),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_refunds_amount_positive")),
        sa.CheckConstraint(
            "origin IN ('operator','duplicate','late','mismatch','excess','gateway')",
            name=op.f("ck_refunds_origin"),
        ),
        sa.CheckConstraint(
            "state IN ('requested','pending','succeeded','failed')", name=op.f("ck_refunds_state")
        ),
        sa.CheckConstraint(
            "booked_to IN ('campaign','creator','suspense','payable')",
            name=op.f("ck_refunds_booked_to"),
        ),
        sa.CheckConstraint(
            "origin <> 'gateway' OR (state <> 'requested' AND provider_refund_id IS NOT NULL)",
            name=op.f("ck_refunds_gateway_made_it"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('pending','succeeded') OR provider_refund_id IS NOT NULL",
            name=op.f("ck_refunds_known_where_it_is_made"),
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["offchain.payment_attempts.id"],
            name=op.f("fk_refunds_attempt_id_payment_attempts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
        sa.UniqueConstraint(
            "gateway", "provider_refund_id", name=op.f("uq_refunds_gateway_provider_refund_id")
        ),
        schema="offchain",
    )
    op.create_index("ix_refunds_attempt", "refunds", ["attempt_id"], schema="offchain")
    op.create_index(
        "ix_refunds_due",
        "refunds",
        ["next_try_at"],
        schema="offchain",
        postgresql_where=sa.text("state = 'requested'"),
    )


def _create_disputes() -> None:
    op.create_table(
        "disputes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("provider_dispute_id", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("booked_to", sa.Text()),
        _now("opened_at"),
        _now("state_since"),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_disputes_amount_positive")),
        sa.CheckConstraint("state IN ('open','won','lost')", name=op.f("ck_disputes_state")),
        sa.CheckConstraint(
            "booked_to IN ('loss','campaign','suspense','payable')",
            name=op.f("ck_disputes_booked_to"),
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["offchain.payment_attempts.id"],
            name=op.f("fk_disputes_attempt_id_payment_attempts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disputes")),
        sa.UniqueConstraint(
            "gateway", "provider_dispute_id", name=op.f("uq_disputes_gateway_provider_dispute_id")
        ),
        schema="offchain",
    )
    op.create_index("ix_disputes_attempt", "disputes", ["attempt_id"], schema="offchain")


def _create_cursors() -> None:
    op.create_table(
        "recon_cursors",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text()),
        sa.Column("high_water", sa.DateTime(timezone=True)),
        _now("updated_at"),
        sa.PrimaryKeyConstraint("gateway", "stream", name=op.f("pk_recon_cursors")),
        schema="offchain",
    )


def _guard_attempts() -> None:
    """Money that was seen is never unseen."""
    op.execute(
        """
        CREATE FUNCTION offchain.money_rank(fiat_status text) RETURNS integer
        LANGUAGE sql IMMUTABLE RETURN CASE fiat_status
            WHEN 'late_paid' THEN 1 WHEN 'mismatch' THEN 1
            WHEN 'captured' THEN 2 WHEN 'returned' THEN 3 ELSE 0 END
        """
    )
    op.execute(
        """
        CREATE FUNCTION offchain.keep_money() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'attempt % would go back from % to %',
                OLD.id, OLD.fiat_status, NEW.fiat_status USING ERRCODE = 'check_violation';
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER keep_money BEFORE UPDATE OF fiat_status ON offchain.payment_attempts
        FOR EACH ROW
        WHEN (offchain.money_rank(NEW.fiat_status) < offchain.money_rank(OLD.fiat_status))
        EXECUTE FUNCTION offchain.keep_money()
        """
    )


def _guard_claims() -> None:
    """A claim only climbs, its terms stand, and ours never sum to more than was received."""
    op.execute(
        """
        CREATE FUNCTION offchain.claim_rank(state text) RETURNS integer
        LANGUAGE sql IMMUTABLE RETURN array_position(
            ARRAY['requested','open','pending','lost','succeeded','won','failed'], state)
        """
    )
    op.execute(
        """
        CREATE FUNCTION offchain.keep_claim() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF offchain.claim_rank(NEW.state) < offchain.claim_rank(OLD.state) THEN
                RAISE EXCEPTION '% % would go back from % to %',
                    TG_TABLE_NAME, OLD.id, OLD.state, NEW.state USING ERRCODE = 'check_violation';
            END IF;
            IF (NEW.id, NEW.attempt_id, NEW.gateway, NEW.amount_minor, NEW.currency)
                IS DISTINCT FROM
               (OLD.id, OLD.attempt_id, OLD.gateway, OLD.amount_minor, OLD.currency) THEN
                RAISE EXCEPTION 'the terms of % % stand', TG_TABLE_NAME, OLD.id
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        END $$
        """
    )
    for table in ("refunds", "disputes"):
        op.execute(
            f"""
            CREATE TRIGGER keep_claim BEFORE UPDATE ON offchain.{table}
            FOR EACH ROW EXECUTE FUNCTION offchain.keep_claim()
            """
        )
        op.execute(
            f"""
            CREATE TRIGGER immutable BEFORE DELETE OR TRUNCATE ON offchain.{table}
            FOR EACH STATEMENT EXECUTE FUNCTION offchain.refuse_change()
            """
        )
    # The lock makes the sum true: whoever adds another refund of this payment waits here.
    op.execute(
        """
        CREATE FUNCTION offchain.check_refund_sum() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            received bigint;
            received_in text;
            given bigint;
        BEGIN
            SELECT received_minor, received_currency INTO received, received_in
            FROM offchain.payment_attempts WHERE id = NEW.attempt_id FOR NO KEY UPDATE;
            SELECT coalesce(sum(amount_minor), 0) INTO given
            FROM offchain.refunds WHERE attempt_id = NEW.attempt_id AND state <> 'failed';
            IF received IS NULL OR given + NEW.amount_minor > received
                OR NEW.currency IS DISTINCT FROM received_in THEN
                RAISE EXCEPTION 'refund of % % on attempt %: % % received, % of it given back',
                    NEW.amount_minor, NEW.currency, NEW.attempt_id, received, received_in, given
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER refund_sum BEFORE INSERT ON offchain.refunds
        FOR EACH ROW WHEN (NEW.origin <> 'gateway' AND NEW.state <> 'failed')
        EXECUTE FUNCTION offchain.check_refund_sum()
        """
    )


def _grant_attempts() -> None:
    """Let the read role see all of an attempt but what a payment can be completed with."""
    op.execute("REVOKE ALL ON offchain.payment_attempts FROM lastro_api")
    readable = ", ".join(_READABLE)
    op.execute(f"GRANT SELECT ({readable}) ON offchain.payment_attempts TO lastro_api")


def downgrade() -> None:
    """Refused by a constraint where one pledge has captured payments the older schema forbids."""
    # Both: rights by column outlive the grant of the whole table.
    op.execute("REVOKE ALL ON offchain.payment_attempts FROM lastro_api")
    for table in ("refunds", "disputes"):
        op.execute(f"DROP TRIGGER immutable ON offchain.{table}")
        op.execute(f"DROP TRIGGER keep_claim ON offchain.{table}")
    op.execute("DROP TRIGGER refund_sum ON offchain.refunds")
    op.execute("DROP FUNCTION offchain.check_refund_sum()")
    op.execute("DROP FUNCTION offchain.keep_claim()")
    op.execute("DROP FUNCTION offchain.claim_rank(text)")
    op.execute("DROP TRIGGER keep_money ON offchain.payment_attempts")
    op.execute("DROP FUNCTION offchain.keep_money()")
    op.execute("DROP FUNCTION offchain.money_rank(text)")
    for table in ("recon_cursors", "disputes", "refunds"):
        op.drop_table(table, schema="offchain")
    for name in _CHECKS:
        op.drop_constraint(
            op.f(f"ck_payment_attempts_{name}"),
            "payment_attempts",
            schema="offchain",
            type_="check",
        )
    op.drop_index("uq_payment_attempts_holder", table_name="payment_attempts", schema="offchain")
    op.create_index(
        "uq_payment_attempts_captured_pledge",
        "payment_attempts",
        ["pledge_id"],
        unique=True,
        schema="offchain",
        postgresql_where=sa.text("fiat_status = 'captured' AND claim_status = 'none'"),
    )
    for name in reversed(_ATTEMPT_COLUMNS):
        op.drop_column("payment_attempts", name, schema="offchain")
    op.execute("GRANT SELECT ON offchain.payment_attempts TO lastro_api")


def _now(name: str) -> "sa.Column[object]":
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )
