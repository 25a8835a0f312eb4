"""Undo blocks that are no longer canonical, and keep what vanished as evidence.

Nothing is undone before its replacement is read and verified; undo and replacement commit together.
Every statement works on a set of rows: what a stalled chain may undo is a day of blocks.
"""

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Table,
    Text,
    and_,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    update,
)

from indexer.announcing import announce
from indexer.chain.types import BlockNumber, BlockStamp, ChainId
from indexer.cursor import reset_cursor
from indexer.events import CAMPAIGN_CREATED, TREASURY_DEPLOYED
from indexer.finality import candidate
from indexer.ledger import cut
from indexer.projections.undo import undo_projections
from indexer.tables import (
    blocks,
    details,
    logs,
    orphans,
    payments_confirmed,
    payments_created,
    reorgs,
    token_transfers,
    unclaimed_logs,
)

EVIDENCE: tuple[Table, ...] = (payments_created, payments_confirmed, token_transfers, logs)
"""Tables whose rows are kept as orphans when their block is undone: what was once said of money."""
_ORPHAN_COLUMNS = (
    "reorg_id",
    "chain_id",
    "fact",
    "block_number",
    "block_hash",
    "log_index",
    "ordinal",
    "values",
)


def undo_blocks(
    connection: Connection, chain_id: ChainId, *, ancestor: BlockNumber, tip: BlockStamp
) -> int:
    """Delete every row above ``ancestor`` and record what vanished; the cursor is the caller's.

    What a contract said before the block that made it known is believed no longer if that block
    goes; it stands unclaimed again.

    Args:
        connection: In the transaction that also writes the replacement.
        chain_id: The chain.
        ancestor: Highest block that stays.
        tip: Where the cursor stood; part of the record.

    Returns:
        Id of the record in ``chain.reorgs``; the orphans name it.
    """
    reorg_id = _record_reorg(connection, chain_id, ancestor=ancestor, tip=tip)
    if _makes_contracts_unknown(connection, chain_id, ancestor):
        _unclaim(connection, chain_id, ancestor, reorg_id)
    for table in EVIDENCE:
        move_to_orphans(connection, table, _above(table, chain_id, ancestor), reorg_id)
    for table in (details, unclaimed_logs):
        connection.execute(delete(table).where(_above(table, chain_id, ancestor)))
    undo_projections(connection, chain_id, ancestor)
    cut(connection, chain_id, ancestor)
    connection.execute(
        delete(blocks).where(blocks.c.chain_id == chain_id, blocks.c.number > ancestor)
    )
    announce(
        connection,
        chain_id,
        action="removed",
        low=BlockNumber(ancestor + 1),
        high=tip.number,
        reorg_id=reorg_id,
    )
    return reorg_id


def rewind_to(
    connection: Connection, chain_id: ChainId, *, number: BlockNumber, tip: BlockStamp
) -> BlockStamp | None:
    """Undo what stands above a height without replacing it, and put the cursor down.

    Args:
        connection: In a transaction; the caller holds the chain's writer lock, and answers for a
            height below the finalized mark, which stays where it is.
        chain_id: The chain.
        number: Height above which nothing stays.
        tip: Where the cursor stands.

    Returns:
        Where the cursor stands now: the highest stored block at or below the height; None when
        there is none, and following starts anew.
    """
    to = candidate(connection, chain_id, height=number)
    ancestor = BlockNumber(number if to is None else to.number)
    undo_blocks(connection, chain_id, ancestor=ancestor, tip=tip)
    reset_cursor(connection, chain_id, to)
    return to


def _record_reorg(
    connection: Connection, chain_id: ChainId, *, ancestor: BlockNumber, tip: BlockStamp
) -> int:
    return int(
        connection.execute(
            insert(reorgs)
            .values(
                chain_id=chain_id,
                ancestor_number=ancestor,
                orphaned_tip_number=tip.number,
                orphaned_tip_hash=tip.hash,
            )
            .returning(reorgs.c.id)
        ).scalar_one()
    )


def _above(table: Table, chain_id: ChainId, ancestor: BlockNumber) -> ColumnElement[bool]:
    return and_(table.c.chain_id == chain_id, table.c.block_number > ancestor)


def _makes_contracts_unknown(
    connection: Connection, chain_id: ChainId, ancestor: BlockNumber
) -> bool:
    """Whether an event that made a contract known is about to go."""
    found = select(logs.c.block_number).where(
        _above(logs, chain_id, ancestor),
        logs.c.event.in_([CAMPAIGN_CREATED.name, TREASURY_DEPLOYED.name]),
    )
    return bool(connection.execute(select(found.exists())).scalar_one())


def _unclaim(
    connection: Connection, chain_id: ChainId, ancestor: BlockNumber, reorg_id: int
) -> None:
    """Take back what stays on the chain but was claimed by a block that goes."""
    claimed = and_(
        unclaimed_logs.c.chain_id == chain_id,
        unclaimed_logs.c.claimed_block > ancestor,
        unclaimed_logs.c.block_number <= ancestor,
    )
    for table in (*EVIDENCE, details):
        gone = and_(
            claimed,
            table.c.chain_id == unclaimed_logs.c.chain_id,
            table.c.block_number == unclaimed_logs.c.block_number,
            table.c.log_index == unclaimed_logs.c.log_index,
        )
        if table is details:
            connection.execute(delete(table).where(gone))
        else:
            move_to_orphans(connection, table, gone, reorg_id)
    connection.execute(update(unclaimed_logs).where(claimed).values(claimed_block=None))


def move_to_orphans(
    connection: Connection, table: Table, gone: ColumnElement[bool], reorg_id: int
) -> None:
    """Delete rows and keep each as JSON, in one statement."""
    moved = delete(table).where(gone).returning(*table.c).cte("moved")
    ordinal = moved.c.ordinal if "ordinal" in table.c else literal(0, Integer)
    connection.execute(
        insert(orphans).from_select(
            _ORPHAN_COLUMNS,
            select(
                literal(reorg_id, BigInteger),
                moved.c.chain_id,
                literal(table.name, Text),
                moved.c.block_number,
                moved.c.block_hash,
                moved.c.log_index,
                ordinal,
                func.to_jsonb(literal_column("moved")),
            ),
        )
    )
