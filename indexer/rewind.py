"""Undo blocks that are no longer canonical, and keep what vanished as evidence.

Nothing is undone before its replacement is read and verified; undo and replacement commit together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, Connection, Row, Table, any_, delete, insert, literal, select, update

from indexer.chain.source import BlockSource
from indexer.chain.types import (
    Address,
    BlockHash,
    BlockNumber,
    BlockStamp,
    ChainId,
    PaymentId,
    to_hex,
)
from indexer.db.columns import ADDRESS
from indexer.errors import ChainContradiction
from indexer.projections.payments import PaymentKey
from indexer.tables import (
    blocks,
    campaigns,
    logs,
    payments_confirmed,
    payments_created,
    payments_ended,
    ranges,
    reorgs,
    surplus_sweeps,
    token_transfers,
    treasuries,
)
from indexer.verify import check_header

PAYMENT_FACTS: tuple[tuple[str, Table], ...] = (
    ("created", payments_created),
    ("confirmed", payments_confirmed),
    ("ended", payments_ended),
)

_UINT256_COLUMNS = ("amount", "expiration")


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A block we hold as canonical."""

    number: BlockNumber
    hash: BlockHash


def stored_blocks(
    connection: Connection, chain_id: ChainId, *, above: BlockNumber
) -> list[StoredBlock]:
    """Blocks held above a height, highest first."""
    rows = connection.execute(
        select(blocks.c.number, blocks.c.hash)
        .where(blocks.c.chain_id == chain_id, blocks.c.number > above)
        .order_by(blocks.c.number.desc())
    )
    return [StoredBlock(row.number, row.hash) for row in rows]


def find_ancestor(source: BlockSource, stored: Sequence[StoredBlock]) -> StoredBlock | None:
    """The highest stored block that the node also holds; None when it contradicts every one.

    A height that the node does not have contradicts nothing: it may lag.

    Args:
        source: Where to ask.
        stored: Highest first.

    Raises:
        ChainContradiction: No stored hash is contradicted after all: the node wavers.
    """
    contradicted = False
    for block in stored:
        header = source.block_by_number(block.number)
        if header is None:
            continue
        check_header(header, at=block.number)
        if header.hash == block.hash:
            if not contradicted:
                raise ChainContradiction(
                    f"{source.provider} contradicted a stored block and then agreed with it"
                )
            return block
        contradicted = True
    if not contradicted:
        raise ChainContradiction(f"{source.provider} holds none of the stored blocks")
    return None


def undo_blocks(
    connection: Connection, chain_id: ChainId, *, ancestor: BlockNumber, tip: BlockStamp
) -> set[PaymentKey]:
    """Delete every row above ``ancestor`` and record what vanished.

    Args:
        connection: In the transaction that also writes the replacement.
        chain_id: The chain.
        ancestor: Highest block that stays.
        tip: Where the cursor stood; part of the record.

    Returns:
        Payments whose facts changed: rebuild their projection in the same transaction.
    """
    orphaned = [
        (fact, row)
        for fact, table in PAYMENT_FACTS
        for row in _delete_above(connection, table, chain_id, ancestor)
    ]
    unknown = [row.treasury for row in _delete_above(connection, treasuries, chain_id, ancestor)]
    forgotten = [row.campaign for row in _delete_above(connection, campaigns, chain_id, ancestor)]
    for table in (token_transfers, surplus_sweeps, logs):
        _delete_above(connection, table, chain_id, ancestor)
    orphaned += _unclaim(connection, chain_id, treasuries_gone=unknown, campaigns_gone=forgotten)
    connection.execute(
        delete(blocks).where(blocks.c.chain_id == chain_id, blocks.c.number > ancestor)
    )
    connection.execute(delete(ranges).where(ranges.c.chain_id == chain_id, ranges.c.low > ancestor))
    connection.execute(
        update(ranges)
        .where(ranges.c.chain_id == chain_id, ranges.c.high > ancestor)
        .values(high=ancestor)
    )
    connection.execute(
        insert(reorgs).values(
            chain_id=chain_id,
            ancestor_number=ancestor,
            orphaned_tip_number=tip.number,
            orphaned_tip_hash=tip.hash,
            orphaned_facts=[_evidence(fact, row) for fact, row in orphaned],
        )
    )
    return {(row.treasury, PaymentId(row.payment_id)) for _, row in orphaned}


def _delete_above(
    connection: Connection, table: Table, chain_id: ChainId, ancestor: BlockNumber
) -> Sequence[Row[Any]]:
    return connection.execute(
        delete(table)
        .where(table.c.chain_id == chain_id, table.c.block_number > ancestor)
        .returning(table)
    ).all()


def _unclaim(
    connection: Connection,
    chain_id: ChainId,
    *,
    treasuries_gone: Sequence[Address],
    campaigns_gone: Sequence[Address],
) -> list[tuple[str, Row[Any]]]:
    """Take back what was believed only because a contract was known that no longer is.

    Its older logs stay, unclaimed, as they were before it became known.
    """
    gone = [*treasuries_gone, *campaigns_gone]
    if not gone:
        return []
    connection.execute(
        update(logs)
        .where(logs.c.chain_id == chain_id, _one_of(logs, "address", gone))
        .values(claimed=False)
    )
    _delete_of(connection, surplus_sweeps, chain_id, treasuries_gone)
    return [
        (fact, row)
        for fact, table in PAYMENT_FACTS
        for row in _delete_of(connection, table, chain_id, treasuries_gone)
    ]


def _delete_of(
    connection: Connection, table: Table, chain_id: ChainId, treasuries_gone: Sequence[Address]
) -> Sequence[Row[Any]]:
    return connection.execute(
        delete(table)
        .where(table.c.chain_id == chain_id, _one_of(table, "treasury", treasuries_gone))
        .returning(table)
    ).all()


def _one_of(table: Table, name: str, addresses: Iterable[Address]) -> Any:  # noqa: ANN401 - SQL
    return table.c[name] == any_(literal(list(addresses), ARRAY(ADDRESS)))


def _evidence(fact: str, row: Row[Any]) -> dict[str, Any]:
    """A vanished payment fact for JSON: bytes as hex, amounts as decimal strings."""
    seen: dict[str, Any] = {"fact": fact}
    for name, value in row._mapping.items():  # noqa: SLF001 - SQLAlchemy's public name for it
        if isinstance(value, bytes):
            seen[name] = to_hex(value)
        elif name in _UINT256_COLUMNS and value is not None:
            seen[name] = str(value)
        else:
            seen[name] = value
    return seen
