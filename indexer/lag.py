"""How far behind is too far: for readers, and for whoever is on call. Pure."""

from datetime import timedelta
from typing import Final

from indexer.chain.networks import Network, network_by_name
from indexer.status import Status

LAG_BLOCKS_MAX: Final = 60
"""Blocks behind the head from which on readers should look elsewhere."""
BACKFILL_BLOCKS_MIN: Final = 1_000
"""Blocks behind the head from which on a lag is a backfill: it takes minutes, and has an ETA."""
SILENCE_BLOCK_TIMES_MAX: Final = 30
SILENCE_MIN: Final = timedelta(seconds=60)
"""How long no look at the head may succeed, and how old the newest indexed block may be while newer
ones wait: the longer of the two."""

FINALITY_ALARM_S: Final = {
    "celo": 3_600,
    "celo-sepolia": 3_600,
    "polygon": 120,
    "polygon-amoy": 120,
}
"""How far the ``finalized`` tag may trail before someone should look. Celo: it follows Ethereum's
own, 13 to 30 minutes (docs.celo.org, "Finality" of the L2). Polygon: milestones come within
seconds (docs.polygon.technology, "Finality"; PIP-11)."""
FINALITY_ALARM_ELSEWHERE_S: Final = 600
"""For networks without a source of their own: the local ones."""


def silence_max(block_time_s: int) -> timedelta:
    """How old the marks of a chain may be before they say nothing of now."""
    return max(timedelta(seconds=SILENCE_BLOCK_TIMES_MAX * block_time_s), SILENCE_MIN)


def finality_trails_s(status: Status) -> int | None:
    """Seconds of chain time between the indexed and the finalized block.

    Both are blocks, so that a chain that stands still raises no alarm of finality; None while the
    indexer itself is behind, where the mark trails because of us. While nothing is final, all since
    the first block trails, by the block time of the network.
    """
    if status.indexed is None or status.lag_blocks > LAG_BLOCKS_MAX:
        return None
    if status.finalized is None:
        blocks = status.indexed.number - status.first_block + 1
        return blocks * network_by_name(status.network).block_time_s
    return int((status.indexed.timestamp - status.finalized.timestamp).total_seconds())


def finality_alarm_s(network: Network) -> int:
    """Seconds the finalized mark may trail: the tag's alarm, and our own depth on top."""
    tag_s = FINALITY_ALARM_S.get(network.name, FINALITY_ALARM_ELSEWHERE_S)
    return tag_s + network.finality.depth_blocks * network.block_time_s
