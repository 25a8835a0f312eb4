"""Make sure that blocks read anew belong to the chain that we call final, before they mend it.

A node on another chain would have every row rewritten to its liking, block after block, each proven
by its own hashes. What is final is known by one hash: whoever contradicts that is not believed, and
where enough nodes do, the writer halts.
"""

from collections.abc import Sequence

from sqlalchemy import Engine, or_, select

from indexer.chain.blocks import Header
from indexer.chain.source import BlockSource
from indexer.chain.types import BlockHash, BlockNumber, BlockStamp, ChainId
from indexer.errors import ChainContradiction, Lagging
from indexer.fetch import fetch_headers
from indexer.finality import FinalityWatch
from indexer.headers import require_linked
from indexer.scene import Scene
from indexer.tables import blocks

HEADERS_PER_STEP = 100
"""Headers asked for at once on the way up: one JSON-RPC batch."""


def require_final(
    scene: Scene, headers: Sequence[Header], final: BlockStamp, *, halts: bool
) -> None:
    """Make sure that linked headers belong to the chain of the finalized block.

    Where a stored block contradicts the last of them, one of the two is false, and the way up
    decides: header after header to a stored block that is the node's too, at last the final one.

    Args:
        scene: Whose word, and what is stored.
        headers: Checked and linked; none above the finalized block.
        final: Where the finalized mark stands.
        halts: Whether the chain's writer is halted when the nodes agree that it changed.

    Raises:
        InvariantError: They do, and it was.
        ChainContradiction: The node holds another finalized block, or does not lead there.
    """
    last = headers[-1]
    theirs = last if last.number == final.number else _header(scene.source, final.number)
    if theirs.hash != final.hash:
        if halts:
            FinalityWatch(scene.engine, scene.source, scene.network).halt(final, theirs)
        raise ChainContradiction(
            f"{scene.source.provider} holds another finalized block {final.number}"
        )
    if last.number < final.number and _is_contradicted(scene.engine, scene.chain_id, last):
        _climb(scene, last, final)


def _header(source: BlockSource, number: BlockNumber) -> Header:
    return fetch_headers(source, number, number)[0]


def _is_contradicted(engine: Engine, chain_id: ChainId, last: Header) -> bool:
    """Whether a block is stored at its height, or as its child, that is not."""
    statement = select(blocks.c.number).where(
        blocks.c.chain_id == chain_id,
        or_(
            (blocks.c.number == last.number) & (blocks.c.hash != last.hash),
            (blocks.c.number == last.number + 1) & (blocks.c.parent_hash != last.hash),
        ),
    )
    with engine.connect() as connection:
        return connection.execute(statement.limit(1)).one_or_none() is not None


def _climb(scene: Scene, last: Header, final: BlockStamp) -> None:
    """Follow headers up to the first that is stored under the same hash."""
    parent = last.hash
    for low in range(last.number + 1, final.number + 1, HEADERS_PER_STEP):
        high = BlockNumber(min(low + HEADERS_PER_STEP - 1, final.number))
        found = fetch_headers(scene.source, BlockNumber(low), high)
        if found[-1].number != high:
            raise Lagging(f"{scene.source.provider} ends before final block {high}")
        require_linked(parent, found)
        parent = found[-1].hash
        stored = _stored(scene.engine, scene.chain_id, BlockNumber(low), high)
        if any(stored.get(header.number) == header.hash for header in found):
            return
    if parent != final.hash:
        raise ChainContradiction(
            f"{scene.source.provider} does not lead from block {last.number} to the final one"
        )


def _stored(
    engine: Engine, chain_id: ChainId, low: BlockNumber, high: BlockNumber
) -> dict[BlockNumber, BlockHash]:
    with engine.connect() as connection:
        rows = connection.execute(
            select(blocks.c.number, blocks.c.hash).where(
                blocks.c.chain_id == chain_id, blocks.c.number.between(low, high)
            )
        )
        return dict(rows.all())
