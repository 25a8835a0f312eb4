"""One look at how an indexer stands: marks, ledger, providers, reorgs, the last audit, the pace.

Pure reads on the caller's connection. ``/readyz``, ``/status``, the metrics and the command line
all show this, so that they never tell different stories.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, func, select

from indexer.chain.networks import Network
from indexer.chain.types import BlockHash, BlockNumber, BlockStamp, ChainId, to_hex
from indexer.events import FILTER_ID
from indexer.ledger import complete_up_to, holes
from indexer.projection_tables import treasuries
from indexer.providers import ProviderScore, truth_scores
from indexer.spans import STATES, Interval
from indexer.tables import audits, marks, outbox, ranges, reorgs

REORGS_SHOWN = 5
HOLES_SHOWN = 20
PACE_ROWS_MAX = 200
PACE_WINDOW = timedelta(minutes=10)
"""How far back the pace looks: long enough to be steady, short enough to follow a slow node."""


@dataclass(frozen=True, slots=True)
class ReorgSeen:
    """One rewind of the chain."""

    ancestor: BlockNumber
    tip: BlockNumber
    """Where the cursor stood."""
    seen_at: datetime

    @property
    def depth(self) -> int:
        """Blocks that were undone."""
        return self.tip - self.ancestor


@dataclass(frozen=True, slots=True)
class LastAudit:
    """What comparing with the contracts' own getters said."""

    ran_at: datetime
    """Every known treasury that ever was audited was so since then."""
    block: BlockNumber
    """Of the newest comparison."""
    verdicts: Mapping[str, int]
    """Figures by their last verdict that compared anything, so that a difference stands until it
    was seen to be gone: equal, different, not_comparable (never yet compared)."""

    @property
    def different(self) -> int:
        """Comparisons that failed."""
        return self.verdicts.get("different", 0)


@dataclass(frozen=True, slots=True)
class Ledger:
    """What was read of the chain, and how surely, from the first block to the writer's cursor."""

    blocks: Mapping[str, int]
    """Blocks by state."""
    proven_up_to: BlockNumber | None
    """Everything from the first block to here is proven."""
    holes: tuple[Interval, ...]
    """Ranges that were never read with the present filter, lowest first."""


@dataclass(frozen=True, slots=True)
class Status:
    """How the indexer of one chain stands."""

    chain_id: ChainId
    network: str
    as_of: datetime
    """By Postgres' clock."""
    first_block: BlockNumber
    head: BlockNumber | None
    safe: BlockNumber | None
    fetched: BlockStamp | None
    """The writer's cursor."""
    indexed: BlockStamp | None
    """Facts and projections are complete up to here."""
    finalized: BlockStamp | None
    degraded_reason: str | None
    updated_at: datetime
    ledger: Ledger
    providers: tuple[ProviderScore, ...]
    reorgs: tuple[ReorgSeen, ...]
    """The newest first."""
    audit: LastAudit | None
    blocks_per_s: float | None
    """Of late; None when nothing was written."""

    @property
    def lag_blocks(self) -> int:
        """Blocks that readers are behind the head; never negative."""
        if self.head is None:
            return 0
        reached = self.first_block - 1 if self.indexed is None else self.indexed.number
        return max(self.head - reached, 0)

    @property
    def lag_s(self) -> int:
        """Age of the newest indexed block while newer ones wait; 0 at the head."""
        if self.indexed is None or self.lag_blocks == 0:
            return 0
        return max(int((self.as_of - self.indexed.timestamp).total_seconds()), 0)

    @property
    def eta_s(self) -> int | None:
        """Seconds until today's head at the present pace; None at the head or without a pace."""
        if self.lag_blocks == 0 or not self.blocks_per_s:
            return None
        return round(self.lag_blocks / self.blocks_per_s)

    @property
    def holes_below_indexed(self) -> tuple[Interval, ...]:
        """Holes in what readers are told is complete."""
        if self.indexed is None:
            return ()
        return tuple(hole for hole in self.ledger.holes if hole[0] <= self.indexed.number)


def read_status(connection: Connection, network: Network) -> Status | None:
    """Read how a chain's indexer stands; None when it never started.

    Args:
        connection: Sees one snapshot if its transaction is REPEATABLE READ; else each part is of
            its own instant, which is good enough to look at.
        network: The chain.
    """
    chain_id = network.chain_id
    row = connection.execute(
        select(marks, func.clock_timestamp().label("as_of")).where(marks.c.chain_id == chain_id)
    ).one_or_none()
    if row is None:
        return None
    first = BlockNumber(row.first_block)
    fetched = _stamp(row.fetched_number, row.fetched_hash, row.fetched_timestamp)
    return Status(
        chain_id=chain_id,
        network=row.network,
        as_of=row.as_of,
        first_block=first,
        head=row.head_number,
        safe=row.safe_number,
        fetched=fetched,
        indexed=_stamp(row.indexed_number, row.indexed_hash, row.indexed_timestamp),
        finalized=_stamp(row.finalized_number, row.finalized_hash, row.finalized_timestamp),
        degraded_reason=row.degraded_reason,
        updated_at=row.updated_at,
        ledger=_read_ledger(connection, chain_id, first, fetched),
        providers=tuple(truth_scores(connection, chain_id)),
        reorgs=_read_reorgs(connection, chain_id),
        audit=_read_audit(connection, chain_id),
        blocks_per_s=_read_pace(connection, chain_id, row.as_of),
    )


