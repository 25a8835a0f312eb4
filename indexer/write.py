"""Write one reading: blocks, facts, projections, ledger, outbox and cursor, in one transaction.

The caller opens the transaction; whoever reads sees all of it or nothing.
"""

from sqlalchemy import Connection, select

from indexer.announcing import announce
from indexer.chain.types import BlockNumber, BlockStamp, ChainId
from indexer.claims import claim_earlier, project_claimed
from indexer.copying import CopyRows, copy_rows
from indexer.cursor import move_cursor
from indexer.fetch import Reading
from indexer.known import KnownContracts
from indexer.ledger import extend
from indexer.projection_tables import campaigns, treasuries
from indexer.projections.project import project
from indexer.tables import blocks


def write_reading(
    connection: Connection,
    chain_id: ChainId,
    reading: Reading,
    *,
    expected: BlockStamp | None,
    head_number: BlockNumber | None = None,
    projected: bool = True,
) -> None:
    """Write a reading and move the cursor to its last block.

    Args:
        connection: In a transaction.
        chain_id: The chain.
        reading: What was read and verified.
        expected: Where the cursor must stand.
        head_number: Newest block the node reports; None keeps what was noted.
        projected: Whether to make the projections and move readers' mark too; a backfill does so
            afterwards, for many readings at once.

    Raises:
        InvariantError: Another writer moved the cursor.
    """
    move_cursor(
        connection,
        chain_id,
        expected=expected,
        to=reading.last.stamp,
        head_number=head_number,
        projected=projected,
    )
    copy_rows(connection, _block_rows(chain_id, reading))
    copy_rows(connection, reading.facts.rows)
    claimed_low = claim_earlier(connection, chain_id, reading)
    extend(
        connection,
        chain_id,
        low=reading.low,
        high=reading.last.number,
        state=reading.state,
        provider=reading.provider,
        headers_linked=reading.headers_linked,
        digest=reading.digest,
    )
    announce(connection, chain_id, action="added", low=reading.low, high=reading.last.number)
    if claimed_low is not None:
        before = BlockNumber(reading.low - 1)
        announce(connection, chain_id, action="amended", low=claimed_low, high=before)
        project_claimed(connection, chain_id, claimed_low, before, reading.facts.made)
    if projected:
        project(connection, chain_id, reading.low, reading.last.number)


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


def _block_rows(chain_id: ChainId, reading: Reading) -> CopyRows:
    rows = CopyRows()
    rows.add_rows(
        blocks,
        (
            {
                "chain_id": chain_id,
                "number": block.header.number,
                "hash": block.header.hash,
                "parent_hash": block.header.parent_hash,
                "timestamp": block.header.timestamp,
                "receipts_root": block.header.receipts_root,
                "logs_count": block.logs_count,
                "proven": block.proven,
            }
            for block in reading.blocks
        ),
    )
    return rows
