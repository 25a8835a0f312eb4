"""The named points at which a process dies, and the seams at which it is seen to be there.

Production code knows nothing of this: the signer and the reader are wrapped, and what a database
transaction does is told by the tables it wrote.
"""

import os
import signal
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import Connection, Engine, event
from typing_extensions import override

from indexer.chain.rpc import ChainReader
from indexer.chain.types import Address, TxHash
from indexer.errors import RpcError, RpcUnavailable
from settlement.signer import Signer
from settlement.transactions import UnsignedTransaction

EnginePoint = Literal[
    "sealed",
    "signed",
    "persisted",
    "intended",
    "accepted",
    "answered",
    "bumped",
    "receipt_stored",
    "requests_moved",
    "finalized",
]
"""In the order of a transaction's life. A settlement process dies just after: the batch and its
nonce are committed; the signer answered; the signed bytes are committed; the intent to send them is
committed; the nodes answered; their answer is committed; a replacement is committed; a receipt is
committed; requests moved, mostly as the index shows them; a slot is final."""
IndexerPoint = Literal["block_written"]
"""The indexer dies when a block's facts and its own place are written, and nothing is committed."""
Point = EnginePoint | IndexerPoint

ENGINE_POINTS: tuple[EnginePoint, ...] = get_args(EnginePoint)
INDEXER_POINTS: tuple[IndexerPoint, ...] = get_args(IndexerPoint)
DRY_POINTS: frozenset[Point] = frozenset({"block_written"})
"""Points that are reached before the commit, which then never happens."""


@dataclass(slots=True)
class Doom:
    """Where one process dies, if it gets there."""

    point: Point | None = None
    passes: int = 0
    """How often it gets by before."""

    def reach(self, point: Point) -> None:
        """Be at a point; nothing comes after it where this process dies there."""
        if point != self.point:
            return
        if self.passes == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passes -= 1


class DoomedSigner:
    """A signer whose process may die with the signature in its hands."""

    def __init__(self, signer: Signer, doom: Doom) -> None:
        """Stand in for a signer."""
        self._signer = signer
        self._doom = doom

    @property
    def address(self) -> Address:
        """The account it signs for."""
        return self._signer.address

    def sign(self, transaction: UnsignedTransaction) -> bytes:
        """Sign, as the signer does."""
        raw = self._signer.sign(transaction)
        self._doom.reach("signed")
        return raw


class DoomedReader(ChainReader):
    """A reader whose process may die before anybody knows what the nodes answered."""

    def __init__(self, urls: Sequence[str], doom: Doom) -> None:
        """Prepare; nothing is sent yet."""
        super().__init__(urls)
        self._doom = doom

    @override
    def send_raw_to_all(self, raw: bytes) -> list[TxHash | RpcError | RpcUnavailable]:
        outcomes = super().send_raw_to_all(raw)
        self._doom.reach("accepted")
        return outcomes


@dataclass(frozen=True, slots=True)
class Wrote:
    """One statement that changed rows."""

    verb: Literal["INSERT", "UPDATE"]
    table: str
    columns: str
    """The statement up to its condition."""

    def sets(self, column: str) -> bool:
        """Whether it changes this column."""
        return f"{column}=" in self.columns


def read_write(statement: str) -> Wrote | None:
    """What a statement writes; None for what writes nothing."""
    words = statement.split(maxsplit=3)
    match [word.upper() for word in words[:2]], words:
        case ["INSERT", "INTO"], [_, _, table, *_]:
            return Wrote("INSERT", table, "")
        case ["UPDATE", _], [_, table, *_]:
            return Wrote("UPDATE", table, statement.partition(" WHERE ")[0])
        case _:
            return None


def point_of(writes: Collection[Wrote]) -> Point | None:
    """The point at which a database transaction with these writes stands."""
    inserted = {write.table for write in writes if write.verb == "INSERT"}
    updated = [write for write in writes if write.verb == "UPDATE"]
    if "settlement.nonce_slots" in inserted:
        return "sealed"
    if "settlement.attempts" in inserted:
        first = any(write.table == "settlement.nonce_slots" for write in updated)
        return "persisted" if first else "bumped"
    signs: tuple[tuple[Point, str, str], ...] = (
        ("intended", "settlement.attempts", "intent_at"),
        ("answered", "settlement.attempts", "last_answer"),
        ("finalized", "settlement.nonce_slots", "is_final"),
        ("receipt_stored", "settlement.nonce_slots", "mined_tx"),
        ("requests_moved", "settlement.requests", "settled_block"),
        ("requests_moved", "settlement.requests", "reason"),
        ("block_written", "chain.marks", "fetched_hash"),
    )
    for point, table, column in signs:
        if any(write.table == table and write.sets(column) for write in updated):
            return point
    return None


def watch(engine: Engine | type[Engine], doom: Doom) -> None:
    """Let a process reach its points in the database transactions of an engine, or of all."""
    written: dict[int, list[Wrote]] = {}

    def executed(connection: Connection, cursor: object, statement: str, *_: object) -> None:
        write = read_write(statement)
        if write is not None and getattr(cursor, "rowcount", 0) > 0:
            written.setdefault(id(connection), []).append(write)

    def ended(connection: Connection) -> None:
        written.pop(id(connection), None)

    def commit(connection: Connection) -> None:
        point = point_of(written.pop(id(connection), []))
        if point is None or point != doom.point:
            return
        if point not in DRY_POINTS:
            connection.connection.commit()
        doom.reach(point)

    event.listen(engine, "after_cursor_execute", executed)
    event.listen(engine, "rollback", ended)
    event.listen(engine, "commit", commit)
