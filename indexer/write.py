"""Write one reading: blocks, logs, facts, projections, ledger and cursor, in one transaction.

The caller opens the transaction; whoever reads sees all of it or nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ARRAY, Connection, Row, Table, any_, insert, literal, select, tuple_, update

from indexer.chain.blocks import Log
from indexer.chain.types import (
    HASH_BYTES,
    Address,
    BlockNumber,
    BlockStamp,
    ChainId,
    PaymentId,
)
from indexer.cursor import move_cursor
from indexer.db.columns import ADDRESS
from indexer.decode import Event, decode_log
from indexer.fetch import BlockRead, Reading
from indexer.known import KeptLog, KnownContracts
from indexer.projections.facts import FactRow, fact_rows
from indexer.projections.payments import PaymentKey, rebuild_payments
from indexer.projections.refunds import resolve_refunds
from indexer.tables import blocks, campaigns, logs, ranges, treasuries


def write_reading(
    connection: Connection,
    chain_id: ChainId,
    reading: Reading,
    *,
    expected: BlockStamp | None,
    head_number: BlockNumber,
    touched: Iterable[PaymentKey] = (),
) -> None:
    """Write a reading and move the cursor to its last block.

    Args:
        connection: In a transaction.
        chain_id: The chain.
        reading: What was read and verified.
        expected: Where the cursor must stand.
        head_number: Newest block the node reports.
        touched: Payments whose facts an undo in this transaction has removed.

    Raises:
        InvariantError: Another writer moved the cursor.
    """
    move_cursor(
        connection,
        chain_id,
        expected=expected,
        to=reading.last.stamp,
        head_number=head_number,
    )
    connection.execute(insert(blocks), [_block_row(chain_id, one) for one in reading.blocks])
    kept = [(block, one) for block in reading.blocks for one in block.kept]
    if kept:
        connection.execute(insert(logs), [_log_row(chain_id, one) for _, one in kept])
    events = [one.event for _, one in kept if one.claimed and isinstance(one.event, Event)]
    rows = [row for event in events for row in fact_rows(chain_id, event)]
    rows += _late_claims(connection, chain_id, reading.known, _made_known(rows))
    rows = resolve_refunds(connection, chain_id, rows)
    _insert_facts(connection, rows)
    _extend_ledger(connection, chain_id, reading)
    rebuild_payments(connection, chain_id, {*touched, *_payments_of(rows)})


def known_contracts(
    connection: Connection, chain_id: ChainId, deployed: KnownContracts, *, at: BlockNumber
) -> KnownContracts:
    """The contracts known as of block ``at``: the deployment's and those its factories made."""
    found = [
        frozenset(
            connection.execute(
                select(table.c[name]).where(
                    table.c.chain_id == chain_id, table.c.block_number <= at
                )
            ).scalars()
        )
        for table, name in ((campaigns, "campaign"), (treasuries, "treasury"))
    ]
    return KnownContracts(fixed=deployed.fixed, campaigns=found[0], treasuries=found[1])


def _block_row(chain_id: ChainId, block: BlockRead) -> dict[str, Any]:
    header = block.header
    return {
        "chain_id": chain_id,
        "number": header.number,
        "hash": header.hash,
        "parent_hash": header.parent_hash,
        "timestamp": header.timestamp,
        "receipts_root": header.receipts_root,
        "logs_count": len(block.kept),
        "proven": block.proven,
    }


def _log_row(chain_id: ChainId, kept: KeptLog) -> dict[str, Any]:
    log = kept.event.log
    return {
        "chain_id": chain_id,
        "block_number": log.block_number,
        "block_hash": log.block_hash,
        "log_index": log.log_index,
        "tx_hash": log.tx_hash,
        "tx_index": log.tx_index,
        "address": log.address,
        "event": kept.event.type.name,
        "arguments": kept.event.json_arguments(),
        "claimed": kept.claimed,
        "topics": b"".join(log.topics),
        "data": log.data,
    }


def _made_known(rows: Sequence[FactRow]) -> list[Address]:
    return [row.values["campaign"] for row in rows if row.table is campaigns] + [
        row.values["treasury"] for row in rows if row.table is treasuries
    ]


def _late_claims(
    connection: Connection,
    chain_id: ChainId,
    known: KnownContracts,
    made_known: Sequence[Address],
) -> Iterator[FactRow]:
    """Claim the stored logs of contracts that this reading made known, and state their facts."""
    if not made_known:
        return
    unclaimed = connection.execute(
        select(logs).where(
            logs.c.chain_id == chain_id,
            logs.c.address == any_(literal(list(made_known), ARRAY(ADDRESS))),
            ~logs.c.claimed,
        )
    ).all()
    claimed = []
    for row in unclaimed:
        event = decode_log(_stored_log(row))
        if isinstance(event, Event) and known.claims(event):
            claimed.append((row.block_hash, row.log_index))
            yield from fact_rows(chain_id, event)
    if claimed:
        connection.execute(
            update(logs)
            .where(
                logs.c.chain_id == chain_id,
                tuple_(logs.c.block_hash, logs.c.log_index).in_(claimed),
            )
            .values(claimed=True)
        )


def _stored_log(row: Row[Any]) -> Log:
    topics = row.topics
    return Log(
        address=row.address,
        topics=tuple(
            topics[start : start + HASH_BYTES] for start in range(0, len(topics), HASH_BYTES)
        ),
        data=row.data,
        block_number=row.block_number,
        block_hash=row.block_hash,
        tx_hash=row.tx_hash,
        tx_index=row.tx_index,
        log_index=row.log_index,
    )


def _insert_facts(connection: Connection, rows: Iterable[FactRow]) -> None:
    by_table: defaultdict[Table, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_table[row.table].append(row.values)
    for table, values in by_table.items():
        connection.execute(insert(table), values)


def _payments_of(rows: Iterable[FactRow]) -> set[PaymentKey]:
    return {
        (row.values["treasury"], PaymentId(row.values["payment_id"]))
        for row in rows
        if "payment_id" in row.values
    }


def _extend_ledger(connection: Connection, chain_id: ChainId, reading: Reading) -> None:
    """Record the range as read: lengthen the last row when it says the same, else add one."""
    lengthened = connection.execute(
        update(ranges)
        .where(
            ranges.c.chain_id == chain_id,
            ranges.c.high == reading.low - 1,
            ranges.c.state == reading.state,
            ranges.c.provider == reading.provider,
        )
        .values(high=reading.last.number)
    )
    if lengthened.rowcount == 0:
        connection.execute(
            insert(ranges).values(
                chain_id=chain_id,
                low=reading.low,
                high=reading.last.number,
                state=reading.state,
                provider=reading.provider,
            )
        )