def _read_ledger(
    connection: Connection, chain_id: ChainId, first: BlockNumber, fetched: BlockStamp | None
) -> Ledger:
    """The ledger of the filter that this code asks with."""
    rows = connection.execute(
        select(ranges.c.state, func.sum(ranges.c.high - ranges.c.low + 1))
        .where(ranges.c.chain_id == chain_id, ranges.c.filter == FILTER_ID)
        .group_by(ranges.c.state)
    )
    counted = {state: int(count) for state, count in rows}
    return Ledger(
        blocks={state: counted.get(state, 0) for state in STATES},
        proven_up_to=complete_up_to(connection, chain_id, FILTER_ID, first, state="proven"),
        holes=()
        if fetched is None
        else tuple(holes(connection, chain_id, FILTER_ID, first, fetched.number)),
    )


def _read_reorgs(connection: Connection, chain_id: ChainId) -> tuple[ReorgSeen, ...]:
    rows = connection.execute(
        select(reorgs.c.ancestor_number, reorgs.c.orphaned_tip_number, reorgs.c.seen_at)
        .where(reorgs.c.chain_id == chain_id)
        .order_by(reorgs.c.id.desc())
        .limit(REORGS_SHOWN)
    )
    return tuple(ReorgSeen(*row) for row in rows)


def _read_audit(connection: Connection, chain_id: ChainId) -> LastAudit | None:
    """The newest verdict of each figure; one that could not be compared replaces none that was."""
    newest = connection.execute(
        select(audits.c.block_number, audits.c.ran_at)
        .where(audits.c.chain_id == chain_id)
        .order_by(audits.c.id.desc())
        .limit(1)
    ).one_or_none()
    if newest is None:
        return None
    compared = func.max(audits.c.id).filter(audits.c.verdict != "not_comparable")
    last = (
        select(func.coalesce(compared, func.max(audits.c.id)).label("id"))
        .where(audits.c.chain_id == chain_id)
        .group_by(audits.c.treasury, audits.c.getter)
        .subquery()
    )
    counted = connection.execute(
        select(audits.c.verdict, func.count())
        .join(last, last.c.id == audits.c.id)
        .group_by(audits.c.verdict)
    )
    each = (
        select(func.max(audits.c.ran_at).label("ran_at"))
        .join(
            treasuries,
            and_(
                treasuries.c.chain_id == audits.c.chain_id,
                treasuries.c.treasury == audits.c.treasury,
            ),
        )
        .where(audits.c.chain_id == chain_id)
        .group_by(audits.c.treasury)
        .subquery()
    )
    whole_at = connection.scalar(select(func.min(each.c.ran_at)))
    return LastAudit(
        newest.ran_at if whole_at is None else whole_at,
        newest.block_number,
        {row[0]: row[1] for row in counted},
    )


def _read_pace(connection: Connection, chain_id: ChainId, now: datetime) -> float | None:
    """Blocks written a second, from the newest entries of the outbox."""
    newest = (
        select((outbox.c.high - outbox.c.low + 1).label("blocks"), outbox.c.written_at)
        .where(outbox.c.chain_id == chain_id, outbox.c.action == "added")
        .order_by(outbox.c.id.desc())
        .limit(PACE_ROWS_MAX)
        .subquery()
    )
    row = connection.execute(
        select(func.sum(newest.c.blocks), func.min(newest.c.written_at)).where(
            newest.c.written_at > now - PACE_WINDOW
        )
    ).one()
    if row[0] is None:
        return None
    elapsed_s = (now - row[1]).total_seconds()
    return float(row[0]) / elapsed_s if elapsed_s > 0 else None


def _stamp(
    number: int | None, block_hash: bytes | None, timestamp: datetime | None
) -> BlockStamp | None:
    if number is None or block_hash is None or timestamp is None:
        return None
    return BlockStamp(BlockNumber(number), BlockHash(block_hash), timestamp)


def as_json(status: Status) -> dict[str, Any]:
    """For ``/status`` and the command line: numbers, ``0x`` hex and ISO times only."""
    found: dict[str, Any] = _plain(asdict(status))
    found["ledger"]["holes"] = {
        "count": len(status.ledger.holes),
        "blocks": sum(high - low + 1 for low, high in status.ledger.holes),
        "first": [list(hole) for hole in status.ledger.holes[:HOLES_SHOWN]],
    }
    return found | {
        "lag_blocks": status.lag_blocks,
        "lag_s": status.lag_s,
        "eta_s": status.eta_s,
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - any field of a status
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        return to_hex(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return value
