"""Raise the finalized mark: by the chain's own tag and by depth, on a hash that is agreed on.

One node's word is final only where one node is all there is: with several, two must hold the hash
before the mark rises, and two must contradict it before the writer halts. Until the mark passes a
block everything that undoing it takes is kept, however long the chain stalls.
"""

from dataclasses import dataclass
from time import monotonic
from typing import Literal

import structlog
from sqlalchemy import Connection, Engine, delete, select

from indexer.chain.blocks import Header
from indexer.chain.networks import Finality, Network
from indexer.chain.source import BlockSource
from indexer.chain.types import BlockHash, BlockNumber, BlockStamp, ChainId
from indexer.cursor import move_finalized, note
from indexer.errors import ChainContradiction, InvariantError, RpcError, TransientError
from indexer.projections.totals import fold_totals
from indexer.queries import Marks
from indexer.tables import blocks
from indexer.verify import check_header

QUORUM = 2
ASK_INTERVAL_S = 1.0
"""Between two looks at the mark of one head: it moves with the chain, or once in minutes."""

log = structlog.get_logger()


class Disagreement(TransientError):  # noqa: N818 - names the finding, as the log does
    """Nodes hold different blocks and none is proven wrong: wait, and ask another first."""


class Halted(InvariantError):  # noqa: N818 - reads as a state of the writer
    """A finalized block changed: this chain's writer writes nothing until an operator has looked.

    Its endpoints go on telling why, and it goes on by itself once the reason is cleared.
    """


@dataclass(frozen=True, slots=True)
class Ballot:
    """What the nodes say of one of our blocks, counted up to the first quorum."""

    quorum: int
    agreed: tuple[str, ...]
    """Nodes that hold our hash."""
    contradicted: tuple[str, ...]
    """Nodes that hold another block at its height; one without any is in neither."""

    @property
    def is_agreed(self) -> bool:
        """Whether enough nodes hold our hash."""
        return len(self.agreed) >= self.quorum

    @property
    def is_contradicted(self) -> bool:
        """Whether enough nodes hold another."""
        return len(self.contradicted) >= self.quorum


def ballot(source: BlockSource, block: BlockStamp) -> Ballot:
    """Ask node after node for the block at a height, until enough say the same."""
    quorum = min(QUORUM, source.node_count)
    agreed: list[str] = []
    contradicted: list[str] = []
    for opinion in source.opinions(block.number):
        if opinion.header is None:
            continue
        try:
            theirs = check_header(opinion.header, at=block.number)
        except ChainContradiction:  # not the block it claims to be: no opinion at all
            continue
        (agreed if theirs.hash == block.hash else contradicted).append(opinion.provider)
        if quorum in {len(agreed), len(contradicted)}:
            break
    return Ballot(quorum, tuple(agreed), tuple(contradicted))


def is_contradicted(source: BlockSource, block: BlockStamp, theirs: Header) -> bool:
    """Whether a block that one answer contradicts is so by quorum, on being asked again.

    Args:
        source: The chain.
        block: Ours.
        theirs: The checked header that an answer gave for that height.
    """
    again = source.block_by_hash(theirs.hash)
    if again is None or check_header(again, at=block.number).hash != theirs.hash:
        return False
    return ballot(source, block).is_contradicted


def require_borne_out(source: BlockSource, block: BlockStamp) -> None:
    """Make sure that no second node still holds a block of ours which the first contradicts.

    A single node on a fork of its own must not make us undo what the others hold. Nodes that do not
    answer or have no such block say nothing either way.

    Raises:
        Disagreement: One does, and the others do not outvote it.
    """
    found = ballot(source, block)
    if found.agreed and not found.is_contradicted:
        raise Disagreement(
            f"{source.provider} contradicts block {block.number}, "
            f"which {', '.join(found.agreed)} still holds"
        )


def tagged_header(source: BlockSource, tag: Literal["safe", "finalized"]) -> Header | None:
    """The block that the node gives a tag; None when it names none."""
    try:
        header = source.block_by_number(tag)
    except RpcError:  # some nodes refuse the tag while nothing is final yet
        return None
    return None if header is None else check_header(header)


def finalized_height(finality: Finality, *, tag: BlockNumber, head: BlockNumber) -> BlockNumber:
    """Highest block that both the tag and the required depth call final. Pure."""
    return BlockNumber(min(tag, head - finality.depth_blocks))


