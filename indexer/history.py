"""Read long stretches of finalized history in ranges as wide as the node accepts."""

import structlog

from indexer.chain.source import BlockSource
from indexer.chain.types import BlockNumber
from indexer.errors import RpcError
from indexer.fetch import IncompleteAnswer, Reading, read_by_logs
from indexer.known import KnownContracts
from indexer.ranges import RangeSize

FIRST_RANGE_BLOCKS = 1_000

log = structlog.get_logger()


class HistoryReader:
    """Asks for filtered logs, range after range, and learns how wide a range may be."""

    def __init__(self, source: BlockSource, *, blocks_max: int) -> None:
        """Start with a modest range.

        Args:
            source: Where to ask.
            blocks_max: Widest range the network's providers accept.
        """
        self._source = source
        self._size = RangeSize(min(FIRST_RANGE_BLOCKS, blocks_max), blocks_max)

    def read(self, low: BlockNumber, final: BlockNumber, known: KnownContracts) -> Reading | None:
        """Read the next range; None when only headers can tell what it holds.

        Args:
            low: First block.
            final: Highest finalized block: nothing above is read this way.
            known: Contracts known as of the block before ``low``.

        Raises:
            TransientError: The node did not answer or contradicted itself.
        """
        while True:
            high = self._size.span(low, final)
            try:
                reading = read_by_logs(self._source, low, high, known)
            except RpcError as refusal:
                log.info("log_range_refused", low=low, high=high, reason=refusal.message)
                smaller = self._size.after_refusal()
                if smaller is None:
                    return None
                self._size = smaller
            except IncompleteAnswer as finding:
                log.warning("log_answer_incomplete", low=low, high=high, reason=str(finding))
                return None
            else:
                self._size = self._size.after_answer(reading.logs_count, high - low + 1)
                return reading
