"""Payments settle in one call: its batch kind, at most once across all kinds, swept surplus.

Crypto payments are told from the platform's: no treasury indexed before could take one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_KINDS = "'create_campaign','create_treasury','fund','create_payments','confirm_payments'"


def upgrade() -> None:
    _replace_kinds(f"{_KINDS},'settle_payments'")
    # The new guards stand before the old one goes.
    op.create_index(
        "uq_batch_items_live_creation",
        "batch_items",
        ["request_id"],
        unique=True,
        schema="settlement",
        postgresql_where=sa.text(
            "released_at IS NULL AND kind IN ('create_payments','settle_payments')"
        ),
    )
    op.create_index(
        "uq_batch_items_live_confirmation",
        "batch_items",
        ["request_id"],
        unique=True,
        schema="settlement",
        postgresql_where=sa.text(
            "released_at IS NULL AND kind IN ('confirm_payments','settle_payments')"
        ),
    )
    op.drop_index("uq_batch_items_live", table_name="batch_items", schema="settlement")
    extend_chain()


def extend_chain() -> None:
    """Schema ``chain``'s part; also what a later downgrade restores."""
    op.create_table(
        "surplus_sweeps",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("treasury", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("recipient", sa.LargeBinary(), nullable=False),
        sa.Column("amount", sa.Numeric(78, 0), nullable=False),
        sa.PrimaryKeyConstraint(
            "chain_id", "block_hash", "log_index", name=op.f("pk_surplus_sweeps")
        ),
        schema="chain",
    )
    op.create_index(
        "ix_surplus_sweeps_treasury",
        "surplus_sweeps",
        ["chain_id", "treasury"],
        unique=False,
        schema="chain",
    )
    op.create_index(
        "ix_surplus_sweeps_block",
        "surplus_sweeps",
        ["chain_id", "block_number"],
        unique=False,
        schema="chain",
    )
    op.add_column("payments_created", sa.Column("announced_id", sa.LargeBinary()), schema="chain")
    op.create_index(
        "ix_payments_created_announced",
        "payments_created",
        ["chain_id", "treasury", "announced_id"],
        unique=False,
        schema="chain",
        postgresql_where=sa.text("announced_id IS NOT NULL"),
    )


def downgrade() -> None:
    """Refused by the constraint while payments stand that were settled in one call."""
    op.drop_index("ix_payments_created_announced", table_name="payments_created", schema="chain")
    op.drop_column("payments_created", "announced_id", schema="chain")
    op.drop_table("surplus_sweeps", schema="chain")
    op.create_index(
        "uq_batch_items_live",
        "batch_items",
        ["request_id", "kind"],
        unique=True,
        schema="settlement",
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.drop_index("uq_batch_items_live_confirmation", table_name="batch_items", schema="settlement")
    op.drop_index("uq_batch_items_live_creation", table_name="batch_items", schema="settlement")
    _replace_kinds(_KINDS)


def _replace_kinds(kinds: str) -> None:
    op.drop_constraint(op.f("ck_batches_kind"), "batches", schema="settlement", type_="check")
    op.create_check_constraint(
        op.f("ck_batches_kind"), "batches", f"kind IN ({kinds})", schema="settlement"
    )