def candidate(
    connection: Connection, chain_id: ChainId, *, height: BlockNumber
) -> BlockStamp | None:
    """The highest stored block at or below a height."""
    row = connection.execute(
        select(blocks.c.number, blocks.c.hash, blocks.c.timestamp)
        .where(blocks.c.chain_id == chain_id, blocks.c.number <= height)
        .order_by(blocks.c.number.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else BlockStamp(row.number, row.hash, row.timestamp)


def raise_finalized(connection: Connection, chain_id: ChainId, to: BlockStamp) -> bool:
    """Move the mark up, add to the totals what is final, forget final blocks without our logs.

    Returns:
        False when the mark already stands there or above.
    """
    if not move_finalized(connection, chain_id, to):
        return False
    fold_totals(connection, chain_id, to.number)
    connection.execute(
        delete(blocks).where(
            blocks.c.chain_id == chain_id, blocks.c.number < to.number, blocks.c.logs_count == 0
        )
    )
    return True


class FinalityWatch:
    """Looks at what the chain calls final, raises the mark, and halts when that changed."""

    def __init__(self, engine: Engine, source: BlockSource, network: Network) -> None:
        """Prepare; nothing is asked yet."""
        self._engine = engine
        self._source = source
        self._network = network
        self._doubted = False
        self.unconfirmed: str | None = None
        """Why the mark does not rise although the chain's own has; None while it does."""
        self._asked_at = -ASK_INTERVAL_S
        self._asked: tuple[BlockStamp, BlockHash] | None = None
        """What was indexed and what was the head then."""

    def raise_mark(self, marks: Marks, head: Header) -> BlockStamp | None:
        """Raise the mark as far as node, depth and database agree; None when it stays.

        Raises:
            ChainContradiction: Enough nodes hold another block than the one asked first, which
                gave us ours.
            Disagreement: So they do, and the one asked first is among them.
        """
        if marks.indexed is None or not self._is_due(marks.indexed, head):
            return None
        final = tagged_header(self._source, "finalized")
        if final is None:
            return None
        height = finalized_height(self._network.finality, tag=final.number, head=head.number)
        if marks.finalized is not None and height <= marks.finalized.number:
            return None
        chain_id = self._network.chain_id
        with self._engine.connect() as connection:
            height = BlockNumber(min(height, marks.indexed.number))
            stamp = candidate(connection, chain_id, height=height)
        if stamp is None or (marks.finalized and stamp.number <= marks.finalized.number):
            return None
        if not self._is_agreed(stamp):
            return None
        with self._engine.begin() as connection:
            return stamp if raise_finalized(connection, chain_id, stamp) else None

    def halt(self, final: BlockStamp, theirs: Header) -> None:
        """Stop for good if the nodes agree that a finalized block changed; else doubt this one.

        Raises:
            Halted: They do; the reason is stored, and readers are told by ``/readyz``.
            ChainContradiction: They do not.
        """
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
            note(connection, self._network.chain_id, {"degraded_reason": reason})
        log.error(
            "finalized_block_changed",
            chain_id=self._network.chain_id,
            block_number=final.number,
            provider=self._source.provider,
        )
        raise Halted(f"{reason}: nothing more is written; compare with another node")

    def _is_due(self, indexed: BlockStamp, head: Header) -> bool:
        """Whether the mark may have moved since it was last asked for."""
        now = monotonic()
        due = self._doubted or self._asked != (indexed, head.hash)
        if due or now - self._asked_at >= ASK_INTERVAL_S:
            self._asked, self._asked_at = (indexed, head.hash), now
            return True
        return False

    def _is_agreed(self, stamp: BlockStamp) -> bool:
        found = ballot(self._source, stamp)
        if found.is_contradicted:
            nodes = ", ".join(found.contradicted)
            is_liar_asked = self._source.provider not in found.contradicted
            raise (ChainContradiction if is_liar_asked else Disagreement)(
                f"{nodes} call block {stamp.number} final under another hash"
            )
        if not found.is_agreed and not self._doubted:
            log.warning(
                "finality_unconfirmed",
                block_number=stamp.number,
                agreed=found.agreed,
                contradicted=found.contradicted,
            )
        self._doubted = not found.is_agreed
        self.unconfirmed = (
            f"finality unconfirmed: only {len(found.agreed)} of {self._source.node_count} "
            f"providers agree on block {stamp.number}"
            if self._doubted
            else None
        )
        return found.is_agreed
