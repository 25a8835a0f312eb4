"""Raise the finalized mark: by the chain's own tag and by depth, on a hash both sides hold."""

from sqlalchemy import Connection, delete, select

from indexer.chain.blocks import Header
from indexer.chain.networks import Finality
from indexer.chain.source import BlockSource
from indexer.chain.types import BlockNumber, BlockStamp, ChainId
from indexer.cursor import move_finalized
from indexer.errors import RpcError
from indexer.tables import blocks
from indexer.verify import check_header


def finalized_header(source: BlockSource) -> Header | None:
    """The block the node calls finalized; None when it names none."""
    try:
        header = source.block_by_number("finalized")
    except RpcError:  # some nodes refuse the tag while nothing is final yet
        return None
    return None if header is None else check_header(header)


def finalized_height(finality: Finality, *, tag: BlockNumber, head: BlockNumber) -> BlockNumber:
    """Highest block that both the tag and the required depth call final. Pure."""
    return BlockNumber(min(tag, head - finality.depth_blocks))


def candidate(
    connection: Connection, chain_id: ChainId, *, height: BlockNumber
) -> BlockStamp | None:
    """The highest stored block at or below a height."""
    row = connection.execute(
        select(blocks.c.number, blocks.c.hash, blocks.c.timestamp)
        .where(blocks.c.chain_id == chain_id, blocks.c.number <= height)
        .order_by(blocks.c.number.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else BlockStamp(row.number, row.hash, row.timestamp)


def raise_finalized(connection: Connection, chain_id: ChainId, to: BlockStamp) -> bool:
    """Move the mark up and forget final blocks that hold no log of ours.

    Returns:
        False when the mark already stands there or above.
    """
    if not move_finalized(connection, chain_id, to):
        return False
    connection.execute(
        delete(blocks).where(
            blocks.c.chain_id == chain_id, blocks.c.number < to.number, blocks.c.logs_count == 0
        )
    )
    return True
