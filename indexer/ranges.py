"""How many blocks to ask logs of at once: as many as give a full, accepted answer. Pure."""

from dataclasses import dataclass, replace
from typing import Self

from indexer.chain.types import BlockNumber

LOGS_PER_ANSWER = 5_000
"""Common providers refuse answers above 10,000 logs; half leaves room for a denser next range."""
GROWTH_MAX = 4


@dataclass(frozen=True, slots=True)
class RangeSize:
    """Blocks to ask for next, within what the network's providers accept."""

    blocks: int
    blocks_max: int

    def after_answer(self, logs_count: int, blocks_read: int) -> Self:
        """Aim at ``LOGS_PER_ANSWER``, at most four times and at least half as wide as before.

        Args:
            logs_count: Logs in the answer.
            blocks_read: Blocks it covered; less than ``blocks`` at the end of the chain.
        """
        if logs_count == 0:
            aim = self.blocks * GROWTH_MAX
        else:
            aim = blocks_read * LOGS_PER_ANSWER // logs_count
        return self._of(min(max(aim, self.blocks // 2), self.blocks * GROWTH_MAX))

    def after_refusal(self) -> Self | None:
        """Half as many; None when one block was already refused."""
        return None if self.blocks == 1 else self._of(self.blocks // 2)

    def capped(self, blocks: int) -> Self:
        """No wider than a node accepts, from now on."""
        blocks_max = max(1, min(self.blocks_max, blocks))
        return replace(self, blocks=min(self.blocks, blocks_max), blocks_max=blocks_max)

    def span(self, low: BlockNumber, target: BlockNumber) -> BlockNumber:
        """Last block of the range that starts at ``low`` and ends at ``target`` at the latest."""
        return BlockNumber(min(low + self.blocks - 1, target))

    def _of(self, blocks: int) -> Self:
        return replace(self, blocks=min(max(blocks, 1), self.blocks_max))
