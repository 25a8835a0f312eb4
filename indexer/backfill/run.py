"""The pipeline: ranges are read by several threads, stated in order, and written by one more."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Event
from time import monotonic

import structlog
from sqlalchemy import Engine
from structlog.contextvars import bind_contextvars, get_contextvars

from indexer.backfill.ranges import Depth, FalseAnswer, HistorySource, RangeRead, RangeReader
from indexer.caught import charge_liar
from indexer.chain.networks import Network
from indexer.chain.node import NodeUnusable
from indexer.chain.refusals import TooWide, refusal_of
from indexer.chain.types import BlockNumber, BlockStamp, ChainId
from indexer.cursor import read_fetched
from indexer.errors import ChainContradiction, RpcError, RpcUnavailable
from indexer.facts import state_facts
from indexer.fetch import BlockRead, Reading
from indexer.known import KnownContracts
from indexer.ranges import RangeSize
from indexer.write import write_reading

FIRST_RANGE_BLOCKS = 100
READERS_MIN, READERS_MAX = 2, 8
READER_PER_S = 0.02
"""Two requests in flight saturate a node on the same machine; a distant one wants one more for
each of these seconds that an answer travels."""
PINGS = 3
PAUSE_S = 0.25
"""Before a range is asked for again where no node answered; doubles with each try."""
TRIES = 4
"""Readings of one range, each by whoever is trusted most then, before giving up for now."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backfill is."""

    low: BlockNumber
    at: BlockNumber
    """Committed up to here."""
    high: BlockNumber
    logs: int
    """Read since the start."""
    rows: int
    """Fact rows of this commit."""


@dataclass(frozen=True, slots=True)
class _Position:
    """Where the writer stands."""

    stamp: BlockStamp | None
    known: KnownContracts


