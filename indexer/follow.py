"""Follow one chain: read, verify, write, finalize; each step commits once.

What a step believes it has verified; what it writes it writes together with the cursor. So a
process may die anywhere: the next one reads the cursor and continues.
"""

from dataclasses import replace
from threading import Event
from time import monotonic
from typing import Protocol

import structlog
from sqlalchemy import Engine

from indexer.caught import doubt
from indexer.chain.blocks import Header
from indexer.chain.deployments import Deployment
from indexer.chain.networks import Network
from indexer.chain.source import BlockSource
from indexer.chain.types import BlockHash, BlockNumber, BlockStamp
from indexer.cursor import note, open_marks
from indexer.errors import InvariantError, Lagging
from indexer.fetch import Reading, fetch_headers, read_by_headers
from indexer.finality import FinalityWatch, Halted, candidate, tagged_header
from indexer.headers import Duplicate, Reorg, require_linked, standing
from indexer.known import KnownContracts
from indexer.notices import Committed, Notices
from indexer.position import Position, read_position, require_same_chain
from indexer.queries import Marks
from indexer.replacement import HEADERS_PER_STEP, Replacement
from indexer.unprojected import project_next
from indexer.verify import check_header
from indexer.widening import widen
from indexer.write import write_reading

HEADER_SCAN_BLOCKS_MAX = 5_000
"""How far behind the finalized block reading every header still is the quicker and surer way."""
NOTE_INTERVAL_S = 1.0
"""Between two notes of the same head: often enough for ``updated_at``, seldom enough for disks."""

log = structlog.get_logger()


class History(Protocol):
    """Reads long stretches of finalized history and commits them as it goes."""

    def run(
        self, low: BlockNumber, high: BlockNumber, known: KnownContracts, *, stop: Event
    ) -> None:
        """Read ``low`` to ``high``, both final, from where the cursor stands; return when stopped.

        Args:
            low: The block after the cursor.
            high: The last block.
            known: Contracts known as of the block before ``low``.
            stop: Set when the process is to end.
        """
        ...


