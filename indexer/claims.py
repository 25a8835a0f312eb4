"""Facts of contracts that became known after their logs had been read: nothing is read twice."""

from collections.abc import Iterable, Mapping

from sqlalchemy import (
    ARRAY,
    Connection,
    Row,
    any_,
    delete,
    literal,
    select,
    tuple_,
    update,
)

from indexer.announcing import announce
from indexer.chain.blocks import Log
from indexer.chain.types import HASH_BYTES, Address, BlockNumber, ChainId
from indexer.columnar import Numbers, groups_of_logs
from indexer.copying import copy_rows
from indexer.db.columns import ADDRESS
from indexer.events import Emitter
from indexer.facts import learned, state_claimed, state_facts
from indexer.fetch import Reading
from indexer.known import KnownContracts
from indexer.projections.project import project, reproject
from indexer.tables import marks, unclaimed_logs


def claim_earlier(
    connection: Connection, chain_id: ChainId, reading: Reading
) -> BlockNumber | None:
    """State the stored logs of contracts that this reading made known.

    Returns:
        The lowest block that this concerns; None when there is none.
    """
    made = reading.facts.made
    if not made:
        return None
    found = _unclaimed_of(connection, chain_id, made, before=reading.low)
    facts = state_claimed(chain_id, groups_of_logs(map(stored_log, found)), reading.known)
    if not facts.rows.total():
        return None
    copy_rows(connection, facts.rows)
    _mark_claimed(connection, chain_id, facts.claimed, made)
    return BlockNumber(found[0].block_number)


def claim_deployed(
    connection: Connection, chain_id: ChainId, known: KnownContracts
) -> BlockNumber | None:
    """State the stored logs of contracts that the deployment record names by now.

    A factory added to the record, the campaigns and treasuries it made, and their payments are
    there as if the record had always named it. Transfers are not: only those of treasuries that
    were known were kept (``widening``).

    Args:
        connection: In a transaction; the caller holds the chain's writer lock.
        chain_id: The chain.
        known: The deployment's own contracts, and those known as of the cursor.

    Returns:
        The lowest block that this concerns; None when there was nothing to claim.
    """
    named = [one for one, kind in known.fixed.items() if kind is not Emitter.ERC20]
    of_named = groups_of_logs(map(stored_log, _unclaimed_of(connection, chain_id, named)))
    made = learned(of_named, known)
    theirs = [*named, *(made.campaigns - known.campaigns), *(made.treasuries - known.treasuries)]
    found = _unclaimed_of(connection, chain_id, theirs)
    facts = state_facts(chain_id, groups_of_logs(map(stored_log, found)), known)
    if not sum(count for table, count in facts.rows.counts.items() if table is not unclaimed_logs):
        return None
    connection.execute(
        delete(unclaimed_logs).where(
            unclaimed_logs.c.chain_id == chain_id,
            unclaimed_logs.c.claimed_block.is_(None),
            unclaimed_logs.c.address == any_(literal(theirs, ARRAY(ADDRESS))),
        )
    )
    copy_rows(connection, facts.rows)
    low, high = BlockNumber(found[0].block_number), BlockNumber(found[-1].block_number)
    announce(connection, chain_id, action="amended", low=low, high=high)
    indexed = _indexed(connection, chain_id)
    if indexed is not None and indexed >= low:
        project(connection, chain_id, low, indexed)
    return low


def project_claimed(
    connection: Connection,
    chain_id: ChainId,
    low: BlockNumber,
    high: BlockNumber,
    made: Iterable[Address],
) -> None:
    """Project what was claimed in blocks that readers see already; the rest is yet to come.

    Args:
        connection: In the transaction that claimed it.
        chain_id: The chain.
        low: The lowest block with a claimed log.
        high: The highest.
        made: The contracts that became known.
    """
    indexed = _indexed(connection, chain_id)
    if indexed is not None and indexed >= low:
        reproject(connection, chain_id, low, BlockNumber(min(high, indexed)), treasuries=list(made))


def _indexed(connection: Connection, chain_id: ChainId) -> BlockNumber | None:
    """Where readers' mark stands."""
    found: BlockNumber | None = connection.execute(
        select(marks.c.indexed_number).where(marks.c.chain_id == chain_id)
    ).scalar_one()
    return found


def _unclaimed_of(
    connection: Connection,
    chain_id: ChainId,
    addresses: Iterable[Address],
    *,
    before: BlockNumber | None = None,
) -> list[Row[tuple[object, ...]]]:
    """The stored logs of contracts that nobody has claimed, in the order of the chain."""
    wanted = select(unclaimed_logs).where(
        unclaimed_logs.c.chain_id == chain_id,
        unclaimed_logs.c.claimed_block.is_(None),
        unclaimed_logs.c.address == any_(literal(list(addresses), ARRAY(ADDRESS))),
    )
    if before is not None:
        wanted = wanted.where(unclaimed_logs.c.block_number < before)
    ordered = wanted.order_by(unclaimed_logs.c.block_number, unclaimed_logs.c.log_index)
    return list(connection.execute(ordered))


def _mark_claimed(
    connection: Connection,
    chain_id: ChainId,
    claimed: Iterable[tuple[Numbers, Numbers]],
    made: Mapping[Address, BlockNumber],
) -> None:
    """Say since which block these logs are facts too."""
    places = [
        pair
        for numbers, indexes in claimed
        for pair in zip(numbers.tolist(), indexes.tolist(), strict=True)
    ]
    for address, block in made.items():
        connection.execute(
            update(unclaimed_logs)
            .where(
                unclaimed_logs.c.chain_id == chain_id,
                unclaimed_logs.c.address == address,
                tuple_(unclaimed_logs.c.block_number, unclaimed_logs.c.log_index).in_(places),
            )
            .values(claimed_block=block)
        )


def stored_log(row: Row[tuple[object, ...]]) -> Log:
    """A row of ``unclaimed_logs`` as the log it was."""
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
