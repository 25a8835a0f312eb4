"""Compare what the fact tables hold of some blocks with what those blocks say, and make it so.

What the blocks say is copied into temporary tables of the same shape, so that the comparison is of
rows as Postgres stores them, and set against set. Only what differs is touched; what was false
becomes an orphan, as evidence.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    MetaData,
    Table,
    and_,
    any_,
    delete,
    func,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from indexer.chain.types import Address, BlockNumber, ChainId
from indexer.claims import stored_log
from indexer.columnar import groups_of_logs
from indexer.copying import CopyRows, copy_rows
from indexer.db.columns import ADDRESS
from indexer.events import CAMPAIGN_CREATED, TREASURY_DEPLOYED
from indexer.facts import state_claimed
from indexer.known import KnownContracts
from indexer.rewind import EVIDENCE, move_to_orphans
from indexer.scene import TableChange
from indexer.tables import (
    details,
    logs,
    payments_confirmed,
    payments_created,
    token_transfers,
    unclaimed_logs,
)

TABLES: Final = (payments_created, payments_confirmed, token_transfers, logs, unclaimed_logs)
_CLAIMED_BLOCK: Final = "claimed_block"
"""Not what the log's own block says: compared by itself."""

_METADATA = MetaData()
_STAGED: Final = {
    table: table.to_metadata(_METADATA, schema="pg_temp", name=f"restated_{table.name}")
    for table in TABLES
}


def stage(connection: Connection, rows: CopyRows) -> None:
    """Put what blocks say beside the tables, instead of what was put there before."""
    for table, staged in _STAGED.items():
        connection.execute(
            text(
                f"CREATE TEMP TABLE IF NOT EXISTS {staged.name} "
                f"(LIKE {table.schema}.{table.name}) ON COMMIT DELETE ROWS"
            )
        )
        connection.execute(delete(staged))
    _copy_staged(connection, rows)


def stage_claims(
    connection: Connection,
    chain_id: ChainId,
    later: Mapping[Address, BlockNumber],
    known: KnownContracts,
) -> None:
    """State the staged logs of contracts that only a later block made known.

    Args:
        connection: In the transaction of ``stage``.
        chain_id: The chain.
        later: Those contracts, and the blocks that made them known.
        known: Every contract known by now.
    """
    if not later:
        return
    staged = _STAGED[unclaimed_logs]
    early = connection.execute(
        select(staged).where(
            staged.c.address == any_(literal(list(later), ARRAY(ADDRESS))),
            staged.c.claimed_block.is_(None),
        )
    ).all()
    if not early:
        return
    facts = state_claimed(chain_id, groups_of_logs(map(stored_log, early)), known)
    _copy_staged(connection, facts.rows)
    sound = [
        place
        for numbers, indexes in facts.claimed
        for place in zip(numbers.tolist(), indexes.tolist(), strict=True)
    ]
    for address in {row.address for row in early}:
        connection.execute(
            update(staged)
            .where(
                staged.c.address == address,
                tuple_(staged.c.block_number, staged.c.log_index).in_(sound),
            )
            .values(claimed_block=later[address])
        )


def changes(
    connection: Connection, chain_id: ChainId, low: BlockNumber, high: BlockNumber
) -> tuple[TableChange, ...]:
    """How the tables differ from what is staged for ``low`` to ``high``."""
    found = []
    for table in TABLES:
        counts = (
            select(func.count()).select_from(table).where(_in_range(table, chain_id, low, high)),
            select(func.count()).select_from(_missing(table, chain_id, low, high).subquery()),
            select(func.count()).select_from(_false(table, chain_id, low, high).subquery()),
        )
        row = connection.execute(select(*(one.scalar_subquery() for one in counts))).one()
        before, missing, false = row
        reclaimed = 0
        if table is unclaimed_logs:
            reclaimed = connection.execute(
                select(func.count()).select_from(table).where(_claimed_elsewhere(chain_id))
            ).scalar_one()
        found.append(TableChange(table.name, before, missing, false, reclaimed))
    return tuple(found)


def differing_blocks(
    connection: Connection, chain_id: ChainId, low: BlockNumber, high: BlockNumber
) -> frozenset[BlockNumber]:
    """Blocks of which the tables do not hold the rows that are staged."""
    numbers: set[BlockNumber] = set()
    for table in TABLES:
        for differing in (_missing(table, chain_id, low, high), _false(table, chain_id, low, high)):
            rows = differing.subquery()
            numbers.update(connection.execute(select(rows.c.block_number).distinct()).scalars())
    return frozenset(numbers)


