"""The marks of a chain: where its indexer stands, moved by compare-and-set only."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select, update
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
        .on_conflict_do_nothing()
    )
    stored = connection.execute(
        select(marks.c.genesis_hash).where(marks.c.chain_id == network.chain_id)
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


def move_cursor(
    connection: Connection,
    chain_id: ChainId,
    *,
    expected: BlockStamp | None,
    to: BlockStamp,
    head_number: BlockNumber,
) -> None:
    """Say that facts are complete up to ``to``, in the transaction that writes them.

    Raises:
        InvariantError: The cursor is not where this writer left it: another one is at work.
    """
    moved = connection.execute(
        update(marks)
        .where(
            marks.c.chain_id == chain_id,
            marks.c.indexed_hash.is_not_distinct_from(None if expected is None else expected.hash),
        )
        .values(
            indexed_number=to.number,
            indexed_hash=to.hash,
            indexed_timestamp=to.timestamp,
            head_number=head_number,
            updated_at=func.now(),
        )
    )
    if moved.rowcount != 1:
        raise InvariantError(
            f"the cursor of chain {chain_id} is not at "
            f"{'its start' if expected is None else expected.number}: another writer moved it"
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
        .values(
            finalized_number=to.number,
            finalized_hash=to.hash,
            finalized_timestamp=to.timestamp,
            updated_at=func.now(),
        )
    )
    return moved.rowcount == 1


def note(connection: Connection, chain_id: ChainId, values: Mapping[str, Any]) -> None:
    """Set marks that bind nothing: ``head_number``, ``degraded_reason``."""
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
