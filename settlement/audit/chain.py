"""How the record of settlement is hashed: its rows in a chain, the chain in blocks. Pure.

Form 1, for whoever checks it with other tools. ``‖`` joins bytes, integers are big-endian of so
many bytes, JSON is as ``settlement.audit.canonical`` has it.

- A row is the JSON ``{"row": {column: value, …}, "table": name}``. Its *place* is its ``xact``,
  then its table, then its ``id``. Rows stand in the order of their places; their *positions*, from
  1 without holes, are given when they are sealed.
- Row hash: SHA-256(version:2 ‖ position:8 ‖ hash of the row before:32 ‖ row).
- Merkle root: that of RFC 6962 over the row hashes of a block; it proves a row without the others.
- Block hash: SHA-256(version:2 ‖ ``block`` ‖ JSON of the block without ``hash``, ``row_hashes``).
- Before the first row, and the first block, stand 32 zero bytes.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from settlement.audit.canonical import canonical
from settlement.audit.merkle import merkle_root

VERSION: Final = 1
HASH_BYTES: Final = 32
_ZERO: Final = bytes(HASH_BYTES)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a row stands among all rows of the record."""

    xact: int
    """Number of the transaction that wrote it."""
    table: str
    id: int


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the record."""

    place: Place
    text: bytes
    """The row as it is hashed."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends: all that the next block needs of it."""

    number: int
    """Of its last block; 0 before the first."""
    hash: bytes
    position: int
    """Of its last row."""
    rows_hash: bytes
    until: Place


GENESIS: Final = Head(0, _ZERO, 0, _ZERO, Place(-(2**63), "", 0))
"""The head of a chain without a block."""


@dataclass(frozen=True, slots=True)
class SealedBlock:
    """Rows that were hashed together."""

    number: int
    """From 1, without holes."""
    version: int
    first_position: int
    last_position: int
    until: Place
    """Of its last row: it holds every row behind the block before, up to here."""
    rows_hash: bytes
    """Hash of its last row, and through it of every row so far."""
    previous_hash: bytes
    merkle_root: bytes
    sealed_at: datetime
    hash: bytes
    row_hashes: tuple[bytes, ...] = field(repr=False)
    """Not in ``hash``, which has them through ``merkle_root``; they tell which row is wrong."""

    @property
    def head(self) -> Head:
        """The end of the chain while this is its last block."""
        return Head(self.number, self.hash, self.last_position, self.rows_hash, self.until)

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return self.last_position - self.first_position + 1

    def fields(self) -> dict[str, object]:
        """What ``hash`` is of."""
        return {
            "first_position": self.first_position,
            "last_position": self.last_position,
            "merkle_root": self.merkle_root,
            "number": self.number,
            "previous_hash": self.previous_hash,
            "rows_hash": self.rows_hash,
            "sealed_at": self.sealed_at,
            "until": {"id": self.until.id, "table": self.until.table, "xact": self.until.xact},
            "version": self.version,
        }


def seal(previous: Head, rows: Sequence[Row], *, sealed_at: datetime) -> SealedBlock:
    """Hash rows into the block that follows.

    Args:
        previous: Where the chain ends so far.
        rows: What comes next, in order; at least one.
        sealed_at: Aware; kept in the block.
    """
    hashes = chain_rows(previous, (row.text for row in rows))
    block = SealedBlock(
        number=previous.number + 1,
        version=VERSION,
        first_position=previous.position + 1,
        last_position=previous.position + len(rows),
        until=rows[-1].place,
        rows_hash=hashes[-1],
        previous_hash=previous.hash,
        merkle_root=merkle_root(hashes),
        sealed_at=sealed_at,
        hash=_ZERO,
        row_hashes=hashes,
    )
    return replace(block, hash=hash_block(block))


def hash_block(block: SealedBlock) -> bytes:
    """The hash that a block of these fields has, whatever it says itself."""
    return hashlib.sha256(
        block.version.to_bytes(2, "big") + b"block" + canonical(block.fields())
    ).digest()


def chain_rows(previous: Head, texts: Iterable[bytes]) -> tuple[bytes, ...]:
    """The hashes of rows that follow the end of a chain."""
    hashes, last = list[bytes](), previous.rows_hash
    for position, text in enumerate(texts, previous.position + 1):
        last = hash_row(position, last, text)
        hashes.append(last)
    return tuple(hashes)


def hash_row(position: int, previous: bytes, text: bytes) -> bytes:
    """The hash of a row at a position, behind the row whose hash is ``previous``."""
    lead = VERSION.to_bytes(2, "big") + position.to_bytes(8, "big")
    return hashlib.sha256(lead + previous + text).digest()
