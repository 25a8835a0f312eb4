"""Raise the finalized mark: by the chain's own tag and by depth, on a hash that is agreed on.

One node's word is final only where one node is all there is: with several, two must hold the hash
before the mark rises, and two must contradict it before the writer halts.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from indexer.chain.blocks import Header
from indexer.chain.networks import Finality
from indexer.chain.source import BlockSource
from indexer.chain.types import BlockNumber, BlockStamp, ChainId
from indexer.cursor import move_finalized
from indexer.errors import ChainContradiction, RpcError
from indexer.tables import blocks
from indexer.verify import check_header

QUORUM = 2


@dataclass(frozen=True, slots=True)
class Ballot:
    """What the nodes say of one of our blocks, counted up to the first quorum."""

    quorum: int
    agreed: tuple[str, ...]
    """Nodes that hold our hash."""
    contradicted: tuple[str, ...]
    """Nodes that hold another block at its height; one without any is in neither."""

    @property
    def is_agreed(self) -> bool:
        """Whether enough nodes hold our hash."""
        return len(self.agreed) >= self.quorum

    @property
    def is_contradicted(self) -> bool:
        """Whether enough nodes hold another."""
        return len(self.contradicted) >= self.quorum


def ballot(source: BlockSource, block: BlockStamp) -> Ballot:
    """Ask node after node for the block at a height, until enough say the same."""
    quorum = min(QUORUM, source.node_count)
    agreed: list[str] = []
    contradicted: list[str] = []
    for opinion in source.opinions(block.number):
        if opinion.header is None:
            continue
        try:
            theirs = check_header(opinion.header, at=block.number)
        except ChainContradiction:  # not the block it claims to be: no opinion at all
            continue
        (agreed if theirs.hash == block.hash else contradicted).append(opinion.provider)
        if quorum in {len(agreed), len(contradicted)}:
            break
    return Ballot(quorum, tuple(agreed), tuple(contradicted))


def is_contradicted(source: BlockSource, block: BlockStamp, theirs: Header) -> bool:
    """Whether a block that one answer contradicts is so by quorum, on being asked again.

    Args:
        source: The chain.
        block: Ours.
        theirs: The checked header that an answer gave for that height.
    """
    again = source.block_by_hash(theirs.hash)
    if again is None or check_header(again, at=block.number).hash != theirs.hash:
        return False
    return ballot(source, block).is_contradicted


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
