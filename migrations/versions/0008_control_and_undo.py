"""Settlement is controlled, undone and explained: switches, actions, runs, wallets, moves.

A request that was settled remembers its block, so that a finalized block that changed all the same
finds it again. A trigger keeps every move of a request, so that no code path can forget one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_KINDS = (
    "'create_campaign','create_treasury','fund','create_payments','confirm_payments',"
    "'settle_payments'"
)
_NEW_KINDS = (
    "'cancel_payment','refund_payment','disburse_fees','withdraw','transfer_tokens','top_up_gas'"
)
_STATES = "'ready','batched','included','settled','blocked','quarantined','void','superseded'"


def upgrade() -> None:
    _extend_campaigns_and_requests()
    _extend_transactions()
    _create_switches_and_actions()
    _create_runs_wallets_moves()
    op.execute(
        """
        CREATE FUNCTION settlement.keep_move() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO settlement.moves (request_id, before, after, reason, batch_id)
            VALUES (NEW.request_id, OLD.state, NEW.state, NEW.reason,
                    coalesce(NEW.batch_id, OLD.batch_id));
            RETURN NULL;
        END
        $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER keep_move AFTER UPDATE OF state ON settlement.requests
        FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
        EXECUTE FUNCTION settlement.keep_move()
        """
    )
    # Neither amount nor recipient: off-chain may undo payments and have treasuries pay their owners,
    # and can make no wallet pay anybody.
    op.execute(
        "GRANT INSERT (action_id, chain_id, kind, treasury, request_id, sender, requested_by)"
        " ON settlement.actions TO lastro_offchain"
    )


def _extend_campaigns_and_requests() -> None:
    op.alter_column("campaigns", "creator", nullable=True, schema="settlement")
    op.add_column("campaigns", sa.Column("creator_id", sa.Uuid()), schema="settlement")
    op.create_check_constraint(
        op.f("ck_campaigns_has_creator"),
        "campaigns",
        "creator IS NOT NULL OR creator_id IS NOT NULL",
        schema="settlement",
    )
    op.add_column("requests", sa.Column("root_id", sa.Uuid()), schema="settlement")
    op.add_column("requests", sa.Column("gateway", sa.Text()), schema="settlement")
    op.add_column("requests", sa.Column("settled_block", sa.BigInteger()), schema="settlement")
    op.add_column(
        "requests", sa.Column("settled_at", sa.DateTime(timezone=True)), schema="settlement"
    )
    op.execute("UPDATE settlement.requests SET root_id = request_id")
    op.execute(
        """
        UPDATE settlement.requests r SET settled_at = r.state_since, settled_block = coalesce(
            (SELECT p.confirmed_block FROM chain.payments_latest p
             WHERE p.chain_id = r.chain_id AND p.treasury = r.treasury
               AND p.payment_id = r.payment_id), 0)
        WHERE r.state = 'settled'
        """
    )
    op.alter_column("requests", "root_id", nullable=False, schema="settlement")
    op.create_index(
        "ix_requests_root_id", "requests", ["root_id", "generation"], schema="settlement"
    )
    op.create_index(
        "ix_requests_settled_block", "requests", ["chain_id", "settled_block"], schema="settlement"
    )
    op.create_check_constraint(
        op.f("ck_requests_settled_has_block"),
        "requests",
        "state <> 'settled' OR settled_block IS NOT NULL",
        schema="settlement",
    )
    _replace_check("requests", "state", f"state IN ({_STATES},'refunded')")


def _extend_transactions() -> None:
    op.add_column("batches", sa.Column("action_id", sa.Uuid()), schema="settlement")
    op.add_column("batches", sa.Column("token", sa.LargeBinary()), schema="settlement")
    op.execute("UPDATE settlement.batches SET token = target WHERE kind = 'fund'")
    op.execute(
        """
        UPDATE settlement.batches b SET token = c.token, amount_base_units = c.claimed
        FROM (SELECT i.batch_id, (array_agg(r.token))[1] AS token, sum(r.amount_base_units) AS claimed
              FROM settlement.batch_items i
              JOIN settlement.requests r ON r.request_id = i.request_id
              WHERE i.kind IN ('confirm_payments','settle_payments') GROUP BY i.batch_id) c
        WHERE b.id = c.batch_id
        """
    )
    op.add_column(
        "batches",
        sa.Column("value_wei", sa.Numeric(78, 0), nullable=False, server_default="0"),
        schema="settlement",
    )
    op.create_index(
        "uq_batches_action",
        "batches",
        ["action_id"],
        unique=True,
        schema="settlement",
        postgresql_where=sa.text("action_id IS NOT NULL AND released_at IS NULL"),
    )
    op.create_index(
        "ix_batches_sealed_at", "batches", ["chain_id", "sealed_at"], schema="settlement"
    )
    _replace_check("batches", "kind", f"kind IN ({_KINDS},{_NEW_KINDS})")
    for name in ("mined_at", "final_at"):
        op.add_column(
            "nonce_slots", sa.Column(name, sa.DateTime(timezone=True)), schema="settlement"
        )
    op.create_index(
        "ix_nonce_slots_failed_at",
        "nonce_slots",
        ["mined_at"],
        schema="settlement",
        postgresql_where=sa.text("state = 'mined_failed'"),
    )
    op.create_index(
        "ix_nonce_slots_unmined",
        "nonce_slots",
        ["chain_id", "signer"],
        schema="settlement",
        postgresql_where=sa.text("state IN ('reserved','signed')"),
    )
    op.create_index(
        "ix_nonce_slots_not_final",
        "nonce_slots",
        ["chain_id", "signer"],
        schema="settlement",
        postgresql_where=sa.text("is_final IS false"),
    )
    op.add_column(
        "attempts",
        sa.Column("is_noop", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        schema="settlement",
    )


def _create_switches_and_actions() -> None:
    op.create_table(
        "switches",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("is_stopped", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        _now("set_at"),
        sa.CheckConstraint(
            "scope IN ('global','chain','signer','treasury','gateway')",
            name=op.f("ck_switches_scope"),
        ),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_switches")),
        schema="settlement",
    )
    op.create_table(
        "actions",
        sa.Column("action_id", sa.Uuid(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("treasury", sa.LargeBinary()),
        sa.Column("request_id", sa.Uuid()),
        sa.Column("sender", sa.LargeBinary()),
        sa.Column("recipient", sa.LargeBinary()),
        sa.Column("amount", sa.Numeric(78, 0)),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, server_default="requested"),
        sa.Column("reason", sa.Text()),
        sa.Column("strikes", sa.Integer(), nullable=False, server_default="0"),
        _now("state_since"),
        _now("requested_at"),
        sa.CheckConstraint(
            "kind IN ('refund','withdraw','disburse_fees','transfer_tokens','top_up_gas')",
            name=op.f("ck_actions_kind"),
        ),
        sa.CheckConstraint(
            "state IN ('requested','sealed','included','done','blocked','quarantined','void')",
            name=op.f("ck_actions_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('blocked','quarantined') OR reason IS NOT NULL",
            name=op.f("ck_actions_stop_has_reason"),
        ),
        sa.CheckConstraint(
            "(kind = 'refund') = (request_id IS NOT NULL)",
            name=op.f("ck_actions_refund_has_request"),
        ),
        sa.CheckConstraint(
            "(kind = 'top_up_gas') = (treasury IS NULL)", name=op.f("ck_actions_acts_on_treasury")
        ),
        sa.CheckConstraint(
            "(kind IN ('transfer_tokens','top_up_gas')) = (amount IS NOT NULL)",
            name=op.f("ck_actions_has_amount"),
        ),
        sa.PrimaryKeyConstraint("action_id", name=op.f("pk_actions")),
        schema="settlement",
    )
    op.create_index(
        "uq_actions_refund",
        "actions",
        ["request_id"],
        unique=True,
        schema="settlement",
        postgresql_where=sa.text("kind = 'refund' AND state <> 'void'"),
    )
    op.create_index(
        "uq_actions_open",
        "actions",
        ["chain_id", "treasury", "kind"],
        unique=True,
        schema="settlement",
        postgresql_where=sa.text(
            "kind IN ('withdraw','disburse_fees') AND state NOT IN ('done','void')"
        ),
    )
    op.create_index("ix_actions_due", "actions", ["chain_id", "state"], schema="settlement")


def _create_runs_wallets_moves() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("treasury", sa.LargeBinary(), nullable=False),
        sa.Column("payments", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("transactions", sa.Integer(), nullable=False, server_default="0"),
        _now("opened_at"),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        schema="settlement",
    )
    op.create_index(
        "uq_runs_open",
        "runs",
        ["chain_id", "treasury"],
        unique=True,
        schema="settlement",
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "wallets",
        sa.Column("owner_kind", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("wallet_id", sa.Text()),
        sa.Column("address", sa.LargeBinary()),
        _now("requested_at"),
        sa.Column("provisioned_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "owner_kind IN ('backer','creator')", name=op.f("ck_wallets_owner_kind")
        ),
        sa.CheckConstraint(
            "(wallet_id IS NULL) = (address IS NULL)", name=op.f("ck_wallets_whole")
        ),
        sa.PrimaryKeyConstraint("owner_kind", "owner_id", name=op.f("pk_wallets")),
        sa.UniqueConstraint("wallet_id", name=op.f("uq_wallets_wallet_id")),
        sa.UniqueConstraint("address", name=op.f("uq_wallets_address")),
        schema="settlement",
    )
    op.create_table(
        "moves",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("batch_id", sa.Uuid()),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_moves")),
        schema="settlement",
    )
    op.create_index("ix_moves_request_id", "moves", ["request_id"], schema="settlement")
    op.create_index(
        "ix_moves_taken_back",
        "moves",
        ["at"],
        schema="settlement",
        postgresql_where=sa.text(
            "before IN ('settled','refunded') AND after NOT IN ('settled','refunded')"
        ),
    )


def downgrade() -> None:
    """Refused by the constraints while something stands that the older schema cannot tell."""
    op.execute("DROP TRIGGER keep_move ON settlement.requests")
    op.execute("DROP FUNCTION settlement.keep_move()")
    for table in ("moves", "wallets", "runs", "actions", "switches"):
        op.drop_table(table, schema="settlement")
    op.drop_column("attempts", "is_noop", schema="settlement")
    for name in ("ix_nonce_slots_not_final", "ix_nonce_slots_unmined"):
        op.drop_index(name, table_name="nonce_slots", schema="settlement")
    op.drop_index("ix_nonce_slots_failed_at", table_name="nonce_slots", schema="settlement")
    for name in ("mined_at", "final_at"):
        op.drop_column("nonce_slots", name, schema="settlement")
    _replace_check("batches", "kind", f"kind IN ({_KINDS})")
    op.drop_index("ix_batches_sealed_at", table_name="batches", schema="settlement")
    op.drop_index("uq_batches_action", table_name="batches", schema="settlement")
    op.drop_column("batches", "value_wei", schema="settlement")
    op.drop_column("batches", "token", schema="settlement")
    op.drop_column("batches", "action_id", schema="settlement")
    _replace_check("requests", "state", f"state IN ({_STATES})")
    op.drop_constraint(
        op.f("ck_requests_settled_has_block"), "requests", schema="settlement", type_="check"
    )
    op.drop_index("ix_requests_settled_block", table_name="requests", schema="settlement")
    op.drop_index("ix_requests_root_id", table_name="requests", schema="settlement")
    for name in ("settled_at", "settled_block", "gateway", "root_id"):
        op.drop_column("requests", name, schema="settlement")
    op.drop_constraint(
        op.f("ck_campaigns_has_creator"), "campaigns", schema="settlement", type_="check"
    )
    op.drop_column("campaigns", "creator_id", schema="settlement")
    op.alter_column("campaigns", "creator", nullable=False, schema="settlement")


def _now(name: str) -> "sa.Column[object]":
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def _replace_check(table: str, name: str, condition: str) -> None:
    constraint = op.f(f"ck_{table}_{name}")
    op.drop_constraint(constraint, table, schema="settlement", type_="check")
    op.create_check_constraint(constraint, table, condition, schema="settlement")
