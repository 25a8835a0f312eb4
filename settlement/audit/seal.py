"""Seal the record of settlement: hash what was added to it since into a block of a chain.

A row is sealed once its place among all rows, by transaction, can no longer change: no transaction
below a snapshot's ``xmin`` is still running, so no row that commits later can stand before it.
Ids alone would not do: the lower of two may commit later.

Sealing is bounded, and gives way where another process is at it: it must never hold up a payment.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import Connection, Engine, insert, text

from indexer.db.locks import try_transaction_lock
from indexer.errors import InvariantError
from settlement.audit.chain import Place, SealedBlock, seal
from settlement.audit.rows import read_head, rows_between
from settlement.audit.tables import audit_blocks

log = structlog.get_logger()

ROWS_MAX: Final = 1000
"""Of a block: its proof is ten hashes, and sealing it takes a few hundredths of a second."""
BLOCKS_MAX: Final = 5
LOCK_NAME: Final = "settlement.audit.seal"

_HORIZON = text(
    """
    SELECT settlement.xact_number(pg_snapshot_xmin(now_running)) AS running,
           settlement.xact_number(pg_snapshot_xmax(now_running)) AS unknown,
           greatest((SELECT max(xact) FROM settlement.moves),
                    (SELECT max(xact) FROM settlement.notes)) AS newest,
           clock_timestamp() AS at
    FROM pg_current_snapshot() AS now_running
    """
)


@dataclass(frozen=True, slots=True)
class _Horizon:
    before: Place
    """Nothing that commits later can stand before this."""
    at: datetime


def seal_due(engine: Engine, *, rows_max: int = ROWS_MAX, blocks_max: int = BLOCKS_MAX) -> int:
    """Seal what waits, a transaction a block; says how many rows.

    Args:
        engine: As the owner of schema ``settlement``.
        rows_max: How many rows a block holds at most.
        blocks_max: How many blocks at most; the rest waits for the next call.

    Raises:
        InvariantError: The record is not this server's, or was forged.
    """
    rows = 0
    for _ in range(blocks_max):
        with engine.begin() as connection:
            block = seal_record(connection, rows_max=rows_max)
        if block is None:
            break
        rows += block.rows
        # The log is one more place that remembers heads.
        log.info("record_sealed", block=block.number, rows=block.rows, hash=block.hash.hex())
        if block.rows < rows_max:
            break
    return rows


def seal_record(connection: Connection, *, rows_max: int = ROWS_MAX) -> SealedBlock | None:
    """Seal the oldest rows that are not sealed yet into one block.

    Args:
        connection: A transaction of its own, READ COMMITTED, as the owner of schema ``settlement``.
        rows_max: How many rows at most.

    Returns:
        The block, which stands once the transaction commits. None if nothing waits, or if another
        transaction is sealing.

    Raises:
        InvariantError: The record is not this server's, or was forged.
    """
    if not try_transaction_lock(connection, LOCK_NAME):
        return None
    # Before the rows are read: a later snapshot sees all that had ended by then.
    horizon = _read_horizon(connection)
    previous = read_head(connection)
    rows = rows_between(connection, previous.until, horizon.before, limit=rows_max)
    if not rows:
        return None
    block = seal(previous, rows, sealed_at=horizon.at)
    connection.execute(insert(audit_blocks).values(_columns(block)))
    return block


def _read_horizon(connection: Connection) -> _Horizon:
    row = connection.execute(_HORIZON).one()
    if row.newest is not None and row.newest >= row.unknown:
        raise InvariantError(
            f"the record holds a row of transaction {row.newest}, and this server has not come to "
            f"{row.unknown} yet: the database was restored from another server's dump (then set "
            "settlement.xact_number right: docs/operations.md, The audit record), or the row was "
            "forged. Nothing was sealed"
        )
    return _Horizon(Place(row.running, "", 0), row.at)


def _columns(block: SealedBlock) -> dict[str, object]:
    return {
        "number": block.number,
        "version": block.version,
        "rows": block.rows,
        "first_position": block.first_position,
        "last_position": block.last_position,
        "until_xact": block.until.xact,
        "until_table": block.until.table,
        "until_id": block.until.id,
        "rows_hash": block.rows_hash,
        "previous_hash": block.previous_hash,
        "merkle_root": block.merkle_root,
        "sealed_at": block.sealed_at,
        "hash": block.hash,
        "row_hashes": b"".join(block.row_hashes),
    }