class Follower:
    """Follows one chain into one database. Hold the chain's lock while stepping."""

    def __init__(
        self,
        engine: Engine,
        source: BlockSource,
        *,
        network: Network,
        deployment: Deployment,
        history: History | None = None,
        header_scan_blocks_max: int = HEADER_SCAN_BLOCKS_MAX,
    ) -> None:
        """Prepare; nothing is asked or written yet.

        Args:
            engine: Acting as the role that owns schema ``chain``.
            source: The chain.
            network: Its finality rule and limits.
            deployment: Where the protocol stands on it.
            history: Who reads what lies far below the finalized block; None: headers, all the way.
            header_scan_blocks_max: Distance to the finalized block above which that is done.
        """
        self._engine = engine
        self._source = source
        self._network = network
        self._chain_id = network.chain_id
        self._deployment = deployment
        self._deployed = KnownContracts.of_deployment(deployment)
        self._history = history
        self._header_scan_blocks_max = header_scan_blocks_max
        self._finality = FinalityWatch(engine, source, network)
        self._replacement = Replacement(engine, source, self._deployed, self._finality)
        self._position: Position | None = None
        self._head_noted_at = -NOTE_INTERVAL_S
        self.stop = Event()
        """Set it to end a step that reads history; the loop puts its own here."""
        self.on_commit: Committed | None = None
        """Put an observer here before the first step."""
        self.notices = Notices()
        """What the steps have to say; put those here that somebody reads."""

    def start(self) -> None:
        """Check that node, record and database speak of the same chain, and find our place in it.

        Raises:
            ConfigurationError: They do not.
            Halted: The writer halted earlier; an operator must look first.
            TransientError: The node does not answer.
        """
        genesis_hash = require_same_chain(self._source, self._network, self._deployment)
        with self._engine.begin() as connection:
            marks = open_marks(
                connection,
                self._network,
                first_block=self._deployment.first_block,
                genesis_hash=genesis_hash,
            )
            self._position = read_position(connection, self._chain_id, self._deployed)
            if marks.degraded_reason is not None:
                raise Halted(f"the indexer halted earlier: {marks.degraded_reason}")
            widen(connection, self._chain_id, self._deployed)
        self.reload()

    def recover(self, failure: Exception) -> None:
        """Prepare for another try: read our place from the database, doubt who contradicted.

        Args:
            failure: What the last step raised.
        """
        doubt(self._engine, self._source, self._chain_id, failure)
        self.reload()

    def reload(self) -> None:
        """Forget what memory says of our place: someone else wrote, or a step failed.

        Raises:
            InvariantError: The marks vanished.
        """
        with self._engine.begin() as connection:
            self._position = read_position(connection, self._chain_id, self._deployed)

    @property
    def marks(self) -> Marks:
        """The marks as of the last step.

        Raises:
            InvariantError: Not started.
        """
        return self._at.marks

    def step(self) -> bool:
        """Do the next piece of work, if there is one.

        Returns:
            Whether something was written: call again at once.

        Raises:
            TransientError: The node did not answer or contradicted itself; call ``recover``,
                later ``step`` again.
            RpcError: The node refused a call that it should not; as above.
            Halted: A finalized block changed.
            InvariantError: Another writer is at work: stop.
        """
        if not self._at.is_projected:
            self._project_rest()
            return True
        head = self._source.block_by_number("latest")
        if head is None:
            raise Lagging(f"{self._source.provider} names no head")
        check_header(head)
        tip = self.marks.indexed
        if tip is None or head.number != tip.number + 1:  # else the writing says it too
            self._note(head.number)
        advanced = self._advance(head)
        raised = self._raise_finalized(head)
        if advanced:
            self._note(head.number)
        return advanced or raised

    @property
    def _at(self) -> Position:
        if self._position is None:
            raise InvariantError("the follower was not started")
        return self._position

    def _project_rest(self) -> None:
        """Finish a backfill that was cut off between facts and projections, slice by slice."""
        with self._engine.begin() as connection:
            reached = project_next(connection, self._chain_id)
        log.info("facts_projected", chain_id=self._chain_id, up_to=reached and reached.number)
        self.reload()

    def _advance(self, head: Header) -> bool:
        """Take the next blocks, or replace those that the head contradicts."""
        tip = self.marks.indexed
        if tip is None:
            if head.number < self.marks.first_block:
                return False
            return self._extend(head)
        if head.hash == tip.hash:
            return False
        stored = {tip.number: tip.hash}
        if head.number < tip.number:
            stored |= self._stored_hash(head.number)
        match standing(head, tip_number=tip.number, stored=stored):
            case Duplicate():
                return False
            case Reorg():
                self._replace(head, tip)
                return True
            case _:
                return self._extend(head)

    def _extend(self, head: Header) -> bool:
        """Read what follows the tip: as history while far behind finality, else by headers."""
        tip = self.marks.indexed
        low = self.marks.first_block if tip is None else BlockNumber(tip.number + 1)
        if self._history is not None and head.number - low >= self._header_scan_blocks_max:
            final = tagged_header(self._source, "finalized")
            if final is not None and final.number - low >= self._header_scan_blocks_max:
                return self._read_history(self._history, head, low, final.number)
        high = BlockNumber(min(low + HEADERS_PER_STEP - 1, head.number))
        headers = [head] if low == head.number else fetch_headers(self._source, low, high)
        if tip is not None and headers[0].parent_hash != tip.hash:
            self._replace(head, tip)
            return True
        require_linked(headers[0].hash, headers[1:])
        reading = read_by_headers(self._source, self._chain_id, headers, self._at.known)
        self._write(reading, head.number)
        return True

    def _read_history(
        self, history: History, head: Header, low: BlockNumber, high: BlockNumber
    ) -> bool:
        """Hand a stretch of finalized history over, once our tip is known to belong to it."""
        tip = self.marks.indexed
        if tip is not None and self._header(tip.number).hash != tip.hash:
            self._replace(head, tip)  # filtered logs are not linked to the tip; its hash must be
            return True
        log.info("history_reading_started", chain_id=self._chain_id, low=low, high=high)
        history.run(low, high, self._at.known, stop=self.stop)
        self.reload()
        return not self.stop.is_set()

    def _replace(self, head: Header, tip: BlockStamp) -> None:
        """Swap our blocks for those of the node, from where both part."""
        self._replacement.swap(self.marks, tip, head)
        self.reload()

    def _write(self, reading: Reading, head_number: BlockNumber) -> None:
        at = self._at
        with self._engine.begin() as connection:
            write_reading(
                connection, self._chain_id, reading, expected=at.fetched, head_number=head_number
            )
        stamp = reading.last.stamp
        moved = replace(at.marks, indexed=stamp, head_number=head_number)
        self._position = Position(moved, stamp, reading.known)
        if self.on_commit is not None:
            rows, at_head = reading.facts.rows.total(), stamp.number == head_number
            self.on_commit(stamp, rows=rows, at_head=at_head)
        log.debug("blocks_indexed", low=reading.low, high=stamp.number)

    def _raise_finalized(self, head: Header) -> bool:
        stamp = self._finality.raise_mark(self.marks, head)
        self.notices.finality_unconfirmed = self._finality.unconfirmed
        if stamp is not None:
            self._position = replace(self._at, marks=replace(self.marks, finalized=stamp))
        return stamp is not None

    def _header(self, number: BlockNumber) -> Header:
        return fetch_headers(self._source, number, number)[0]

    def _stored_hash(self, number: BlockNumber) -> dict[BlockNumber, BlockHash]:
        with self._engine.connect() as connection:
            found = candidate(connection, self._chain_id, height=number)
        return {found.number: found.hash} if found is not None and found.number == number else {}

    def _note(self, head_number: BlockNumber) -> None:
        """Store that the head was seen; the same one only now and then, and then ``safe`` too."""
        now = monotonic()
        due = now - self._head_noted_at >= NOTE_INTERVAL_S
        if head_number == self.marks.head_number and not due:
            return
        values: dict[str, int] = {"head_number": head_number}
        if due:
            safe = tagged_header(self._source, "safe")
            values |= {} if safe is None else {"safe_number": safe.number}
            self._head_noted_at = now
        with self._engine.begin() as connection:
            note(connection, self._chain_id, values)
        self._position = replace(self._at, marks=replace(self.marks, head_number=head_number))
