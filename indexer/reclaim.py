"""Whose word counted from which block, where blocks that make contracts known are read anew.

What a contract said before the block that made it known is stated, and kept unclaimed too, with
that block's number: if another block made it known, or none did, that is to be told anew.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    and_,
    any_,
    delete,
    func,
    literal,
    select,
    update,
)

from indexer.chain.types import Address, BlockNumber, ChainId
from indexer.db.columns import ADDRESS
from indexer.projection_tables import campaigns, treasuries
from indexer.rewind import EVIDENCE, move_to_orphans
from indexer.tables import details, unclaimed_logs

Made = Mapping[Address, BlockNumber]
"""Contracts, and the blocks that made them known."""


@dataclass(frozen=True, slots=True)
class Lost:
    """What was claimed for contracts that a range does not make known, or not where it was said."""

    claimed: ColumnElement[bool]
    """The logs concerned, among ``unclaimed_logs``: all stand before the range."""
    low: BlockNumber
    """The lowest block that holds one."""


def made_between(
    connection: Connection, chain_id: ChainId, low: BlockNumber, high: BlockNumber | None = None
) -> dict[Address, BlockNumber]:
    """Contracts that the stored facts of blocks made known; ``high`` None: to the last block."""
    made: dict[Address, BlockNumber] = {}
    for table, name in ((campaigns, "campaign"), (treasuries, "treasury")):
        statement = select(table.c[name], table.c.block_number).where(
            table.c.chain_id == chain_id, table.c.block_number >= low
        )
        if high is not None:
            statement = statement.where(table.c.block_number <= high)
        made |= dict(connection.execute(statement).all())
    return made


def misled_at(stored: Made, read: Made, disputed: Collection[BlockNumber]) -> BlockNumber | None:
    """The first block that is left as it is though it was read as making other contracts. Pure."""
    differing = set(stored.items()) ^ set(read.items())
    return min((number for _, number in differing if number in disputed), default=None)


def lost_claims(
    connection: Connection, chain_id: ChainId, stored: Made, read: Made, low: BlockNumber
) -> Lost | None:
    """What was claimed before a range for contracts that it makes known no longer, or elsewhere.

    Args:
        connection: Any.
        chain_id: The chain.
        stored: Contracts that the range made known so far.
        read: Contracts that it makes known.
        low: The first block of the range.
    """
    gone = [address for address, number in stored.items() if read.get(address) != number]
    claimed = and_(
        unclaimed_logs.c.chain_id == chain_id,
        unclaimed_logs.c.address == any_(literal(gone, ARRAY(ADDRESS))),
        unclaimed_logs.c.claimed_block.in_({stored[address] for address in gone}),
        unclaimed_logs.c.block_number < low,
    )
    lowest = connection.execute(
        select(func.min(unclaimed_logs.c.block_number)).where(claimed)
    ).scalar_one()
    return None if lowest is None else Lost(claimed, BlockNumber(lowest))


def unclaim(connection: Connection, lost: Lost, reorg_id: int) -> None:
    """Take such claims back: their facts become orphans, the logs stand unclaimed again."""
    for table in (*EVIDENCE, details):
        stated = and_(
            lost.claimed,
            table.c.chain_id == unclaimed_logs.c.chain_id,
            table.c.block_number == unclaimed_logs.c.block_number,
            table.c.log_index == unclaimed_logs.c.log_index,
        )
        if table is details:
            connection.execute(delete(table).where(stated))
        else:
            move_to_orphans(connection, table, stated, reorg_id)
    connection.execute(update(unclaimed_logs).where(lost.claimed).values(claimed_block=None))
