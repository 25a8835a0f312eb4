"""Read ranges anew that nobody vouches for any more, with proof, and mend what differs.

A liar served them, a check failed, or the code asks for more topics than it did. Above the
finalized mark the follower repairs by itself: it replaces.
"""

from collections.abc import Iterator

from sqlalchemy import Engine

from indexer.chain.deployments import Deployment
from indexer.chain.networks import Network
from indexer.chain.source import BlockSource
from indexer.chain.types import BlockNumber
from indexer.events import FILTER_ID
from indexer.ledger import holes
from indexer.mend import restate
from indexer.queries import read_marks
from indexer.scene import RepairOutcome, Scene
from indexer.spans import Interval

BLOCKS_PER_SLICE = 100
"""Blocks read and committed together: one batch of headers, and little to repeat."""


def repair_range(  # noqa: PLR0913 - the surface the command line and the checks share
    engine: Engine,
    source: BlockSource,
    network: Network,
    deployment: Deployment,
    low: BlockNumber,
    high: BlockNumber,
    *,
    reason: str,
) -> RepairOutcome:
    """Read ``low`` to ``high`` anew and mend what differs, a slice a transaction.

    Whoever calls holds the chain's writer lock, or is its writer.

    Args:
        engine: Acting as the role that owns schema ``chain``.
        source: Where to ask.
        network: The chain.
        deployment: Where the protocol stands on it.
        low: First block; at or above the deployment's first.
        high: Last block; at or below the finalized mark.
        reason: Why, for the log.

    Raises:
        ValueError: The range is empty or reaches out of what is final here.
        TransientError: A node did not answer, contradicted itself, or the others disagree with it:
            slices before are mended, this one is untouched.
        InvariantError: The finalized block changed: the chain's writer is halted.
    """
    scene = Scene.of(engine, source, network, deployment)
    outcome: RepairOutcome | None = None
    for start, end in slices(low, high):
        found = restate(scene, start, end, reason=reason)
        outcome = found if outcome is None else outcome.joined(found)
    if outcome is None:
        raise ValueError(f"no block lies from {low} to {high}")
    return outcome


def repair_hole(
    engine: Engine, source: BlockSource, network: Network, deployment: Deployment
) -> RepairOutcome | None:
    """Read the lowest hole at or below the finalized mark anew: one slice of it.

    Args:
        engine: Acting as the role that owns schema ``chain``.
        source: Where to ask.
        network: The chain.
        deployment: Where the protocol stands on it.

    Returns:
        None when there is no hole.

    Raises:
        TransientError: As ``repair_range`` does.
    """
    with engine.connect() as connection:
        found = read_marks(connection, network.chain_id)
        if found is None or found.finalized is None:
            return None
        open_ranges = holes(
            connection, network.chain_id, FILTER_ID, found.first_block, found.finalized.number
        )
    if not open_ranges:
        return None
    low, high = next(slices(*open_ranges[0]))
    scene = Scene.of(engine, source, network, deployment)
    return restate(scene, low, high, reason="hole")


def slices(low: BlockNumber, high: BlockNumber) -> Iterator[Interval]:
    """Cut a range into pieces that are read and committed one by one. Pure."""
    for start in range(low, high + 1, BLOCKS_PER_SLICE):
        yield BlockNumber(start), BlockNumber(min(start + BLOCKS_PER_SLICE - 1, high))