class Backfill:
    """Reads finalized history of one chain into the database. Hold the chain's writer lock."""

    def __init__(
        self,
        engine: Engine,
        source: HistorySource,
        *,
        network: Network,
        deployed: KnownContracts,
        depth: Depth,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        """Prepare; nothing is asked or written yet.

        Args:
            engine: Acting as the role that owns schema ``chain``.
            source: The chain.
            network: Its limits.
            deployed: The deployment's own contracts.
            depth: How far history is verified while it is read.
            on_progress: Told of every commit.
        """
        self._engine = engine
        self._source = source
        self._chain_id: ChainId = network.chain_id
        self._depth = depth
        self.readers = READERS_MIN
        self._stop = Event()
        self._told = on_progress or (lambda _: None)
        self._ranges = RangeReader(source, deployed.tokens)
        first = min(FIRST_RANGE_BLOCKS, network.logs_range_blocks_max)
        self._size = RangeSize(first, network.logs_range_blocks_max)

    def run(
        self, low: BlockNumber, high: BlockNumber, known: KnownContracts, *, stop: Event
    ) -> None:
        """Read blocks and commit their facts, range after range, until ``high`` or told to stop.

        Args:
            low: The block after the cursor.
            high: Last block, finalized.
            known: Contracts known as of the block before ``low``.
            stop: Set it to end after the range that is being written.

        Raises:
            ChainContradiction: The answers for one range contradicted themselves ``TRIES`` times.
            RpcError: A node refuses what no smaller range mends.
            RpcUnavailable: No node answers.
            InvariantError: Another writer moved the cursor.
        """
        with self._engine.begin() as connection:
            position = _Position(read_fetched(connection, self._chain_id), known)
        logs = 0
        told_as_here = partial(bind_contextvars, **get_contextvars())
        self._stop = stop
        self.readers = self._readers_for(high)
        with (
            ThreadPoolExecutor(self.readers, "history", initializer=told_as_here) as readers,
            ThreadPoolExecutor(1, "writer", initializer=told_as_here) as writer,
        ):
            written: Future[None] | None = None
            ahead = _Ahead(self, readers, low, high)
            try:
                for read in ahead:
                    reading = self._stated(read, position)
                    if written is not None:
                        written.result()
                    written = writer.submit(self._write, reading, position.stamp)
                    position = _Position(reading.last.stamp, reading.known)
                    logs += reading.logs_count
                    rows = reading.facts.rows.total()
                    self._told(Progress(low, reading.last.number, high, logs, rows))
                    if stop.is_set():
                        break
                if written is not None:
                    written.result()
            finally:
                ahead.cancel()

    def _readers_for(self, high: BlockNumber) -> int:
        """How many requests to keep in flight, by how long the shortest answer takes."""
        times = []
        for _ in range(PINGS):
            asked = monotonic()
            with suppress(RpcUnavailable):
                self._source.raw_headers(high, high)
                times.append(monotonic() - asked)
        return min(READERS_MAX, READERS_MIN + int(min(times, default=0.0) / READER_PER_S))

    def read(self, low: BlockNumber, high: BlockNumber) -> RangeRead:
        """Read one range, from another provider where one contradicts itself.

        Raises:
            ChainContradiction: All did.
            RpcError: Refused.
            RpcUnavailable: No node answered, however often it was asked.
        """
        depth = self._depth
        for tried in range(TRIES):
            try:
                return self._ranges.read(low, high, depth)
            except ChainContradiction as finding:
                self.blame(finding, low, high)
                depth = "proven"  # whoever is right, receipts tell
                if tried == TRIES - 1:
                    raise
            except RpcUnavailable as silence:
                is_too_much = isinstance(silence, NodeUnusable) and silence.kind == "timed_out"
                last = is_too_much or tried == TRIES - 1
                if last or self._stop.wait(PAUSE_S * 2**tried):
                    raise
        raise AssertionError("unreachable")

    def blame(self, finding: ChainContradiction, low: BlockNumber, high: BlockNumber) -> None:
        """Charge the provider that a finding names, and read again what rests on its word."""
        log.warning("history_contradicted", low=low, high=high, reason=str(finding))
        if isinstance(finding, FalseAnswer):
            where = (self._engine, self._source, self._chain_id)
            charge_liar(*where, finding.provider, finding, (low, high))

    def next_size(self) -> RangeSize:
        """How wide the next range is to be."""
        return self._size

    def answered(self, read: RangeRead) -> None:
        """Learn from an answer how wide ranges may be."""
        self._size = self._size.after_answer(read.logs_count, read.high - read.low + 1)

    def narrow(self, refusal: RpcError | NodeUnusable) -> bool:
        """Learn from a refusal, or a time-out; False when no smaller range would do."""
        smaller = self._size.after_refusal()
        if smaller is None:
            return False
        meaning = refusal_of(refusal) if isinstance(refusal, RpcError) else None
        cap = meaning.cap_blocks if isinstance(meaning, TooWide) else None
        self._size = smaller if cap is None else smaller.capped(cap)
        return True

    def _stated(self, read: RangeRead, position: _Position) -> Reading:
        """As ``_reading``; a lie that only shows there is charged too, for no caller does it."""
        try:
            return self._reading(read, position)
        except FalseAnswer as finding:
            self.blame(finding, read.low, read.high)
            raise

    def _reading(self, read: RangeRead, position: _Position) -> Reading:
        """What a range says, once it is known what stands before it."""
        before, first = position.stamp, read.headers[0]
        if read.headers_linked and before is not None and first.parent_hash != before.hash:
            raise FalseAnswer(
                read.provider, f"block {read.low} does not follow the stored block before it"
            )
        facts = state_facts(self._chain_id, read.groups, position.known)
        if read.headers_linked and read.state == "fetched":
            try:
                self._ranges.prove_open(read, facts.known)
            except ChainContradiction as finding:
                self.blame(finding, read.low, read.high)
                return self._reading(self._ranges.read(read.low, read.high, "proven"), position)
        kept = facts.logs_per_block()
        return Reading(
            low=read.low,
            blocks=tuple(
                BlockRead(header, kept.get(header.number, 0), header.number in read.proven)
                for header in read.headers
                if header.number in kept or header.number == read.high
            ),
            facts=facts,
            state=read.state,
            provider=read.provider,
            headers_linked=read.headers_linked,
            digest=read.digest,
            logs_count=read.logs_count,
        )

    def _write(self, reading: Reading, expected: BlockStamp | None) -> None:
        with self._engine.begin() as connection:
            write_reading(
                connection,
                self._chain_id,
                reading,
                expected=expected,
                projected=False,
            )


class _Ahead:
    """Ranges read ahead by the readers, handed out in order."""

    def __init__(
        self, backfill: Backfill, readers: ThreadPoolExecutor, first: BlockNumber, to: BlockNumber
    ) -> None:
        self._backfill = backfill
        self._readers = readers
        self._next = first
        self._to = to
        self._waiting: deque[tuple[BlockNumber, Future[RangeRead]]] = deque()

    def __iter__(self) -> Iterator[RangeRead]:
        self._fill()
        while self._waiting:
            low, future = self._waiting.popleft()
            try:
                read = future.result()
            except (RpcError, NodeUnusable) as refusal:
                self._again(low, refusal)
                continue
            self._backfill.answered(read)
            self._fill()
            yield read

    def cancel(self) -> None:
        """Forget what was read ahead."""
        while self._waiting:
            self._waiting.popleft()[1].cancel()

    def _fill(self) -> None:
        while self._next <= self._to and len(self._waiting) <= self._backfill.readers:
            low = self._next
            high = self._backfill.next_size().span(low, self._to)
            self._waiting.append((low, self._readers.submit(self._backfill.read, low, high)))
            self._next = BlockNumber(high + 1)

    def _again(self, low: BlockNumber, refusal: RpcError | NodeUnusable) -> None:
        """Start over from a refused range, with smaller ones."""
        is_silence = isinstance(refusal, NodeUnusable) and refusal.kind != "timed_out"
        if is_silence or not self._backfill.narrow(refusal):
            raise refusal
        log.info("log_range_refused", low=low, reason=str(refusal))
        self.cancel()
        self._next = low
        self._fill()
