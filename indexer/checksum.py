"""One hash of a chain's rows, for two databases to compare.

Postgres hashes the rows of a few blocks at a time, in their order, each column written as bytes in
one way only; these hashes are folded here. So the outcome depends on the rows alone: not on how or
when they came, nor on how many are looked at together. Our own clock and what was proven how are
left out. Rows that are only kept aside (details, evidence) are not part of it.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Date,
    Integer,
    LargeBinary,
    Select,
    SmallInteger,
    String,
    Text,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, aggregate_order_by
from sqlalchemy.sql.selectable import FromClause
from sqlalchemy.types import TypeEngine

from indexer.chain.types import BlockNumber, ChainId
from indexer.db.columns import FixedBytes, Uint256, UtcDateTime
from indexer.projection_tables import campaigns, payment_lives, transactions, treasuries
from indexer.tables import (
    blocks,
    logs,
    payments_confirmed,
    payments_created,
    token_transfers,
    unclaimed_logs,
)
from indexer.views import daily_totals_latest

HASHED_BLOCKS: Final = 64
"""Blocks whose rows make one hash. Part of what a checksum is: another number, another hash."""
_ROWS_AIMED_AT = 100_000
"""Rows that one query hashes, about: a second of work, far from the statement timeout."""
_SPAN_MIN = HASHED_BLOCKS
_SPAN_MAX = HASHED_BLOCKS << 24


@dataclass(frozen=True, slots=True)
class _Source:
    """Rows that are part of a checksum, by the block that they rest on."""

    name: str
    rows: FromClause
    block: ColumnElement[int]
    order: tuple[ColumnElement[Any], ...]
    columns: tuple[ColumnElement[Any], ...]
    condition: ColumnElement[bool]


def _source(
    table: FromClause,
    *order: str,
    block: str = "block_number",
    without: Sequence[str] = (),
    condition: ColumnElement[bool] | None = None,
) -> _Source:
    left_out = {"chain_id", *without}
    return _Source(
        name=str(table.description),
        rows=table,
        block=table.c[block],
        order=tuple(table.c[name] for name in order),
        columns=tuple(column for column in table.c if column.name not in left_out),
        condition=true() if condition is None else condition,
    )


_FACTS: Final = (
    _source(
        blocks,
        "number",
        block="number",
        without=("logs_count", "proven"),
        condition=blocks.c.logs_count > 0,
    ),
    _source(payments_created, "block_number", "log_index"),
    _source(payments_confirmed, "block_number", "log_index", "ordinal"),
    _source(token_transfers, "block_number", "log_index"),
    _source(logs, "block_number", "log_index"),
    _source(
        unclaimed_logs,
        "block_number",
        "log_index",
        without=("claimed_block",),
        condition=unclaimed_logs.c.claimed_block.is_(None),
    ),
)
_PROJECTIONS: Final = (
    _source(campaigns, "block_number", "log_index"),
    _source(treasuries, "block_number", "log_index"),
    _source(transactions, "block_number", "tx_index"),
    _source(payment_lives, "created_block", "created_log_index", block="created_block"),
)


def facts_checksum(connection: Connection, chain_id: ChainId, to: BlockNumber) -> bytes:
    """SHA-256 over every fact of blocks up to ``to``.

    Args:
        connection: In a transaction that sees one snapshot, if the chain is being written.
        chain_id: The chain.
        to: Last block; complete in both databases.
    """
    total = hashlib.sha256()
    for source in _FACTS:
        _fold(total, connection, source, chain_id, to)
    return total.digest()


def projections_checksum(connection: Connection, chain_id: ChainId) -> bytes:
    """SHA-256 over everything projected, daily totals as the ``_latest`` view tells them.

    Args:
        connection: As for the facts.
        chain_id: The chain.
    """
    total = hashlib.sha256()
    for source in _PROJECTIONS:
        _fold(total, connection, source, chain_id, None)
    total.update(_daily_totals(connection, chain_id))
    return total.digest()


def _fold(
    total: Any,  # noqa: ANN401 - hashlib names no type for its hashes
    connection: Connection,
    source: _Source,
    chain_id: ChainId,
    to: int | None,
) -> None:
    total.update(hashlib.sha256(source.name.encode()).digest())
    for window, rows, digest in _windows(connection, source, chain_id, to):
        total.update(window.to_bytes(8, "big") + rows.to_bytes(8, "big") + digest)


def _windows(
    connection: Connection, source: _Source, chain_id: ChainId, to: int | None
) -> Iterator[tuple[int, int, bytes]]:
    """Number, rows and hash of every window that holds a row, in order."""
    low, span = 0, HASHED_BLOCKS * 64
    while (start := _next_block(connection, source, chain_id, low, to)) is not None:
        low = start - start % HASHED_BLOCKS
        end = low + span
        high = end - 1 if to is None else min(end - 1, to)
        seen = 0
        for row in connection.execute(_hashes(source, chain_id, low, high)):
            seen += row.rows
            yield row.window, row.rows, bytes(row.digest)
        low = end
        wanted = span * 4 if seen == 0 else span * _ROWS_AIMED_AT // seen
        span = max(_SPAN_MIN, min(span * 4, wanted, _SPAN_MAX))
        span -= span % HASHED_BLOCKS


def _next_block(
    connection: Connection, source: _Source, chain_id: ChainId, low: int, to: int | None
) -> int | None:
    found = select(func.min(source.block)).where(
        source.rows.c.chain_id == chain_id, source.block >= low, source.condition
    )
    if to is not None:
        found = found.where(source.block <= to)
    number: int | None = connection.execute(found).scalar_one()
    return number


def _hashes(source: _Source, chain_id: ChainId, low: int, high: int) -> Select[int, int, bytes]:
    window = source.block.op("/", return_type=BigInteger())(literal_column(str(HASHED_BLOCKS)))
    return (
        select(
            window.label("window"),
            func.count().label("rows"),
            _digest(source.columns, source.order).label("digest"),
        )
        .where(
            source.rows.c.chain_id == chain_id, source.block.between(low, high), source.condition
        )
        .group_by(window)
        .order_by(window)
    )


def _daily_totals(connection: Connection, chain_id: ChainId) -> bytes:
    view = daily_totals_latest.c
    key = (view.treasury, view.token, view.day)
    columns = tuple(column for column in view if column.name != "chain_id")
    digest: bytes | None = connection.execute(
        select(_digest(columns, key)).where(view.chain_id == chain_id)
    ).scalar_one()
    return digest or b""


def _digest(
    columns: Sequence[ColumnElement[Any]], order: Sequence[ColumnElement[Any]]
) -> ColumnElement[bytes]:
    """SHA-256 of rows in order, of which no two that differ are written alike."""
    row = reduce(_joined, map(_written, columns))
    return func.sha256(func.string_agg(row, aggregate_order_by(_bytes(b""), *order)))


def _written(column: ColumnElement[Any]) -> ColumnElement[bytes]:
    """A value as bytes that say where they end; null is a byte of its own."""
    written = _present(column)
    if isinstance(column, Column) and not column.nullable:
        return written
    return case((column.is_(None), _bytes(b"\0")), else_=_joined(_bytes(b"\1"), written))


def _present(column: ColumnElement[Any]) -> ColumnElement[bytes]:
    match column.type:
        case FixedBytes():
            return type_coerce(column, BYTEA)
        case LargeBinary():
            return _sized(type_coerce(column, BYTEA))
        case JSONB():  # written by Postgres, with its keys in one order
            return _sized(func.convert_to(cast(column, Text), "UTF8"))
        case String():
            return _sized(func.convert_to(column, "UTF8"))
        case kind:
            return _SENDERS[type(kind)](column)


_SENDERS: Final[
    dict[type[TypeEngine[Any]], Callable[[ColumnElement[Any]], ColumnElement[bytes]]]
] = {
    BigInteger: func.int8send,
    Integer: func.int4send,
    SmallInteger: func.int2send,
    Boolean: func.boolsend,
    Date: func.date_send,
    Uint256: func.numeric_send,
    UtcDateTime: func.timestamptz_send,
}
"""Postgres' own binary form of values."""


def _sized(value: ColumnElement[bytes]) -> ColumnElement[bytes]:
    return _joined(func.int4send(func.octet_length(value)), value)


def _joined(left: ColumnElement[bytes], right: ColumnElement[bytes]) -> ColumnElement[bytes]:
    return left.op("||", return_type=BYTEA())(right)


def _bytes(value: bytes) -> ColumnElement[bytes]:
    return literal(value, BYTEA)
