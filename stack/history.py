"""Reading on from where the indexer's cursor stands, in the foreground, as far as asked."""

from collections.abc import Callable
from threading import Event

from indexer.backfill.ranges import Depth
from indexer.backfill.run import Backfill, Progress
from indexer.errors import ConfigurationError, RpcError, TransientError
from indexer.finality import tagged_header
from indexer.follow import HEADER_SCAN_BLOCKS_MAX, Follower
from indexer.known import KnownContracts
from indexer.loop import Backoff
from indexer.progress import Tell, progress
from stack.mending import Chain

TRIES = 8
"""Failures of the node in a row that are waited out: about half a minute."""
REST_S = 0.25
"""While the node has nothing new."""


def read_on(
    chain: Chain,
    to: int | None,
    *,
    depth: Depth,
    header_scan_blocks_max: int = HEADER_SCAN_BLOCKS_MAX,
) -> tuple[int, int]:
    """Read and project block after block until one is indexed; a few more may be.

    Call it as the chain's one writer. Killed at any moment, it goes on from there.

    Args:
        chain: Where to ask and write.
        to: That block; None: the node's finalized one.
        depth: How history is verified while it is read.
        header_scan_blocks_max: As of ``Follower``.

    Returns:
        First block that was read, and the last; the last lies before when there was nothing to do.

    Raises:
        ConfigurationError: The chain is not that long.
        TransientError: The node does not answer, however often it is asked.
    """
    last = _target(chain, to)
    shown = _HistoryTold(last)
    follower = _follower(chain, depth, shown, header_scan_blocks_max)
    follower.stop = shown.stop
    follower.start()
    first = _next(follower)
    with progress("backfill", max(last - first + 1, 0)) as tell:
        shown.tell = lambda at: tell(min(at, last) - first + 1)
        _step_until(follower, last, shown.tell)
    return first, _next(follower) - 1


class _HistoryTold:
    """Hears of history that is committed: shows it, and stops the read when it came far enough."""

    def __init__(self, last: int) -> None:
        self._last = last
        self.stop = Event()
        self.tell: Tell = lambda _: None

    def __call__(self, history: Progress) -> None:
        """Hear of one commit."""
        self.tell(history.at)
        if history.at >= self._last:
            self.stop.set()


def _follower(
    chain: Chain,
    depth: Depth,
    history_told: Callable[[Progress], None],
    header_scan_blocks_max: int,
) -> Follower:
    return Follower(
        chain.engine,
        chain.source,
        network=chain.network,
        deployment=chain.deployment,
        history=Backfill(
            chain.engine,
            chain.source,
            network=chain.network,
            deployed=KnownContracts.of_deployment(chain.deployment),
            depth=depth,
            on_progress=history_told,
        ),
        header_scan_blocks_max=header_scan_blocks_max,
    )


def _step_until(follower: Follower, last: int, tell: Tell) -> None:
    backoff = Backoff()
    while _next(follower) <= last:
        try:
            if not follower.step():
                Event().wait(REST_S)
        except (TransientError, RpcError) as failure:
            if backoff.failures >= TRIES:
                raise
            Event().wait(backoff.next_s())
            follower.recover(failure)
        else:
            backoff.reset()
            tell(_next(follower) - 1)


def _target(chain: Chain, to: int | None) -> int:
    head = chain.source.block_by_number("latest")
    if to is None:
        header = tagged_header(chain.source, "finalized")
        if header is None:
            raise ConfigurationError(f"{chain.source.provider} knows no finalized block: give --to")
        return header.number
    if head is None or head.number < to:
        ends = "nowhere" if head is None else f"at block {head.number}"
        raise ConfigurationError(f"the chain ends {ends} by {chain.source.provider}")
    return to


def _next(follower: Follower) -> int:
    """The first block that is not indexed."""
    stands = follower.marks
    return stands.first_block if stands.indexed is None else stands.indexed.number + 1
