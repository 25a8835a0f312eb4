"""Forget every projection of a chain and make it anew from the stored facts alone."""

from collections.abc import Callable
from itertools import pairwise

from sqlalchemy import Connection, Table, delete, func, select, text, update

from indexer.chain.types import BlockNumber, ChainId
from indexer.projection_tables import (
    campaigns,
    daily_totals,
    payment_lives,
    transactions,
    treasuries,
)
from indexer.projections.project import project
from indexer.projections.totals import fold_totals
from indexer.tables import blocks, marks

SLICE_BLOCKS = 2_000
"""Blocks that hold our logs, projected by one statement: it bounds what Postgres sorts at once."""
_PROJECTIONS: tuple[Table, ...] = (
    campaigns,
    treasuries,
    transactions,
    payment_lives,
    daily_totals,
)

OnProgress = Callable[[BlockNumber, BlockNumber], None]
"""Told the block that is projected and the last one there is."""


def rebuild(
    connection: Connection, chain_id: ChainId, on_progress: OnProgress | None = None
) -> None:
    """Make all projections of a chain anew, up to readers' mark.

    Args:
        connection: In one transaction: readers see the old rows until it commits.
        chain_id: The chain.
        on_progress: Told after each slice.
    """
    # As long as it takes: bounded by the facts there are, and nobody waits for it.
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    for table in _PROJECTIONS:
        connection.execute(delete(table).where(table.c.chain_id == chain_id))
    row = connection.execute(
        select(marks.c.indexed_number, marks.c.totals_number).where(marks.c.chain_id == chain_id)
    ).one_or_none()
    if row is None or row.indexed_number is None:
        return
    connection.execute(update(marks).where(marks.c.chain_id == chain_id).values(totals_number=None))
    for low, high in _slices(connection, chain_id, row.indexed_number):
        project(connection, chain_id, low, high)
        if on_progress is not None:
            on_progress(high, row.indexed_number)
    if row.totals_number is not None:
        fold_totals(connection, chain_id, row.totals_number)


def _slices(
    connection: Connection, chain_id: ChainId, to: int
) -> list[tuple[BlockNumber, BlockNumber]]:
    """Cut all blocks up to ``to`` after every so many that we hold."""
    place = func.row_number().over(order_by=blocks.c.number).label("place")
    held = (
        select(blocks.c.number, place)
        .where(blocks.c.chain_id == chain_id, blocks.c.number < to)
        .subquery()
    )
    cuts = connection.execute(
        select(held.c.number).where(held.c.place % SLICE_BLOCKS == 0).order_by(held.c.number)
    ).scalars()
    edges = [-1, *cuts, to]
    return [(BlockNumber(low + 1), BlockNumber(high)) for low, high in pairwise(edges)]
