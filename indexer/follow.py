"""Follow one chain: read, verify, write, finalize; each step commits once.

What a step believes it has verified; what it writes it writes together with the cursor. So a
process may die anywhere: the next one reads the cursor and continues.
"""

from dataclasses import dataclass, replace
from time import monotonic

import structlog
from sqlalchemy import Connection, Engine

from indexer.chain.blocks import Header
from indexer.chain.deployments import Deployment
from indexer.chain.networks import Network
from indexer.chain.source import BlockSource
from indexer.chain.types import BlockHash, BlockNumber, BlockStamp
from indexer.cursor import note, open_marks
from indexer.errors import ChainContradiction, ConfigurationError, InvariantError
from indexer.fetch import Reading, fetch_headers, read_by_headers
from indexer.finality import (
    Ballot,
    ballot,
    candidate,
    finalized_header,
    finalized_height,
    is_contradicted,
    raise_finalized,
)
from indexer.headers import Duplicate, Reorg, require_linked, standing
from indexer.history import HistoryReader
from indexer.known import KnownContracts
from indexer.queries import Marks, read_marks
from indexer.rewind import find_ancestor, stored_blocks, undo_blocks
from indexer.verify import check_header
from indexer.write import known_contracts, write_reading

HEADERS_PER_STEP = 100
"""Blocks committed together when catching up by headers: one JSON-RPC batch."""
HEADER_SCAN_BLOCKS_MAX = 5_000
"""How far behind the finalized block reading every header still is the quicker and surer way."""
NOTE_INTERVAL_S = 1.0
"""Between two notes of the same head: often enough for ``updated_at``, seldom enough for disks."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Position:
    """Where a follower stands; made anew from the database after any failure."""

    marks: Marks
    known: KnownContracts
    """As of ``marks.indexed``."""


class Follower:
    """Follows one chain into one database. Hold the chain's lock while stepping."""

    def __init__(
        self,
        engine: Engine,
        source: BlockSource,
        *,
        network: Network,
        deployment: Deployment,
        header_scan_blocks_max: int = HEADER_SCAN_BLOCKS_MAX,
    ) -> None:
        """Prepare; nothing is asked or written yet.

        Args:
            engine: Acting as the role that owns schema ``chain``.
            source: The chain.
            network: Its finality rule and limits.
            deployment: Where the protocol stands on it.
            header_scan_blocks_max: Distance to the finalized block above which history is read
                through filtered logs.
        """
        self._engine = engine
        self._source = source
        self._network = network
        self._chain_id = network.chain_id
        self._deployment = deployment
        self._deployed = KnownContracts.of_deployment(deployment)
        self._header_scan_blocks_max = header_scan_blocks_max
        self._history = HistoryReader(source, blocks_max=network.logs_range_blocks_max)
        self._position: Position | None = None
        self._head_noted_at = -NOTE_INTERVAL_S
        self._finality_doubted = False

    def start(self) -> None:
        """Check that node, record and database speak of the same chain, and find our place in it.

        Raises:
            ConfigurationError: They do not.
            InvariantError: The writer halted earlier; an operator must look first.
            TransientError: The node does not answer.
        """
        genesis = self._source.block_by_number(BlockNumber(0))
        if genesis is None:
            raise ConfigurationError(f"{self._source.provider} has no genesis block")
        if genesis.hash != self._deployment.genesis_hash:
            raise ConfigurationError(
                f"{self._source.provider} serves a chain whose genesis is "
                f"0x{genesis.hash.hex()}, but the deployment record of {self._network.name} is of "
                f"another chain (0x{self._deployment.genesis_hash.hex()}): deploy again, or mend "
                "LASTRO_RPC_URLS or LASTRO_DEPLOYMENTS_DIR"
            )
        with self._engine.begin() as connection:
            marks = open_marks(
                connection,
                self._network,
                first_block=self._deployment.first_block,
                genesis_hash=genesis.hash,
            )
            self._position = self._position_at(connection, marks)
        if marks.degraded_reason is not None:
            raise InvariantError(f"the indexer halted earlier: {marks.degraded_reason}")

    def recover(self, failure: Exception) -> None:
        """Prepare for another try: read our place from the database, doubt who contradicted.

        Args:
            failure: What the last step raised.
        """
        if isinstance(failure, ChainContradiction):
            self._source.distrust()
        self._reload()

    def _reload(self) -> None:
        """Forget what memory says of our place."""
        with self._engine.begin() as connection:
            marks = read_marks(connection, self._chain_id)
            if marks is None:
                raise InvariantError(f"marks of chain {self._chain_id} vanished")
            self._position = self._position_at(connection, marks)

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
            InvariantError: A finalized block changed, or another writer is at work: stop.
        """
        head = self._source.block_by_number("latest")
        if head is None:
            raise ChainContradiction(f"{self._source.provider} names no head")
        check_header(head)
        self._note_head(
            head.number
        )  # whatever comes of the rest, readers see how far behind we are
        final = finalized_header(self._source)
        advanced = self._advance(head, final)
        raised = self._raise_finalized(head, final)
        return advanced or raised

    @property
    def _at(self) -> Position:
        if self._position is None:
            raise InvariantError("the follower was not started")
        return self._position

    def _advance(self, head: Header, final: Header | None) -> bool:
        """Take the next blocks, or replace those that the head contradicts."""
        tip = self.marks.indexed
        if tip is None:
            if head.number < self.marks.first_block:
                return False
            return self._extend(head, final)
        if head.hash == tip.hash:
            return False
        stored = {tip.number: tip.hash}
        if head.number < tip.number:
            stored |= self._stored_hash(head.number)
        match standing(head, tip_number=tip.number, stored=stored):
            case Duplicate():
                return False
            case Reorg():
                self._replace(head)
                return True
            case _:
                return self._extend(head, final)

    def _extend(self, head: Header, final: Header | None) -> bool:
        """Read what follows the tip: through logs while far behind finality, else by headers."""
        tip = self.marks.indexed
        low = self.marks.first_block if tip is None else BlockNumber(tip.number + 1)
        if final is not None and final.number - low >= self._header_scan_blocks_max:
            if tip is not None and self._header(tip.number).hash != tip.hash:
                self._replace(head)  # filtered logs are not linked to the tip; its hash must be
                return True
            reading = self._history.read(low, final.number, self._at.known)
            if reading is not None:
                self._write(reading, head.number)
                return True
        high = BlockNumber(min(low + HEADERS_PER_STEP - 1, head.number))
        headers = [head] if low == head.number else fetch_headers(self._source, low, high)
        if tip is not None and headers[0].parent_hash != tip.hash:
            self._replace(head)
            return True
        require_linked(headers[0].hash, headers[1:])
        self._write(read_by_headers(self._source, headers, self._at.known), head.number)
        return True

    def _replace(self, head: Header) -> None:
        """Find the ancestor, read and verify what replaces our blocks, then swap both at once.

        Raises:
            InvariantError: The ancestor lies below the finalized mark.
        """
        marks = self.marks
        tip = marks.indexed
        if tip is None:
            raise InvariantError("a chain without blocks was asked to rewind")
        ancestor, parent = self._ancestor(marks)
        if ancestor == tip.number:
            raise ChainContradiction(f"{self._source.provider} contradicted our tip, then agreed")
        low = BlockNumber(ancestor + 1)
        if head.number < low:
            raise ChainContradiction(f"the head fell to {head.number} while blocks were compared")
        high = BlockNumber(min(head.number, max(tip.number, ancestor + HEADERS_PER_STEP)))
        headers = fetch_headers(self._source, low, high)
        require_linked(headers[0].parent_hash if parent is None else parent, headers)
        with self._engine.connect() as connection:
            known = known_contracts(connection, self._chain_id, self._deployed, at=ancestor)
        reading = read_by_headers(self._source, headers, known)
        with self._engine.begin() as connection:
            touched = undo_blocks(connection, self._chain_id, ancestor=ancestor, tip=tip)
            write_reading(
                connection,
                self._chain_id,
                reading,
                expected=tip,
                head_number=head.number,
                touched=touched,
            )
        log.warning(
            "blocks_replaced",
            ancestor=ancestor,
            depth=tip.number - ancestor,
            payments_touched=len(touched),
        )
        self._reload()

    def _ancestor(self, marks: Marks) -> tuple[BlockNumber, BlockHash | None]:
        """Highest block that node and database share; its hash is None below the first block."""
        final = marks.finalized
        floor = BlockNumber(marks.first_block - 1) if final is None else final.number
        with self._engine.connect() as connection:
            stored = stored_blocks(connection, self._chain_id, above=floor)
        shared = find_ancestor(self._source, stored) if stored else None
        if shared is not None:
            return shared.number, shared.hash
        if final is None:
            return floor, None
        theirs = self._header(final.number)
        if theirs.hash != final.hash:
            self._halt(final, theirs)
        return final.number, final.hash

    def _halt(self, final: BlockStamp, theirs: Header) -> None:
        """Stop for good if the nodes agree that a finalized block changed; else doubt this one."""
        if not is_contradicted(self._source, final, theirs):
            raise ChainContradiction(
                f"{self._source.provider} contradicts finalized block {final.number}, "
                "which no second answer bears out"
            )
        reason = (
            f"finalized block {final.number} changed from 0x{final.hash.hex()} to "
            f"0x{theirs.hash.hex()} at {self._source.provider}"
        )
        with self._engine.begin() as connection:
            note(connection, self._chain_id, {"degraded_reason": reason})
        raise InvariantError(f"{reason}: nothing more is written; compare with another node")

    def _write(self, reading: Reading, head_number: BlockNumber) -> None:
        marks = self.marks
        with self._engine.begin() as connection:
            write_reading(
                connection,
                self._chain_id,
                reading,
                expected=marks.indexed,
                head_number=head_number,
            )
        moved = replace(marks, indexed=reading.last.stamp, head_number=head_number)
        self._position = Position(moved, reading.known)
        log.debug("blocks_indexed", low=reading.low, high=reading.last.number)

    def _raise_finalized(self, head: Header, final: Header | None) -> bool:
        """Raise the finalized mark as far as node, depth and database agree."""
        marks = self.marks
        if final is None or marks.indexed is None:
            return False
        height = finalized_height(self._network.finality, tag=final.number, head=head.number)
        if marks.finalized is not None and height <= marks.finalized.number:
            return False
        with self._engine.connect() as connection:
            stamp = candidate(connection, self._chain_id, height=height)
        if stamp is None or (marks.finalized and stamp.number <= marks.finalized.number):
            return False
        if not self._is_agreed(stamp):
            return False
        with self._engine.begin() as connection:
            raised = raise_finalized(connection, self._chain_id, stamp)
        if raised:
            self._position = replace(self._at, marks=replace(marks, finalized=stamp))
        return raised

    def _is_agreed(self, stamp: BlockStamp) -> bool:
        """Whether enough nodes hold a block of ours that is about to become final.

        Raises:
            ChainContradiction: Enough hold another: ours came from a node to distrust.
        """
        found: Ballot = ballot(self._source, stamp)
        if found.is_contradicted:
            nodes = ", ".join(found.contradicted)
            raise ChainContradiction(f"{nodes} call block {stamp.number} final under another hash")
        if not found.is_agreed and not self._finality_doubted:
            log.warning(
                "finality_unconfirmed",
                block_number=stamp.number,
                agreed=found.agreed,
                contradicted=found.contradicted,
            )
        self._finality_doubted = not found.is_agreed
        return found.is_agreed

    def _header(self, number: BlockNumber) -> Header:
        return fetch_headers(self._source, number, number)[0]

    def _stored_hash(self, number: BlockNumber) -> dict[BlockNumber, BlockHash]:
        with self._engine.connect() as connection:
            found = candidate(connection, self._chain_id, height=number)
        return {found.number: found.hash} if found is not None and found.number == number else {}

    def _note_head(self, number: BlockNumber) -> None:
        """Store that the head was seen; the same one only now and then."""
        now = monotonic()
        if number == self.marks.head_number and now - self._head_noted_at < NOTE_INTERVAL_S:
            return
        with self._engine.begin() as connection:
            note(connection, self._chain_id, {"head_number": number})
        self._head_noted_at = now
        self._position = replace(self._at, marks=replace(self.marks, head_number=number))

    def _position_at(self, connection: Connection, marks: Marks) -> Position:
        if marks.indexed is None:
            return Position(marks, self._deployed)
        known = known_contracts(connection, self._chain_id, self._deployed, at=marks.indexed.number)
        return Position(marks, known)