def withhold(connection: Connection, chain_id: ChainId, numbers: Collection[BlockNumber]) -> None:
    """Stage what the tables hold of some blocks instead of what was read of them."""
    for table, staged in _STAGED.items():
        connection.execute(delete(staged).where(staged.c.block_number.in_(numbers)))
        connection.execute(
            insert(staged).from_select(
                [column.name for column in table.c],
                select(table).where(
                    table.c.chain_id == chain_id, table.c.block_number.in_(numbers)
                ),
            )
        )


def changes_contracts(
    connection: Connection, chain_id: ChainId, low: BlockNumber, high: BlockNumber
) -> bool:
    """Whether an event that makes a contract known is among what differs."""
    for differing in (_missing(logs, chain_id, low, high), _false(logs, chain_id, low, high)):
        rows = differing.subquery()
        made = select(rows.c.event).where(
            rows.c.event.in_([CAMPAIGN_CREATED.name, TREASURY_DEPLOYED.name])
        )
        if connection.execute(select(made.exists())).scalar_one():
            return True
    return False


def remove_false(
    connection: Connection,
    chain_id: ChainId,
    low: BlockNumber,
    high: BlockNumber,
    *,
    reorg_id: int,
) -> None:
    """Take out what the chain does not state; facts become orphans of a record in ``reorgs``."""
    for table in TABLES:
        rows = _false(table, chain_id, low, high).subquery()
        key = [column.name for column in table.primary_key.columns]
        is_false = tuple_(*(table.c[name] for name in key)).in_(
            select(*(rows.c[name] for name in key))
        )
        if table in EVIDENCE:
            explained = tuple_(details.c.block_number, details.c.log_index).in_(
                select(rows.c.block_number, rows.c.log_index)
            )
            connection.execute(delete(details).where(details.c.chain_id == chain_id, explained))
            move_to_orphans(connection, table, is_false, reorg_id)
        else:
            connection.execute(delete(table).where(is_false))


def add_missing(connection: Connection) -> None:
    """Add what is staged and not there yet; remove what is false first."""
    for table, staged in _STAGED.items():
        connection.execute(
            insert(table)
            .from_select([column.name for column in table.c], select(staged))
            .on_conflict_do_nothing()
        )


def restate_claims(connection: Connection, chain_id: ChainId) -> None:
    """Write from which block the contracts of unclaimed logs count; add what is missing first."""
    staged = _STAGED[unclaimed_logs]
    connection.execute(
        update(unclaimed_logs)
        .where(_same_log(chain_id))
        .where(unclaimed_logs.c.claimed_block.is_distinct_from(staged.c.claimed_block))
        .values(claimed_block=staged.c.claimed_block)
    )


def _copy_staged(connection: Connection, rows: CopyRows) -> None:
    staged = CopyRows()
    for table, chunks in rows.chunks.items():
        staged.chunks[_STAGED[table]] = chunks
    copy_rows(connection, staged)


def _stated(table: Table) -> list[Column[object]]:
    return [column for column in table.c if column.name != _CLAIMED_BLOCK]


def _in_range(
    table: Table, chain_id: ChainId, low: BlockNumber, high: BlockNumber
) -> ColumnElement[bool]:
    return and_(table.c.chain_id == chain_id, table.c.block_number.between(low, high))


def _same_log(chain_id: ChainId) -> ColumnElement[bool]:
    staged = _STAGED[unclaimed_logs]
    return and_(
        unclaimed_logs.c.chain_id == chain_id,
        unclaimed_logs.c.block_number == staged.c.block_number,
        unclaimed_logs.c.log_index == staged.c.log_index,
        unclaimed_logs.c.block_hash == staged.c.block_hash,
    )


def _claimed_elsewhere(chain_id: ChainId) -> ColumnElement[bool]:
    """Whether a log was claimed by another block than what is staged says."""
    staged = _STAGED[unclaimed_logs]
    return (
        select(staged.c.log_index)
        .where(
            _same_log(chain_id),
            unclaimed_logs.c.claimed_block.is_distinct_from(staged.c.claimed_block),
        )
        .correlate(unclaimed_logs)
        .exists()
    )


def _missing(
    table: Table, chain_id: ChainId, low: BlockNumber, high: BlockNumber
) -> CompoundSelect[*tuple[Any, ...]]:
    stored = select(*_stated(table)).where(_in_range(table, chain_id, low, high))
    return select(*_stated(_STAGED[table])).except_(stored)


def _false(
    table: Table, chain_id: ChainId, low: BlockNumber, high: BlockNumber
) -> CompoundSelect[*tuple[Any, ...]]:
    stored = select(*_stated(table)).where(_in_range(table, chain_id, low, high))
    return stored.except_(select(*_stated(_STAGED[table])))
