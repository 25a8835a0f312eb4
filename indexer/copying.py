"""Rows as Postgres' binary COPY format, by column or one by one. Pure but for ``copy_rows``.

Source: PostgreSQL documentation, "COPY", Binary Format; PostgreSQL's ``numeric_send``,
``jsonb_send`` and ``timestamptz_send``. A row is a count of fields, then each field's length and
bytes; rows of one shape are a matrix, built column by column.
"""

import json
import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from indexer.db.columns import FixedBytes, Uint256, UtcDateTime

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_BASE = 10_000
"""Numeric's digits are base 10,000."""
_LIMB_BITS = 32
_JSONB_VERSION = b"\x01"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECONDS = 1_000_000
_CHUNK_BYTES = 1 << 20

_INTEGERS: dict[type, str] = {BigInteger: ">i8", Integer: ">i4", SmallInteger: ">i2"}

Matrix = npt.NDArray[Any]
Value = int | bool | bytes | str | datetime | Mapping[str, Any] | None
Row = Mapping[str, Value]


@dataclass(slots=True)
class CopyRows:
    """Rows for some tables, packed."""

    chunks: defaultdict[Table, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    counts: defaultdict[Table, int] = field(default_factory=lambda: defaultdict(int))

    def add_columns(self, table: Table, columns: Mapping[str, Any], count: int) -> None:
        """Add rows given as columns.

        Args:
            table: Where they go.
            columns: By name of every column: an array of ``count`` integers or booleans, a matrix
                of bytes (the words of an integer for a uint256), or one value for all rows;
                None is null in all.
            count: How many rows.
        """
        if count:
            self.chunks[table].append(_packed(table, columns, count))
            self.counts[table] += count

    def add_rows(self, table: Table, rows: Iterable[Row]) -> None:
        """Add rows one by one: for few rows, or for columns of any length."""
        packed = [_packed_row(table, row) for row in rows]
        if packed:
            self.chunks[table] += packed
            self.counts[table] += len(packed)

    def total(self) -> int:
        """How many rows there are."""
        return sum(self.counts.values())


def copy_rows(connection: Connection, rows: CopyRows) -> None:
    """Send the rows to Postgres, in the connection's transaction."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("COPY needs a psycopg connection")
    for table, chunks in rows.chunks.items():
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        statement = f"COPY {table.schema}.{table.name} ({names}) FROM STDIN (FORMAT BINARY)"
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(_HEADER)
            for chunk in _joined(chunks):
                copy.write(chunk)
            copy.write(_TRAILER)


def _joined(chunks: Sequence[bytes]) -> Iterable[bytes]:
    """Small chunks together: a call for each row would cost more than the row."""
    waiting: list[bytes] = []
    size = 0
    for chunk in chunks:
        waiting.append(chunk)
        size += len(chunk)
        if size >= _CHUNK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def _packed(table: Table, columns: Mapping[str, Any], count: int) -> bytes:
    """Rows of one width: a record array is the COPY stream."""
    layout: list[tuple[Any, ...]] = [("", ">i2")]
    values: list[Any] = [len(table.columns)]
    for column in table.columns:
        value = columns[column.name]
        if value is None:
            layout.append(("", ">i4"))
            values.append(-1)
            continue
        parts = _field(column.type, value, count)
        size = sum(np.dtype(kind).itemsize * int(np.prod(shape)) for kind, shape, _ in parts)
        layout.append(("", ">i4"))
        values.append(size)
        for kind, shape, value in parts:
            layout.append(("", kind, shape))
            values.append(value)
    records = np.empty(count, [(f"f{place}", *rest[1:]) for place, rest in enumerate(layout)])
    for place, value in enumerate(values):
        records[f"f{place}"] = value
    return records.tobytes()


def _field(kind: object, value: Any, count: int) -> list[tuple[str, tuple[int, ...], Any]]:  # noqa: ANN401 - arrays of any kind
    """A field's parts: numpy type, shape and values."""
    if isinstance(kind, Boolean):
        return [("u1", (), np.asarray(value, np.uint8))]
    if isinstance(kind, FixedBytes):
        matrix = np.frombuffer(value, np.uint8) if isinstance(value, bytes) else value
        return [("u1", (kind.length,), matrix)]
    if isinstance(kind, Uint256):
        digits = _digits(value, count)
        width = digits.shape[1]
        head = [(">i2", (), width), (">i2", (), width - 1), (">i2", (), 0), (">i2", (), 0)]
        return [*head, (">i2", (width,), digits)]
    if isinstance(kind, Text):
        raw = np.frombuffer(value.encode(), np.uint8)
        return [("u1", raw.shape, raw)]
    if isinstance(kind, LargeBinary):
        return [("u1", value.shape[1:], value)]
    return [(_INTEGERS[type(kind)], (), value)]


def _digits(words: Any, count: int) -> Matrix:  # noqa: ANN401 - a matrix, or one integer for all
    """Base-10,000 digits of big-endian 32-byte words, the same number of digits for all.

    Long division in limbs of 32 bits: amounts of tokens with 18 decimals do not fit 64 bits.
    """
    if isinstance(words, int):
        words = np.tile(np.frombuffer(words.to_bytes(32, "big"), np.uint8), (count, 1))
    limbs = np.ascontiguousarray(words).view(">u4").astype(np.uint64)
    used = np.flatnonzero(limbs.any(axis=0))
    limbs = limbs[:, used[0] :] if len(used) else limbs[:, -1:]
    digits = []
    while True:
        remainder = np.zeros(count, np.uint64)
        for place in range(limbs.shape[1]):
            value = (remainder << np.uint64(_LIMB_BITS)) | limbs[:, place]
            limbs[:, place] = value // np.uint64(_BASE)
            remainder = value % np.uint64(_BASE)
        digits.append(remainder.astype(np.int16))
        while limbs.shape[1] and not limbs[:, 0].any():
            limbs = limbs[:, 1:]
        if not limbs.shape[1]:
            break
    return np.stack(digits[::-1], axis=1)


def _packed_row(table: Table, row: Row) -> bytes:
    parts = [struct.pack(">h", len(table.columns))]
    for column in table.columns:
        value = row[column.name]
        if value is None:
            parts.append(_NULL)
            continue
        raw = _raw(column.type, value)
        parts += (struct.pack(">i", len(raw)), raw)
    return b"".join(parts)


def _raw(kind: object, value: Value) -> bytes:  # noqa: PLR0911 - one return for each kind
    match value:
        case bool():
            return b"\x01" if value else b"\x00"
        case int() if isinstance(kind, Uint256):
            return _numeric(value)
        case int():
            return value.to_bytes(np.dtype(_INTEGERS[type(kind)]).itemsize, "big", signed=True)
        case bytes():
            return value
        case str():
            return value.encode()
        case datetime() if isinstance(kind, UtcDateTime):
            since = value - _EPOCH
            whole = (since.days * 86_400 + since.seconds) * _MICROSECONDS + since.microseconds
            return whole.to_bytes(8, "big", signed=True)
        case Mapping() if isinstance(kind, JSONB):
            return _JSONB_VERSION + json.dumps(value, separators=(",", ":")).encode()
        case _:
            raise TypeError(f"no binary form of {type(value).__name__} as {kind!r}")


def _numeric(value: int) -> bytes:
    digits: list[int] = []
    while value:
        value, digit = divmod(value, _BASE)
        digits.append(digit)
    digits.reverse()
    return struct.pack(f">hhHH{len(digits)}h", len(digits), max(len(digits) - 1, 0), 0, 0, *digits)
