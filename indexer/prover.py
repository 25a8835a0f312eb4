"""Prove from receipts what was believed on a node's word, in idle time.

First the blocks that hold logs of ours, wherever they stand: settlement acts on proven facts only.
Then, where history is to be proven, everything else, from the oldest. What a proof contradicts is
mended at once and charged to who served it; a block with a receipt of an unknown type is neither
proven nor wrong, and is left at that until another node is asked.
"""

from sqlalchemy import ColumnElement, Connection, Engine, select

from indexer.backfill.ranges import Depth
from indexer.chain.deployments import Deployment
from indexer.chain.networks import Network
from indexer.chain.source import BlockSource
from indexer.chain.types import BlockNumber
from indexer.events import FILTER_ID
from indexer.mend import restate
from indexer.providers import record_finding
from indexer.queries import read_marks
from indexer.repair import slices
from indexer.scene import Scene
from indexer.spans import Interval
from indexer.tables import blocks, provider_findings, ranges

BLOCKS_PER_CALL = 2
"""Single blocks proven in one call: a new head does not wait for more."""


def prove_once(
    engine: Engine,
    source: BlockSource,
    network: Network,
    deployment: Deployment,
    *,
    history: Depth = "checked",
) -> bool:
    """Prove some blocks that are not proven yet.

    Args:
        engine: Acting as the role that owns schema ``chain``.
        source: The chain.
        network: Which.
        deployment: Where the protocol stands on it.
        history: How sure all history is to be: ``proven`` asks for every block, anything less
            only for those that hold logs of ours.

    Returns:
        Whether there were such blocks: call again.

    Raises:
        TransientError: A node did not answer or contradicted itself; what was proven stays proven.
    """
    scene = Scene.of(engine, source, network, deployment)
    with engine.connect() as connection:
        marks = read_marks(connection, network.chain_id)
        if marks is None or marks.finalized is None:
            return False
        final = marks.finalized.number
        numbers = _holding(connection, scene, marks.first_block, final)
        interval = None
        if not numbers and history == "proven":
            interval = _unproven(connection, scene, marks.first_block, final)
    for number in numbers:
        _prove(scene, number, number, in_ledger=False)
    if interval is not None:
        _prove(scene, *interval, in_ledger=True)
    return bool(numbers) or interval is not None


def _prove(scene: Scene, low: BlockNumber, high: BlockNumber, *, in_ledger: bool) -> None:
    """Prove blocks and mend them; write down those that cannot be, so that they are left alone."""
    outcome = restate(scene, low, high, reason="proof", in_ledger=in_ledger)
    if outcome.proven:
        return
    with scene.engine.begin() as connection:
        record_finding(
            connection,
            scene.chain_id,
            scene.source.provider,
            "unprovable",
            (low, high),
            "a receipt has a type whose encoding is unknown",
        )


def _holding(
    connection: Connection, scene: Scene, first_block: BlockNumber, final: BlockNumber
) -> list[BlockNumber]:
    """Unproven blocks that hold logs of ours, from the oldest."""
    rows = connection.execute(
        select(blocks.c.number)
        .where(
            blocks.c.chain_id == scene.chain_id,
            blocks.c.number.between(first_block, final),
            ~blocks.c.proven,
            blocks.c.logs_count > 0,
            ~_unprovable(scene, blocks.c.number, blocks.c.number),
        )
        .order_by(blocks.c.number)
        .limit(BLOCKS_PER_CALL)
    )
    return [BlockNumber(number) for number in rows.scalars()]


def _unproven(
    connection: Connection, scene: Scene, first_block: BlockNumber, final: BlockNumber
) -> Interval | None:
    """The beginning of the oldest range that is not proven, as much as one slice."""
    row = connection.execute(
        select(ranges.c.low, ranges.c.high)
        .where(
            ranges.c.chain_id == scene.chain_id,
            ranges.c.filter == FILTER_ID,
            ranges.c.state != "proven",
            ranges.c.low.between(first_block, final),
            ~_unprovable(scene, ranges.c.low, ranges.c.high),
        )
        .order_by(ranges.c.low)
        .limit(1)
    ).one_or_none()
    return None if row is None else next(slices(row.low, min(row.high, final)))


def _unprovable(
    scene: Scene, low: ColumnElement[int], high: ColumnElement[int]
) -> ColumnElement[bool]:
    """Whether blocks were found unprovable before, as told by who would be asked now."""
    return (
        select(provider_findings.c.id)
        .where(
            provider_findings.c.chain_id == scene.chain_id,
            provider_findings.c.provider == scene.source.provider,
            provider_findings.c.kind == "unprovable",
            provider_findings.c.low <= low,
            provider_findings.c.high >= high,
        )
        .exists()
    )
