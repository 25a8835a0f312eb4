"""Put the node's branch in the place of ours.

The replacement is read and verified first, whole; then both change in one transaction. One that
cannot be read, because it is pruned or the node wavers, undoes nothing.
"""

import structlog
from sqlalchemy import Engine

from indexer.ancestry import find_ancestor, stored_blocks
from indexer.chain.blocks import Header
from indexer.chain.source import BlockSource
from indexer.chain.types import BlockHash, BlockNumber, BlockStamp
from indexer.errors import Lagging
from indexer.fetch import fetch_headers, read_by_headers
from indexer.finality import FinalityWatch, require_borne_out
from indexer.headers import require_linked
from indexer.known import KnownContracts
from indexer.queries import Marks
from indexer.rewind import undo_blocks
from indexer.write import known_contracts, write_reading

HEADERS_PER_STEP = 100
"""Blocks committed together when catching up by headers: one JSON-RPC batch."""
LONE_WORD_DEPTH = 3
"""Blocks that one node's word may undo while another node still holds them."""

log = structlog.get_logger()


class Replacement:
    """Replaces what a head contradicts. Hold the chain's lock."""

    def __init__(
        self,
        engine: Engine,
        source: BlockSource,
        deployed: KnownContracts,
        finality: FinalityWatch,
    ) -> None:
        """Prepare; nothing is asked yet."""
        self._engine = engine
        self._source = source
        self._deployed = deployed
        self._finality = finality

    def swap(self, marks: Marks, tip: BlockStamp, head: Header) -> None:
        """Find the ancestor, read what follows it, then undo and write at once.

        Args:
            marks: As stored.
            tip: Where the cursor stands.
            head: The node's; it contradicts a stored block.

        Raises:
            ChainContradiction: The node wavered, or served what does not fit its own hashes.
            Disagreement: Another node still holds our branch, which is deep.
            InvariantError: A finalized block changed.
        """
        ancestor, parent = self._ancestor(marks, tip, head)
        low = BlockNumber(ancestor + 1)
        if head.number < low:
            raise Lagging(f"the head fell to {head.number} while blocks were compared")
        high = BlockNumber(min(head.number, max(tip.number, ancestor + HEADERS_PER_STEP)))
        headers = fetch_headers(self._source, low, high)
        require_linked(headers[0].parent_hash if parent is None else parent, headers)
        with self._engine.connect() as connection:
            known = known_contracts(connection, marks.chain_id, self._deployed, at=ancestor)
        reading = read_by_headers(self._source, marks.chain_id, headers, known)
        with self._engine.begin() as connection:
            reorg_id = undo_blocks(connection, marks.chain_id, ancestor=ancestor, tip=tip)
            write_reading(
                connection, marks.chain_id, reading, expected=tip, head_number=head.number
            )
        log.warning(
            "blocks_replaced",
            chain_id=marks.chain_id,
            reorg_id=reorg_id,
            ancestor=ancestor,
            depth=tip.number - ancestor,
            provider=self._source.provider,
        )

    def _ancestor(
        self, marks: Marks, tip: BlockStamp, head: Header
    ) -> tuple[BlockNumber, BlockHash | None]:
        """Highest block that node and database share; its hash is None below the first block."""
        final = marks.finalized
        floor = BlockNumber(marks.first_block - 1) if final is None else final.number
        with self._engine.connect() as connection:
            stored = stored_blocks(connection, marks.chain_id, above=floor, up_to=head.number)
        place = find_ancestor(self._source, stored) if stored else 0
        shared = stored[place] if place < len(stored) else final
        if shared is not None and shared is final:
            theirs = fetch_headers(self._source, final.number, final.number)[0]
            if theirs.hash != final.hash:
                self._finality.halt(final, theirs)
        number = floor if shared is None else shared.number
        if place and tip.number - number > LONE_WORD_DEPTH:
            require_borne_out(self._source, stored[place - 1])
        return number, None if shared is None else shared.hash
