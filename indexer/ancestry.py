"""Where the node's chain and the stored one part.

A lower head is no reorg and a missing block contradicts nothing: a node may lag. Only a stored hash
that the node contradicts is one.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from indexer.chain.source import BlockSource
from indexer.chain.types import BlockNumber, BlockStamp, ChainId
from indexer.errors import Lagging
from indexer.tables import blocks
from indexer.verify import check_header


def stored_blocks(
    connection: Connection, chain_id: ChainId, *, above: BlockNumber, up_to: BlockNumber
) -> list[BlockStamp]:
    """Blocks held above one height, up to another; highest first."""
    rows = connection.execute(
        select(blocks.c.number, blocks.c.hash, blocks.c.timestamp)
        .where(blocks.c.chain_id == chain_id, blocks.c.number > above, blocks.c.number <= up_to)
        .order_by(blocks.c.number.desc())
    )
    return [BlockStamp(row.number, row.hash, row.timestamp) for row in rows]


def find_ancestor(source: BlockSource, stored: Sequence[BlockStamp]) -> int:
    """Place of the highest stored block that the node holds too; ``len(stored)`` when none is.

    Steps grow from the tip downwards and then halve: a fork of 40,000 blocks takes some thirty
    questions. The block above the ancestor is one that the node contradicts.

    Args:
        source: Where to ask.
        stored: Highest first, none above the head that the node named.

    Raises:
        Lagging: It agrees with the highest after all, or lacks a block below the head it named.
    """
    if not stored or _holds(source, stored[0]):
        raise Lagging(f"{source.provider} contradicted a stored block and then agreed with it")
    contradicted, agreed, stride = 0, len(stored), 1
    while contradicted + stride < agreed:
        place = contradicted + stride
        if _holds(source, stored[place]):
            agreed = place
            break
        contradicted, stride = place, 2 * stride
    while agreed - contradicted > 1:
        place = (agreed + contradicted) // 2
        if _holds(source, stored[place]):
            agreed = place
        else:
            contradicted = place
    return agreed


def _holds(source: BlockSource, block: BlockStamp) -> bool:
    header = source.block_by_number(block.number)
    if header is None:
        raise Lagging(f"{source.provider} has no block {block.number} although its head is higher")
    return check_header(header, at=block.number).hash == block.hash
