"""Facts that a backfill has committed and nobody has projected yet: it was killed in between."""

from sqlalchemy import Connection, select

from indexer.chain.types import BlockNumber, BlockStamp, ChainId
from indexer.cursor import move_indexed, read_fetched
from indexer.projections.project import project
from indexer.tables import blocks, marks

BLOCKS_PER_SLICE = 500
"""Stored blocks, which hold our logs, projected in one transaction."""


def project_next(connection: Connection, chain_id: ChainId) -> BlockStamp | None:
    """Project the lowest slice of facts above readers' mark, and move that mark.

    Args:
        connection: In a transaction.
        chain_id: The chain.

    Returns:
        Where the mark stands now; None when nothing was left to project.
    """
    fetched = read_fetched(connection, chain_id)
    row = connection.execute(
        select(marks.c.indexed_number, marks.c.first_block).where(marks.c.chain_id == chain_id)
    ).one_or_none()
    if fetched is None or row is None or row.indexed_number == fetched.number:
        return None
    low = BlockNumber(row.first_block if row.indexed_number is None else row.indexed_number + 1)
    to = _slice_end(connection, chain_id, low) or fetched
    project(connection, chain_id, low, to.number)
    move_indexed(connection, chain_id, to)
    return to


def _slice_end(connection: Connection, chain_id: ChainId, low: BlockNumber) -> BlockStamp | None:
    row = connection.execute(
        select(blocks.c.number, blocks.c.hash, blocks.c.timestamp)
        .where(blocks.c.chain_id == chain_id, blocks.c.number >= low)
        .order_by(blocks.c.number)
        .offset(BLOCKS_PER_SLICE - 1)
        .limit(1)
    ).one_or_none()
    return None if row is None else BlockStamp(row.number, row.hash, row.timestamp)
