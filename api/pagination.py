"""Keyset pages behind opaque cursors.

A cursor is bound to its route and filters by an HMAC, so it can be neither forged nor carried to
another query. It remembers, per chain, the highest block among the rows already delivered and the
newest reorg known then: a later reorg below that block means the client holds rows that may have
vanished, and the cursor is refused instead of silently mixing two histories.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection, select

from api.errors import invalid_cursor, invalidated_cursor
from api.freshness import Snapshot
from indexer.tables import reorgs

MAC_BYTES = 16
"""128 bits: a forger's chance per try is 2^-128."""

T = TypeVar("T")
Position = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Delivered:
    """What of one chain the client already holds."""

    block_number: int
    reorg_id: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page starts and what the pages before it rest on."""

    position: Position
    delivered: dict[int, Delivered] = field(default_factory=dict)


class CursorCodec:
    """Signs cursors and checks them.

    Args:
        secret: HMAC key, the same on every replica.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def encode(self, scope: str, cursor: Cursor) -> str:
        """Write a cursor for one query.

        Args:
            scope: Route and filters; the cursor is good for these only.
            cursor: What to write.
        """
        chains = [[c, d.block_number, d.reorg_id] for c, d in cursor.delivered.items()]
        payload = json.dumps([cursor.position, chains], separators=(",", ":")).encode()
        token = base64.urlsafe_b64encode(self._mac(scope, payload) + payload)
        return token.rstrip(b"=").decode()

    def decode(self, scope: str, text: str) -> Cursor:
        """Read a cursor of one query.

        Raises:
            ProblemError: 400, it was changed or was issued for another query.
        """
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise invalid_cursor() from None
        mac, payload = raw[:MAC_BYTES], raw[MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(scope, payload)):
            raise invalid_cursor()
        position, chains = json.loads(payload)
        return Cursor(
            tuple(position), {chain: Delivered(block, reorg) for chain, block, reorg in chains}
        )

    def _mac(self, scope: str, payload: bytes) -> bytes:
        scope_hash = hashlib.sha256(scope.encode()).digest()
        return hmac.digest(self._secret, scope_hash + payload, "sha256")[:MAC_BYTES]


def refuse_if_reorganised(connection: Connection, cursor: Cursor) -> None:
    """Refuse a cursor whose delivered rows a reorg may have undone.

    Raises:
        ProblemError: 409, the client must start over.
    """
    for chain_id, delivered in cursor.delivered.items():
        undone = connection.execute(
            select(reorgs.c.ancestor_number)
            .where(
                reorgs.c.chain_id == chain_id,
                reorgs.c.id > delivered.reorg_id,
                reorgs.c.ancestor_number < delivered.block_number,
            )
            .order_by(reorgs.c.ancestor_number)
            .limit(1)
        ).scalar_one_or_none()
        if undone is not None:
            raise invalidated_cursor(chain_id=chain_id, ancestor_block=undone)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One page of one query.

    Attributes:
        scope: Route and filters.
        limit: Rows wanted.
        cursor: Where to start; None at the beginning.
    """

    scope: str
    limit: int
    cursor: Cursor | None


@dataclass(frozen=True, slots=True)
class Placed:
    """A delivered row's place: its sort key and the block it rests on, by chain."""

    position: Position
    chain_id: int | None
    block_number: int | None


def cut_page(
    rows: Sequence[T], wanted: PageRequest, snapshot: Snapshot, *, place: Callable[[T], Placed]
) -> tuple[Sequence[T], Cursor | None]:
    """Split ``limit + 1`` fetched rows into a page and the cursor of the next one.

    Args:
        rows: At most one row more than wanted.
        wanted: The request.
        snapshot: Where the rows were read.
        place: Tells a row's sort key and block.

    Returns:
        The page, and None when it is the last.
    """
    page = rows[: wanted.limit]
    if len(rows) <= wanted.limit:
        return page, None
    places = [place(row) for row in page]
    before = wanted.cursor.delivered if wanted.cursor else {}
    return page, Cursor(places[-1].position, _delivered(places, before, snapshot))


def _delivered(
    places: Iterable[Placed], before: dict[int, Delivered], snapshot: Snapshot
) -> dict[int, Delivered]:
    """Join this page's blocks to those of the pages before.

    The old reorg ids may move up to this snapshot's: the request was refused if they mattered.
    """
    highest = {chain_id: delivered.block_number for chain_id, delivered in before.items()}
    for placed in places:
        if placed.chain_id is not None and placed.block_number is not None:
            known = highest.get(placed.chain_id, 0)
            highest[placed.chain_id] = max(known, placed.block_number)
    return {
        chain_id: Delivered(block_number, snapshot.mark(chain_id).reorg_id)
        for chain_id, block_number in highest.items()
    }


def newest_first(created_at: datetime, row_id: UUID) -> Position:
    """Sort key of lists that run from the newest row down."""
    return created_at.isoformat(), str(row_id)


def read_newest_first(position: Position) -> tuple[datetime, UUID]:
    """Read back a key of :func:`newest_first`."""
    created_at, row_id = position
    return datetime.fromisoformat(str(created_at)), UUID(str(row_id))
