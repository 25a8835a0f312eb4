"""Ask a second provider for what a first one served, and let receipts decide where they differ.

One provider's answer for a range is its word; two that are equal are cross-checked. Where they
differ, the blocks concerned are read anew with proof: who was wrong is charged, and what else rests
on its word alone is taken back. A range that lost the digest of its logs, because a part of it was
read anew, cannot be compared: it is read with proof too.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import structlog
from sqlalchemy import ColumnElement, Connection, Engine, and_, select

from indexer.chain.blocks import Log
from indexer.chain.deployments import Deployment
from indexer.chain.networks import Network
from indexer.chain.reads import RawLogs, Topics
from indexer.chain.source import BlockSource
from indexer.chain.types import Address, BlockNumber, ChainId
from indexer.chain.wire import WireLog
from indexer.columnar import digest, groups_of_wire
from indexer.errors import RpcError
from indexer.events import PROTOCOL_TOPICS, TRANSFER
from indexer.ledger import forget, lowest_span, promote, spans_between
from indexer.mend import restate
from indexer.providers import leave_undecided, record_finding, requeue_after_lie, settle_doubts
from indexer.queries import read_marks
from indexer.repair import slices
from indexer.scene import Scene
from indexer.spans import Span
from indexer.tables import provider_findings, ranges

DISPUTED_BLOCKS_MAX = 100
"""Blocks read anew one by one to decide a dispute; a wider one is a hole, and read as a range."""

log = structlog.get_logger()


class SecondSource(BlockSource, Protocol):
    """A chain of which each provider can be asked by itself; ``ChainReader`` is one."""

    @property
    def providers(self) -> tuple[str, ...]:
        """Names of the nodes, without credentials."""
        ...

    def second(self, provider: str) -> int | None:
        """The place in ``providers`` of another one; None when there is none."""
        ...

    def raw_logs(
        self,
        low: BlockNumber,
        high: BlockNumber,
        topics: Topics,
        addresses: Sequence[Address] | None = None,
        *,
        provider: int | None = None,
    ) -> RawLogs:
        """Logs of a range as one node sends them."""
        ...


def cross_check_once(
    engine: Engine, source: SecondSource, network: Network, deployment: Deployment
) -> bool:
    """Compare the oldest range that only one provider vouches for with another's answer.

    Args:
        engine: Acting as the role that owns schema ``chain``.
        source: The chain; nothing is done where it has one provider only.
        network: Which chain.
        deployment: Whose tokens' transfers are read.

    Returns:
        Whether there was such a range: call again.

    Raises:
        TransientError: A node did not answer or contradicted itself; nothing was written.
        RpcError: A node refuses to list even one block.
    """
    scene = Scene.of(engine, source, network, deployment)
    with engine.connect() as connection:
        marks = read_marks(connection, network.chain_id)
        if marks is None or marks.finalized is None:
            return False
        span = _unchecked(connection, network.chain_id, marks.finalized.number)
    place = None if span is None else source.second(span.provider)
    if span is None or place is None:
        return False
    if span.digest is None:
        _reread(scene, span)
        return True
    second = source.providers[place]
    theirs = list_logs(source, span.low, span.high, scene.deployed.tokens, provider=place)
    if digest(groups_of_wire(theirs)) == span.digest:
        with engine.begin() as connection:
            promote(
                connection,
                network.chain_id,
                low=span.low,
                high=span.high,
                state="cross_checked",
                by=second,
            )
        return True
    _doubt(scene, span, second)
    _resolve(scene, source, span, second, theirs)
    return True


def list_logs(
    source: SecondSource,
    low: BlockNumber,
    high: BlockNumber,
    tokens: Sequence[Address],
    *,
    provider: int,
) -> list[WireLog]:
    """All logs that a range is asked for, by one provider: our topics, and the tokens' transfers.

    Raises:
        RpcError: It refuses even one block.
    """
    try:
        found = list(source.raw_logs(low, high, [PROTOCOL_TOPICS], provider=provider).logs)
        if tokens:
            moved = source.raw_logs(low, high, [(TRANSFER.topic0,)], tokens, provider=provider)
            found += moved.logs
    except RpcError:
        if low == high:
            raise
        middle = BlockNumber((low + high) // 2)
        found = list_logs(source, low, middle, tokens, provider=provider)
        found += list_logs(source, BlockNumber(middle + 1), high, tokens, provider=provider)
    return found


def differing_blocks(first: Sequence[Log], second: Sequence[Log]) -> tuple[BlockNumber, ...]:
    """Blocks of which two answers do not list the same logs, in order. Pure."""
    listed: tuple[defaultdict[BlockNumber, set[Log]], ...] = (defaultdict(set), defaultdict(set))
    for logs, by_block in zip((first, second), listed, strict=True):
        for one in logs:
            by_block[one.block_number].add(one)
    numbers = sorted({*listed[0], *listed[1]})
    return tuple(number for number in numbers if listed[0][number] != listed[1][number])


def _unchecked(connection: Connection, chain_id: ChainId, up_to: BlockNumber) -> Span | None:
    """The lowest range on one word that can be compared; else the lowest that cannot."""
    for is_comparable in (ranges.c.digest.is_not(None), ranges.c.digest.is_(None)):
        which = and_(is_comparable, ~_is_undecided(chain_id))
        span = lowest_span(connection, chain_id, below="cross_checked", up_to=up_to, which=which)
        if span is not None:
            return span
    return None


def _reread(scene: Scene, span: Span) -> None:
    """Read a slice anew of which no digest is left: a part of what was read as a whole once.

    What can be proven is; what cannot has a digest again, unless two readings differ of it.
    """
    low, high = next(slices(span.low, span.high))
    outcome = restate(scene, low, high, reason="digest_lost")
    named = {span.provider, scene.source.provider}
    with scene.engine.begin() as connection:
        for left in spans_between(connection, scene.chain_id, low, high):
            if left.digest is not None or not _holds_any(left, outcome.disputed):
                continue
            for provider in sorted(named):
                record_finding(
                    connection,
                    scene.chain_id,
                    provider,
                    "undecided",
                    (left.low, left.high),
                    "unproven receipts differ from what is stored",
                )


def _holds_any(span: Span, numbers: Sequence[BlockNumber]) -> bool:
    return any(span.low <= number <= span.high for number in numbers)


def _doubt(scene: Scene, span: Span, second: str) -> None:
    """Write down that two providers differ, before anything decides between them."""
    with scene.engine.begin() as connection:
        settle_doubts(connection, scene.chain_id, span.low, span.high)  # of a try that was cut off
        for provider, other in ((span.provider, second), (second, span.provider)):
            record_finding(
                connection,
                scene.chain_id,
                provider,
                "digest_differs",
                (span.low, span.high),
                f"another answer than {other}",
            )


def _resolve(
    scene: Scene, source: SecondSource, span: Span, second: str, theirs: Sequence[WireLog]
) -> None:
    """Find where the providers differ and let receipts decide; else make the range a hole."""
    blocks = _disputed(scene, source, span, theirs)
    if blocks is None or len(blocks) > DISPUTED_BLOCKS_MAX:
        _leave_to_repair(scene, source, span, has_wavered=blocks is None)
        return
    outcomes = [
        restate(scene, number, number, reason="dispute", in_ledger=False, needs_proof=True)
        for number in blocks
    ]
    if not all(outcome.proven for outcome in outcomes):
        with scene.engine.begin() as connection:
            leave_undecided(connection, scene.chain_id, span.low, span.high)
        return
    with scene.engine.begin() as connection:
        settle_doubts(connection, scene.chain_id, span.low, span.high)
        if any(outcome.refuted for outcome in outcomes):
            return  # the first was wrong: mending has charged it and made its ranges holes
        record_finding(
            connection,
            scene.chain_id,
            second,
            "logs_missing",
            (span.low, span.high),
            f"receipts contradict its answer in {len(blocks)} blocks",
        )
        requeue_after_lie(connection, scene.chain_id, second)
        # The two agree on all that is not proven now.
        promote(
            connection,
            scene.chain_id,
            low=span.low,
            high=span.high,
            state="cross_checked",
            by=second,
        )
    source.charge(second, "logs_missing")


def _leave_to_repair(scene: Scene, source: SecondSource, span: Span, *, has_wavered: bool) -> None:
    """Make the range a hole; a first provider that no longer says what it said is charged."""
    is_charged = has_wavered and span.provider in source.providers
    with scene.engine.begin() as connection:
        if is_charged:
            settle_doubts(connection, scene.chain_id, span.low, span.high)
            record_finding(
                connection,
                scene.chain_id,
                span.provider,
                "contradiction",
                (span.low, span.high),
                "lists other logs than when it was asked first",
            )
            requeue_after_lie(connection, scene.chain_id, span.provider)
        forget(connection, scene.chain_id, span.low, span.high)
    if is_charged:
        source.charge(span.provider, "contradiction")
    log.warning("dispute_left_to_repair", chain_id=scene.chain_id, low=span.low, high=span.high)


def _is_undecided(chain_id: ChainId) -> ColumnElement[bool]:
    """Whether two providers differ on a range for good."""
    return (
        select(provider_findings.c.id)
        .where(
            provider_findings.c.chain_id == chain_id,
            provider_findings.c.kind == "undecided",
            provider_findings.c.low == ranges.c.low,
            provider_findings.c.high == ranges.c.high,
        )
        .exists()
    )


def _disputed(
    scene: Scene, source: SecondSource, span: Span, theirs: Sequence[WireLog]
) -> tuple[BlockNumber, ...] | None:
    """Blocks where the first provider differs; None when it no longer says what it said."""
    if span.provider not in source.providers:
        return None
    first = list_logs(
        source,
        span.low,
        span.high,
        scene.deployed.tokens,
        provider=source.providers.index(span.provider),
    )
    if digest(groups_of_wire(first)) != span.digest:
        return None
    return differing_blocks([one.value() for one in first], [one.value() for one in theirs])
