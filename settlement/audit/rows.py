"""The record as it is stored: its rows in the order in which they are sealed, and its blocks."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, Text, cast, func, select, tuple_

from settlement.audit.chain import GENESIS, Head, Place, Row, SealedBlock
from settlement.audit.format import split_hashes, write_row
from settlement.audit.tables import audit_blocks, notes
from settlement.record_tables import moves
from settlement.tables import AnyRow

# The columns of form 1; a column that is added later belongs to another form.
_COLUMNS: Final[dict[Table, tuple[ColumnElement[Any], ...]]] = {
    moves: (
        moves.c.id,
        moves.c.xact,
        moves.c.at,
        moves.c.request_id,
        moves.c.before,
        moves.c.after,
        moves.c.reason,
        moves.c.batch_id,
    ),
    notes: (
        notes.c.id,
        notes.c.xact,
        notes.c.at,
        notes.c.subject_kind,
        notes.c.subject,
        notes.c.before,
        notes.c.after,
        cast(notes.c.detail, Text).label("detail"),
    ),
}
_ID_MIN, _ID_MAX = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class RecordState:
    """How far the record is sealed."""

    head: Head
    sealed_at: datetime | None
    """When the last block was; None before the first."""
    unsealed: int
    """Rows that wait to be sealed."""
    oldest_unsealed_at: datetime | None


def rows_between(
    connection: Connection, after: Place, until: Place, *, limit: int | None = None
) -> list[Row]:
    """Read rows in the order of their places.

    Args:
        connection: Any that may read schema ``settlement``.
        after: Their places are behind this one,
        until: and not behind this one.
        limit: How many at most, from the first.
    """
    found = (_rows_of(connection, table, after, until, limit) for table in _COLUMNS)
    return list(islice(merge(*found, key=lambda row: row.place), limit))


def read_head(connection: Connection) -> Head:
    """Where the chain ends."""
    last = (
        select(
            audit_blocks.c.number,
            audit_blocks.c.hash,
            audit_blocks.c.last_position,
            audit_blocks.c.rows_hash,
            audit_blocks.c.until_xact,
            audit_blocks.c.until_table,
            audit_blocks.c.until_id,
        )
        .order_by(audit_blocks.c.number.desc())
        .limit(1)
    )
    row = connection.execute(last).one_or_none()
    if row is None:
        return GENESIS
    return Head(*row[:4], until=Place(*row[4:]))


def read_blocks(connection: Connection) -> Iterator[SealedBlock]:
    """Read every block, in the order of their numbers."""
    number = _ID_MIN
    following = select(audit_blocks).order_by(audit_blocks.c.number).limit(1)
    while True:
        row = connection.execute(following.where(audit_blocks.c.number > number)).one_or_none()
        if row is None:
            return
        yield _block(row)
        number = row.number


def read_state(connection: Connection) -> RecordState:
    """Read how far the record is sealed, and what waits."""
    head = read_head(connection)
    waiting = [
        connection.execute(
            select(func.count(), func.min(table.c.at)).where(
                _place_in(table) > _bound(table, head.until)
            )
        ).one()
        for table in _COLUMNS
    ]
    return RecordState(
        head=head,
        sealed_at=connection.execute(
            select(audit_blocks.c.sealed_at).where(audit_blocks.c.number == head.number)
        ).scalar_one_or_none(),
        unsealed=sum(count for count, _ in waiting),
        oldest_unsealed_at=min((at for _, at in waiting if at is not None), default=None),
    )


def _rows_of(
    connection: Connection, table: Table, after: Place, until: Place, limit: int | None
) -> list[Row]:
    found = connection.execute(
        select(*_COLUMNS[table])
        .where(_place_in(table) > _bound(table, after), _place_in(table) <= _bound(table, until))
        .order_by(table.c.xact, table.c.id)
        .limit(limit)
    )
    return [_row(table.name, row) for row in found]


def _bound(table: Table, place: Place) -> ColumnElement[Any]:
    """A place as far as one table goes, to compare ``_place_in`` with.

    Of the place's own transaction, all rows of a later table stand behind it, and none of an
    earlier one.
    """
    if table.name == place.table:
        return tuple_(place.xact, place.id)
    return tuple_(place.xact, _ID_MIN if table.name > place.table else _ID_MAX)


def _place_in(table: Table) -> ColumnElement[Any]:
    return tuple_(table.c.xact, table.c.id)


def _row(table: str, row: AnyRow) -> Row:
    columns = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's own name for it
    if "detail" in columns:
        # A number there is forged: none can be stored. As a text it is told and found, not fatal.
        columns["detail"] = json.loads(columns["detail"], parse_float=str)
    return Row(Place(row.xact, table, row.id), write_row(table, columns))


def _block(row: AnyRow) -> SealedBlock:
    return SealedBlock(
        number=row.number,
        version=row.version,
        first_position=row.first_position,
        last_position=row.last_position,
        until=Place(row.until_xact, row.until_table, row.until_id),
        rows_hash=row.rows_hash,
        previous_hash=row.previous_hash,
        merkle_root=row.merkle_root,
        sealed_at=row.sealed_at,
        hash=row.hash,
        row_hashes=split_hashes(row.row_hashes),
    )
