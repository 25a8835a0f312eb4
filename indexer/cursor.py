"""The marks of a chain: where its writer stands, moved by compare-and-set only.

``fetched`` is the writer's cursor: facts are committed up to there. ``indexed`` is what readers go
by: facts and projections are complete up to there. Both move as one while following; a backfill
moves the first and lets the second follow. ``finalized`` never passes ``indexed`` and never falls.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from indexer.chain.networks import Network
from indexer.chain.types import BlockHash, BlockNumber, BlockStamp, ChainId
from indexer.errors import ConfigurationError, InvariantError
from indexer.queries import Marks, read_marks
from indexer.tables import marks


def open_marks(
    connection: Connection, network: Network, *, first_block: BlockNumber, genesis_hash: BlockHash
) -> Marks:
    """Read the marks of a chain, writing their first row when there is none.

    A first block that was lowered since leaves a hole, which is filled like any other.

    Waits for a transaction that still holds the row: a writer that was killed after it sent its
    commit may be committing yet, and who starts after it must see what it wrote.

    Raises:
        ConfigurationError: The database follows another chain that had the same id.
    """
    connection.execute(
        insert(marks)
        .values(
            chain_id=network.chain_id,
            network=network.name,
            first_block=first_block,
            genesis_hash=genesis_hash,
        )
        .on_conflict_do_update(
            index_elements=[marks.c.chain_id],
            set_={"first_block": first_block},
            where=marks.c.first_block > first_block,
        )
    )
    stored = connection.execute(
        select(marks.c.genesis_hash).where(marks.c.chain_id == network.chain_id).with_for_update()
    ).scalar_one()
    if stored is not None and stored != genesis_hash:
        raise ConfigurationError(
            f"the database follows another chain behind id {network.chain_id} (genesis "
            f"0x{stored.hex()}, this one 0x{genesis_hash.hex()}): use a fresh database, or bring "
            "that chain back"
        )
    found = read_marks(connection, network.chain_id)
    if found is None:
        raise InvariantError(f"marks of chain {network.chain_id} vanished")
    return found


def read_fetched(connection: Connection, chain_id: ChainId) -> BlockStamp | None:
    """Where the writer's cursor stands; None before the first block.

    Waits for a transaction that is moving it, and for no other reader.
    """
    row = connection.execute(
        select(marks.c.fetched_number, marks.c.fetched_hash, marks.c.fetched_timestamp)
        .where(marks.c.chain_id == chain_id)
        .with_for_update(key_share=True)
    ).one_or_none()
    if row is None or row.fetched_number is None:
        return None
    return BlockStamp(row.fetched_number, row.fetched_hash, row.fetched_timestamp)


def move_cursor(
    connection: Connection,
    chain_id: ChainId,
    *,
    expected: BlockStamp | None,
    to: BlockStamp,
    head_number: BlockNumber | None,
    projected: bool = True,
) -> None:
    """Say that facts are complete up to ``to``, in the transaction that writes them.

    Args:
        connection: In that transaction.
        chain_id: The chain.
        expected: Where the cursor must stand; None before the first block.
        to: Where it stands from now on; below ``expected`` when blocks were undone.
        head_number: Newest block the node reports; None keeps what was noted.
        projected: Whether projections are complete up to there too, so that readers' mark moves.

    Raises:
        InvariantError: The cursor is not where this writer left it: another one is at work.
    """
    values: dict[str, Any] = _stamp("fetched", to)
    if projected:
        values |= _stamp("indexed", to)
    if head_number is not None:
        values["head_number"] = head_number
    moved = connection.execute(
        update(marks)
        .where(
            marks.c.chain_id == chain_id,
            marks.c.fetched_hash.is_not_distinct_from(None if expected is None else expected.hash),
        )
        .values(**values, updated_at=func.now())
    )
    if moved.rowcount != 1:
        raise InvariantError(
            f"the cursor of chain {chain_id} is not at "
            f"{'its start' if expected is None else expected.number}: another writer moved it"
        )


def move_indexed(connection: Connection, chain_id: ChainId, to: BlockStamp) -> None:
    """Say that projections too are complete up to ``to``, in the transaction that made them.

    Raises:
        InvariantError: The mark stands there or above, or facts do not reach that far.
    """
    moved = connection.execute(
        update(marks)
        .where(
            marks.c.chain_id == chain_id,
            or_(marks.c.indexed_number.is_(None), marks.c.indexed_number < to.number),
            marks.c.fetched_number >= to.number,
        )
        .values(**_stamp("indexed", to), updated_at=func.now())
    )
    if moved.rowcount != 1:
        raise InvariantError(
            f"projections of chain {chain_id} were made up to {to.number}, "
            "where they already were or no facts are: another writer is at work"
        )


def reset_cursor(connection: Connection, chain_id: ChainId, to: BlockStamp | None) -> None:
    """Put the cursor and readers' mark down to a block, in the transaction that undid the rest.

    Args:
        connection: In that transaction; the caller holds the chain's writer lock.
        chain_id: The chain.
        to: A stored block, or None for the start.
    """
    connection.execute(
        update(marks)
        .where(marks.c.chain_id == chain_id)
        .values(**_stamp("fetched", to), **_stamp("indexed", to), updated_at=func.now())
    )


def move_finalized(connection: Connection, chain_id: ChainId, to: BlockStamp) -> bool:
    """Raise the finalized mark; False when it already stands there or above."""
    moved = connection.execute(
        update(marks)
        .where(
            marks.c.chain_id == chain_id,
            marks.c.finalized_number.is_(None) | (marks.c.finalized_number < to.number),
            marks.c.indexed_number >= to.number,
        )
        .values(**_stamp("finalized", to), updated_at=func.now())
    )
    return moved.rowcount == 1


def note(connection: Connection, chain_id: ChainId, values: Mapping[str, Any]) -> None:
    """Set marks that bind nothing: ``head_number``, ``safe_number``, ``degraded_reason``."""
    connection.execute(
        update(marks).where(marks.c.chain_id == chain_id).values(updated_at=func.now(), **values)
    )


def clear_degraded(connection: Connection, chain_id: ChainId) -> str | None:
    """Let a halted indexer start again: the way out once an operator has looked.

    The indexer halts, and stays halted over restarts, when a finalized block changed. Compare that
    block with nodes of several providers first. Were the nodes wrong, mend ``LASTRO_RPC_URLS``,
    call this and start the indexer. Did the chain itself change, this does not help: the indexer
    would find the same contradiction and halt again; index that chain anew in a fresh database.
    Nothing that is indexed is touched, and an indexer that finds all well just goes on.

    Args:
        connection: In a transaction, as the role that owns schema ``chain``.
        chain_id: The chain.

    Returns:
        The reason that stood; None when the indexer was not halted or never started.
    """
    reason = connection.execute(
        select(marks.c.degraded_reason).where(marks.c.chain_id == chain_id).with_for_update()
    ).scalar_one_or_none()
    if reason is not None:  # updated_at stays: this was no look at the chain
        connection.execute(
            update(marks).where(marks.c.chain_id == chain_id).values(degraded_reason=None)
        )
    return reason


def _stamp(name: str, block: BlockStamp | None) -> dict[str, Any]:
    """The three columns of one mark."""
    return {
        f"{name}_number": None if block is None else block.number,
        f"{name}_hash": None if block is None else block.hash,
        f"{name}_timestamp": None if block is None else block.timestamp,
    }
