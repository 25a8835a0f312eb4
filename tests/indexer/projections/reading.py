"""Look at projections as the tests compare them."""

from typing import Any

from sqlalchemy import Connection, select

from indexer.projection_tables import (
    campaigns,
    daily_totals,
    payment_lives,
    transactions,
    treasuries,
)
from indexer.views import (
    campaign_totals_latest,
    daily_totals_finalized,
    daily_totals_latest,
    payments,
    payments_finalized,
    treasury_totals_latest,
)
from tests.indexer.projections.oracle import Life

TABLES = (campaigns, treasuries, transactions, payment_lives)
VIEWS = (
    payments,
    payments_finalized,
    daily_totals_latest,
    daily_totals_finalized,
    treasury_totals_latest,
    campaign_totals_latest,
)


def all_rows(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that is projected and everything that is seen of it."""
    return {
        table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
        for table in (*TABLES, daily_totals, *VIEWS)
    }


def lives(connection: Connection) -> dict[tuple[Any, ...], Life]:
    """As the oracle tells them."""
    return {
        (row.treasury, row.payment_id, row.life): {
            "life": row.life,
            "is_present": row.is_present,
            "amount": row.amount,
            "created": (row.created_block, row.created_log_index),
            "confirmed": _at(row.confirmed_block, row.confirmed_log_index),
            "ended": _at(row.ended_block, row.ended_log_index),
            "state": row.state,
            "refunded_amount": row.refunded_amount,
        }
        for row in connection.execute(select(payment_lives))
    }


def _at(block: int | None, log_index: int | None) -> tuple[int, int] | None:
    return None if block is None or log_index is None else (block, log_index)
