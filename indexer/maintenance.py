"""What an operator does to a chain's rows: each one transaction, under the chain's writer lock.

The indexer must not run meanwhile; whoever calls holds its lock.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, select, text, update

from indexer.chain.networks import network_by_chain_id
from indexer.chain.types import BlockNumber, BlockStamp, ChainId
from indexer.checksum import projections_checksum
from indexer.cursor import read_fetched
from indexer.errors import ConfigurationError
from indexer.projections.rebuild import rebuild
from indexer.rewind import rewind_to
from indexer.tables import marks

OnProgress = Callable[[int, int], None]
"""Told how many blocks are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Rewound:
    """What a rewind left."""

    tip: BlockStamp
    """Where the cursor stood."""
    to: BlockStamp | None
    """Where it stands: the highest stored block up to the one asked for, as final blocks without
    our logs are not kept. None: there is none, and it stands at the start."""
    lowered_finalized: bool
    """Whether blocks that counted as final are gone."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Checksums of all projections around a rebuild."""

    before: bytes
    after: bytes

    @property
    def is_same(self) -> bool:
        """Whether the projections were what the facts say."""
        return self.before == self.after


def nothing_indexed(network: str) -> str:
    """What to say of a chain of which no block is indexed, and what to do about it."""
    return (
        f"nothing of {network} is indexed yet: let its indexer run, or give "
        f"'lastro indexer backfill --chain {network}'"
    )


def allow_long_statements(connection: Connection) -> None:
    """Lift the bound on one statement's time until this transaction ends: an operator waits."""
    connection.execute(text("SET LOCAL statement_timeout = 0"))


def rewind(
    connection: Connection, chain_id: ChainId, to: BlockNumber, *, below_finalized: bool = False
) -> Rewound:
    """Undo every block above a height, and put the cursor there; the indexer reads on from it.

    Facts of payments are kept as orphans, and consumers of the outbox are told.

    Args:
        connection: In a transaction.
        chain_id: The chain.
        to: The highest block that may stay.
        below_finalized: Whether blocks that count as final may go. Then the finalized mark falls
            too, which nothing else ever does; what was settled on them is not undone.

    Raises:
        ConfigurationError: There is nothing above, or it counts as final.
    """
    allow_long_statements(connection)
    tip = read_fetched(connection, chain_id)
    if tip is None:
        raise ConfigurationError(nothing_indexed(network_by_chain_id(chain_id).name))
    if tip.number <= to:
        raise ConfigurationError(
            f"nothing stands above block {to}: the cursor is at block {tip.number}"
        )
    finalized = connection.execute(
        select(marks.c.finalized_number).where(marks.c.chain_id == chain_id)
    ).scalar_one()
    lowers = finalized is not None and to < finalized
    if lowers and not below_finalized:
        raise ConfigurationError(
            f"block {finalized} is final: what stands on it was settled and shown as such. Only "
            "--below-finalized --yes goes there; nothing was changed"
        )
    stands_at = rewind_to(connection, chain_id, number=to, tip=tip)
    if lowers:
        _lower_finalized(connection, chain_id, stands_at)
    return Rewound(tip, stands_at, lowers)


def stored_span(connection: Connection, chain_id: ChainId) -> tuple[int, int]:
    """First and last block that readers rely on.

    Raises:
        ConfigurationError: There is none.
    """
    row = connection.execute(
        select(marks.c.first_block, marks.c.indexed_number).where(marks.c.chain_id == chain_id)
    ).one_or_none()
    if row is None or row.indexed_number is None:
        raise ConfigurationError(nothing_indexed(network_by_chain_id(chain_id).name))
    return row.first_block, row.indexed_number


def rebuild_and_compare(
    connection: Connection, chain_id: ChainId, on_progress: OnProgress | None = None
) -> Rebuilt:
    """Make all projections anew from the facts; readers see the old ones until this commits.

    Args:
        connection: In a transaction: roll it back to keep the old projections.
        chain_id: The chain.
        on_progress: Told after each slice.
    """
    allow_long_statements(connection)
    before = projections_checksum(connection, chain_id)
    rebuild(connection, chain_id, on_progress)
    return Rebuilt(before, projections_checksum(connection, chain_id))


def _lower_finalized(connection: Connection, chain_id: ChainId, to: BlockStamp | None) -> None:
    """Put the finalized mark down to the cursor, and what was added up for good with it."""
    connection.execute(
        update(marks)
        .where(marks.c.chain_id == chain_id)
        .values(
            finalized_number=None if to is None else to.number,
            finalized_hash=None if to is None else to.hash,
            finalized_timestamp=None if to is None else to.timestamp,
            totals_number=None if to is None else to.number,
        )
    )
    rebuild(connection, chain_id)
