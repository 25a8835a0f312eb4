"""Find the details that facts lack and write them: a slice at a time, when there is time.

Reading happens outside any transaction. The rows are written while their blocks are held: a rewind,
which deletes blocks before details, either waits and deletes them too or has been there first.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection, Engine, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from indexer.chain.types import BlockHash, BlockNumber, ChainId, to_hex
from indexer.details.find import DetailFinder
from indexer.details.pending import (
    Key,
    pending_buyers,
    pending_campaigns,
    pending_items,
    platforms_by,
)
from indexer.details.plan import Detail, Kind, Pending, Place
from indexer.details.read import NotNow, StateReader
from indexer.errors import RpcUnavailable
from indexer.tables import blocks, details, marks, outbox

_QUERIES: dict[Kind, Callable[..., Sequence[Pending]]] = {
    "campaign_settings": pending_campaigns,
    "line_items": pending_items,
    "buyer": pending_buyers,
}

_START = BlockNumber(0)

log = structlog.get_logger()


def fill_details(engine: Engine, reader: StateReader, chain_id: ChainId, limit: int) -> int:
    """One slice of a ``DetailFiller`` that remembers nothing; for commands and tests."""
    return DetailFiller(engine, reader, chain_id).fill(limit)


def forget_unavailable(connection: Connection, chain_id: ChainId) -> int:
    """Make wanted again what was not to be had, as after configuring a node with history.

    Returns:
        How many details will be looked for again, by fillers that start from now on.
    """
    forgotten = delete(details).where(
        details.c.chain_id == chain_id, details.c.source == "unavailable"
    )
    return len(connection.execute(forgotten.returning(details.c.log_index)).all())


@dataclass(slots=True)
class _Turn:
    """How far the facts of one kind were gone through."""

    since: BlockNumber = _START
    """Nothing is missing below, and nothing changes there."""
    after: Key | None = None
    """The last fact looked at, where one before it was postponed."""
    is_whole: bool = True
    """Whether nothing was postponed since the turn began."""

    def advance(
        self, looked_at: Sequence[Pending], *, is_whole: bool, is_end: bool, finalized: int
    ) -> None:
        """Go on behind a slice; behind the last fact, begin again with those postponed."""
        self.is_whole = self.is_whole and is_whole
        # What is not final can be replaced.
        if is_end:
            if self.is_whole:
                self.since = BlockNumber(finalized + 1)
            self.after, self.is_whole = None, True
        elif looked_at:
            last = looked_at[-1].place
            if self.is_whole:
                self.since = BlockNumber(min(finalized + 1, last.block_number))
            self.after = None if self.is_whole else last.key


@dataclass(slots=True)
class _Search:
    """What came of one slice."""

    found: list[Detail] = field(default_factory=list)
    looked_at: int = 0
    """Of the pending facts; fewer than all when the nodes fell silent."""
    postponed: RpcUnavailable | None = None
    """The first reason why something was not found."""

    def postpone(self, reason: RpcUnavailable) -> None:
        """Note a reason; the first is told."""
        self.postponed = self.postponed or reason


class DetailFiller:
    """Fills the details of one chain; remembers up to where none is missing, for each kind.

    A fact whose detail no node tells for now is passed over, and looked at again when all the
    others were: it holds up none of them.
    """

    def __init__(self, engine: Engine, reader: StateReader, chain_id: ChainId) -> None:
        self._engine = engine
        self._reader = reader
        self._chain_id = chain_id
        self._turns = {kind: _Turn() for kind in _QUERIES}
        self._change_seen = 0

    def fill(self, limit: int) -> int:
        """Find and write one slice.

        Args:
            limit: Most facts of each kind to look at.

        Returns:
            How many details were written; 0 when nothing is missing, but perhaps what was
            postponed before.

        Raises:
            RpcUnavailable: No node told anything, and there was nothing to write; the next call
                looks at other facts, if there are any.
        """
        with self._engine.connect() as connection:
            self._start_over_after_changes(connection)
            finalized = self._finalized(connection)
            slices = {
                kind: query(
                    connection,
                    self._chain_id,
                    limit,
                    since=self._turns[kind].since,
                    after=self._turns[kind].after,
                )
                for kind, query in _QUERIES.items()
            }
        search = self._find([one for part in slices.values() for one in part])
        written = self._write(search.found) if search.found else frozenset()
        unseen = search.looked_at
        for kind, part in slices.items():
            seen = part[:unseen]
            unseen -= len(seen)
            self._turns[kind].advance(
                seen,
                is_whole=all((kind, one.place) in written for one in seen),
                is_end=len(seen) == len(part) < limit,
                finalized=finalized,
            )
        if written:
            log.info("details_filled", chain_id=self._chain_id, written=len(written))
        elif search.postponed is not None and not search.found:
            raise search.postponed
        return len(written)

    def _find(self, pending: Sequence[Pending]) -> _Search:
        """Details in order, up to where no node answers any more."""
        finder = DetailFinder(self._reader, self._platforms)
        search = _Search()
        for one in pending:
            try:
                search.found.append(finder.find(one))
            except NotNow as refusal:
                search.postpone(refusal)
            except RpcUnavailable as silence:
                search.postpone(silence)
                break
            search.looked_at += 1
        if search.found and search.postponed is not None:
            reason = str(search.postponed)
            log.warning("details_postponed", chain_id=self._chain_id, reason=reason)
        self._report([one for one in search.found if one.source == "unavailable"])
        return search

    def _report(self, unavailable: Sequence[Detail]) -> None:
        """One line for each reason, with a fact to look at: a pruned node lacks all of them."""
        counts = Counter((one.kind, str(one.arguments["reason"])) for one in unavailable)
        for (kind, reason), count in counts.items():
            example = next(one for one in unavailable if one.arguments["reason"] == reason)
            log.warning(
                "details_unavailable",
                chain_id=self._chain_id,
                kind=kind,
                reason=reason,
                count=count,
                example_tx=to_hex(example.place.tx_hash),
            )

    def _write(self, found: Sequence[Detail]) -> frozenset[tuple[Kind, Place]]:
        """Write the details whose blocks still stand; a detail that is there stays as it is."""
        with self._engine.begin() as connection:
            standing = self._hold(connection, found)
            kept = [
                one for one in found if (one.place.block_number, one.place.block_hash) in standing
            ]
            rows = [
                {
                    "chain_id": self._chain_id,
                    "block_number": detail.place.block_number,
                    "log_index": detail.place.log_index,
                    "ordinal": detail.place.ordinal,
                    "kind": detail.kind,
                    "block_hash": detail.place.block_hash,
                    "source": detail.source,
                    "arguments": detail.arguments,
                }
                for detail in kept
            ]
            if rows:
                connection.execute(insert(details).on_conflict_do_nothing(), rows)
        return frozenset((one.kind, one.place) for one in kept)

    def _hold(
        self, connection: Connection, found: Sequence[Detail]
    ) -> set[tuple[BlockNumber, BlockHash]]:
        """Keep the blocks of details from being deleted until the transaction ends."""
        wanted = {(one.place.block_number, one.place.block_hash) for one in found}
        rows = connection.execute(
            select(blocks.c.number, blocks.c.hash)
            .where(
                blocks.c.chain_id == self._chain_id,
                tuple_(blocks.c.number, blocks.c.hash).in_(sorted(wanted)),
            )
            .order_by(blocks.c.number)
            .with_for_update(read=True, key_share=True)
        )
        return {(BlockNumber(row.number), BlockHash(row.hash)) for row in rows}

    def _platforms(self, place: Place) -> list[bytes]:
        with self._engine.connect() as connection:
            return platforms_by(connection, self._chain_id, place.block_number)

    def _finalized(self, connection: Connection) -> int:
        """Below this mark no fact changes; -1 before there is one."""
        found = connection.scalar(
            select(marks.c.finalized_number).where(marks.c.chain_id == self._chain_id)
        )
        return -1 if found is None else int(found)

    def _start_over_after_changes(self, connection: Connection) -> None:
        """Facts of old blocks changed: look at all of them again."""
        newest = connection.scalar(
            select(func.max(outbox.c.id)).where(
                outbox.c.chain_id == self._chain_id,
                outbox.c.id > self._change_seen,
                outbox.c.action != "added",
            )
        )
        if newest is not None:
            self._change_seen = int(newest)
            self._turns = {kind: _Turn() for kind in _QUERIES}
