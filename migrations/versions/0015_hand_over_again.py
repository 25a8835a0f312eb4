"""Let a payment be handed over to settlement under another name, after it was called back.

Walks of a gateway's list remember how much of the past they can finish at once.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_WAITING = "ix_payment_attempts_not_handed_over"
_CONDITION = (
    "settles_onchain AND booked_to = 'campaign' AND fiat_status = 'captured'"
    " AND claim_status = 'none' AND chain_status {}"
)


def upgrade() -> None:
    op.add_column("payment_attempts", sa.Column("settlement_id", sa.Uuid()), schema="offchain")
    op.create_unique_constraint(
        op.f("uq_payment_attempts_settlement_id"),
        "payment_attempts",
        ["settlement_id"],
        schema="offchain",
    )
    op.execute("GRANT SELECT (settlement_id) ON offchain.payment_attempts TO lastro_api")
    _index_waiting("IN ('failed','none')")
    op.add_column("recon_cursors", sa.Column("window_s", sa.Integer()), schema="offchain")


def downgrade() -> None:
    """Payments that were handed over again are then known by their first name only."""
    op.drop_column("recon_cursors", "window_s", schema="offchain")
    _index_waiting("= 'none'")
    op.drop_column("payment_attempts", "settlement_id", schema="offchain")


def _index_waiting(chain_statuses: str) -> None:
    op.drop_index(_WAITING, table_name="payment_attempts", schema="offchain")
    op.create_index(
        _WAITING,
        "payment_attempts",
        ["id"],
        unique=False,
        schema="offchain",
        postgresql_where=sa.text(_CONDITION.format(chain_statuses)),
    )
