"""Which blocks a reading may not touch: those it could not prove, where somebody's word stands.

A node can call a receipt one of an unknown type; then nothing refutes what it says of that block.
So it is believed only where nobody is believed yet. A block keeps its proof with its rows.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from indexer.chain.types import BlockHash, BlockNumber, ChainId
from indexer.errors import ChainContradiction
from indexer.fetch import Reading
from indexer.ledger import spans_between
from indexer.spans import Span
from indexer.tables import blocks


@dataclass(frozen=True, slots=True)
class _Stored:
    """A block's row."""

    hash: BlockHash
    has_logs: bool
    proven: bool


def withheld_blocks(
    connection: Connection, chain_id: ChainId, reading: Reading, *, needs_proof: bool
) -> frozenset[BlockNumber]:
    """Blocks of a reading whose rows stay as they are.

    Those of what was proven before stay in any case; those that rest on a word stay while the
    ledger counts it, and so does the word of two that a block holds none. A block that only one
    node called empty is no such block, nor is one that stands under another hash.

    Args:
        connection: In the transaction that would change them.
        chain_id: The chain.
        reading: What was read.
        needs_proof: Whether nothing that is not proven is to be believed at all.
    """
    doubtful = {one.header.number: one.header.hash for one in reading.blocks if not one.proven}
    if not doubtful or needs_proof:
        return frozenset(doubtful)
    low, high = min(doubtful), max(doubtful)
    spans = spans_between(connection, chain_id, low, high)
    rows = connection.execute(
        select(blocks.c.number, blocks.c.hash, blocks.c.logs_count, blocks.c.proven).where(
            blocks.c.chain_id == chain_id, blocks.c.number.between(low, high)
        )
    ).all()
    stored = {row.number: _Stored(row.hash, row.logs_count > 0, row.proven) for row in rows}
    return frozenset(
        number
        for number, block_hash in doubtful.items()
        if _stays(block_hash, stored.get(number), _span_at(spans, number))
    )


def require_undisputed_proofs(
    connection: Connection, chain_id: ChainId, reading: Reading, disputed: frozenset[BlockNumber]
) -> None:
    """Refuse a reading that tells otherwise what was proven, where the ledger counts it no longer.

    Such a block is to be read again; only who proves it again can say what it holds.

    Raises:
        ChainContradiction: It does.
    """
    if not disputed:
        return
    spans = spans_between(connection, chain_id, min(disputed), max(disputed))
    for number in sorted(disputed):
        if _span_at(spans, number) is None:
            raise ChainContradiction(
                f"{reading.provider} tells block {number}, which was proven, otherwise and unproven"
            )


def restate_blocks(
    connection: Connection,
    chain_id: ChainId,
    reading: Reading,
    *,
    final: BlockNumber,
    withheld: Collection[BlockNumber],
) -> None:
    """Write rows of the blocks read that hold logs of ours, and of the finalized one.

    A proof once found outlives a reading that could not repeat it, together with its rows.

    Args:
        connection: In a transaction.
        chain_id: The chain.
        reading: What the blocks are.
        final: The finalized block, whose row must stay.
        withheld: Blocks whose rows stay as they are, and this one too.
    """
    connection.execute(
        delete(blocks).where(
            blocks.c.chain_id == chain_id,
            blocks.c.number.between(reading.low, reading.last.number),
            blocks.c.number.not_in(withheld),
        )
    )
    rows = [
        {
            "chain_id": chain_id,
            "number": block.header.number,
            "hash": block.header.hash,
            "parent_hash": block.header.parent_hash,
            "timestamp": block.header.timestamp,
            "receipts_root": block.header.receipts_root,
            "logs_count": block.logs_count,
            "proven": block.proven,
        }
        for block in reading.blocks
        if block.header.number not in withheld
        and (block.logs_count or block.header.number == final)
    ]
    if rows:
        connection.execute(insert(blocks), rows)


def _stays(block_hash: BlockHash, stored: _Stored | None, span: Span | None) -> bool:
    """Whether a block that was read and not proven stays as it is. Pure."""
    if stored is not None and stored.hash != block_hash:
        return False
    if stored is not None and stored.has_logs:
        return stored.proven or span is not None
    return span is not None and span.state != "fetched"


def _span_at(spans: list[Span], number: BlockNumber) -> Span | None:
    return next((span for span in spans if span.low <= number <= span.high), None)
