"""Find the details that facts lack and write them: a slice at a time, when there is time.

Reading happens outside any transaction. The rows are written while their blocks are held: a rewind,
which deletes blocks before details, either waits and deletes them too or has been there first.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy import Connection, Engine, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from indexer.chain.types import BlockHash, BlockNumber, ChainId, to_hex
from indexer.details.find import DetailFinder
from indexer.details.pending import (
    pending_buyers,
    pending_campaigns,
    pending_items,
    platforms_by,
)
from indexer.details.plan import Detail, Pending, Place
from indexer.details.read import StateReader
from indexer.errors import RpcUnavailable
from indexer.tables import blocks, details, marks, outbox

_QUERIES: tuple[Callable[..., Sequence[Pending]], ...] = (
    pending_campaigns,
    pending_items,
    pending_buyers,
)

log = structlog.get_logger()


def fill_details(engine: Engine, reader: StateReader, chain_id: ChainId, limit: int) -> int:
    """One slice of a ``DetailFiller`` that remembers nothing; for commands and tests."""
    return DetailFiller(engine, reader, chain_id).fill(limit)


def forget_unavailable(connection: Connection, chain_id: ChainId) -> int:
    """Make wanted again what no node could tell, as after configuring one with history.

    Returns:
        How many details will be looked for again, by fillers that start from now on.
    """
    forgotten = delete(details).where(
        details.c.chain_id == chain_id, details.c.source == "unavailable"
    )
    return len(connection.execute(forgotten.returning(details.c.log_index)).all())


class DetailFiller:
    """Fills the details of one chain; remembers up to where none is missing, for each kind."""

    def __init__(self, engine: Engine, reader: StateReader, chain_id: ChainId) -> None:
        self._engine = engine
        self._reader = reader
        self._chain_id = chain_id
        self._since = [BlockNumber(0)] * len(_QUERIES)
        self._change_seen = 0

    def fill(self, limit: int) -> int:
        """Find and write one slice.

        Args:
            limit: Most facts of each kind to look at.

        Returns:
            How many details were written; 0 when nothing is missing.

        Raises:
            RpcUnavailable: No node answered, and there was nothing to write.
        """
        with self._engine.connect() as connection:
            self._start_over_after_changes(connection)
            finalized = self._finalized(connection)
            slices = [
                query(connection, self._chain_id, limit, since=since)
                for query, since in zip(_QUERIES, self._since, strict=True)
            ]
        pending: list[Pending] = [one for part in slices for one in part]
        found = self._find(pending)
        written = self._write(found) if found else 0
        if written:
            log.info("details_filled", chain_id=self._chain_id, written=written)
        if written == len(pending):
            # Nothing is missing below the last fact looked at, nor anywhere if that was not all;
            # but what is not final can be replaced.
            self._since = [
                BlockNumber(min(finalized + 1, part[-1].place.block_number))
                if len(part) == limit
                else BlockNumber(finalized + 1)
                for part in slices
            ]
        return written

    def _find(self, pending: Sequence[Pending]) -> list[Detail]:
        """Details in order, up to the first that no node tells for now."""
        finder = DetailFinder(self._reader, self._platforms)
        found: list[Detail] = []
        for one in pending:
            try:
                detail = finder.find(one)
            except RpcUnavailable as reason:
                if not found:
                    raise
                log.warning("details_postponed", chain_id=self._chain_id, reason=str(reason))
                break
            found.append(detail)
        self._report([detail for detail in found if detail.source == "unavailable"])
        return found

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

    def _write(self, found: Sequence[Detail]) -> int:
        """Write the details whose blocks still stand; a detail that is there stays as it is."""
        with self._engine.begin() as connection:
            standing = self._hold(connection, found)
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
                for detail in found
                if (detail.place.block_number, detail.place.block_hash) in standing
            ]
            if rows:
                connection.execute(insert(details).on_conflict_do_nothing(), rows)
        return len(rows)

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
            self._since = [BlockNumber(0)] * len(_QUERIES)
