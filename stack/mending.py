"""Reading ranges of a chain again for an operator: which, with progress, and what came of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from indexer.chain.deployments import Deployment
from indexer.chain.networks import Network
from indexer.chain.rpc import ChainReader
from indexer.chain.types import BlockNumber
from indexer.errors import ConfigurationError
from indexer.events import FILTER_ID
from indexer.ledger import holes
from indexer.mend import examine, restate
from indexer.progress import progress
from indexer.queries import read_marks
from indexer.repair import slices
from indexer.scene import RepairOutcome, Scene
from indexer.spans import Interval
from stack.answers import show


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain, its database and its nodes."""

    engine: Engine
    source: ChainReader
    network: Network
    deployment: Deployment


def span_of(low: int, high: int) -> Interval:
    """Two blocks as a range.

    Raises:
        ConfigurationError: It is empty.
    """
    if high < low:
        raise ConfigurationError(f"no block lies from {low} to {high}")
    return BlockNumber(low), BlockNumber(high)


def open_holes(
    engine: Engine, network: Network, low: int | None = None, high: int | None = None
) -> list[Interval]:
    """What was never read of the final blocks, from the lowest.

    Args:
        engine: May read schema ``chain``.
        network: The chain.
        low: First block that matters; None: the deployment's.
        high: Last one; None: the finalized.
    """
    with engine.connect() as connection:
        marks = read_marks(connection, network.chain_id)
        if marks is None or marks.finalized is None:
            return []
        first = max(marks.first_block, low or 0)
        last = marks.finalized.number if high is None else min(high, marks.finalized.number)
        if last < first:
            return []
        return holes(connection, network.chain_id, FILTER_ID, BlockNumber(first), BlockNumber(last))


def repaired(
    chain: Chain, spans: Sequence[Interval], *, reason: str
) -> tuple[list[Interval], list[RepairOutcome]]:
    """Read ranges anew and mend what differs, a slice a transaction.

    Where that makes a contract known, or unknown, all that follows counts as never read: that is
    read anew too.

    Returns:
        What was read, and what came of it.

    Raises:
        ConfigurationError: A range is not final, or not of this deployment.
        TransientError: The nodes do not answer, or not in agreement; whole slices stand.
    """
    scene = Scene.of(chain.engine, chain.source, chain.network, chain.deployment)
    read: list[Interval] = []
    outcomes: list[RepairOutcome] = []
    while spans:
        found = _each("repair", spans, lambda low, high: restate(scene, low, high, reason=reason))
        read += spans
        outcomes += found
        changed = any(one.contracts_changed for one in found)
        spans = open_holes(chain.engine, chain.network) if changed else []
    return read, outcomes


def examined(chain: Chain, span: Interval) -> list[RepairOutcome]:
    """Compare a range with the chain, with proof, and change nothing; raises as ``repaired``."""
    scene = Scene.of(chain.engine, chain.source, chain.network, chain.deployment)
    return _each("verify", [span], lambda low, high: examine(scene, low, high))


def answer(
    outcomes: Sequence[RepairOutcome],
    spans: Sequence[Interval],
    console: Console,
    *,
    as_json: bool,
    more: dict[str, Any] | None = None,
) -> None:
    """Say how many rows there were, and how many were missing and false, table by table."""
    tables: dict[str, dict[str, int]] = {}
    for one in outcomes:
        for change in one.changes:
            row = tables.setdefault(change.table, {"before": 0, "missing": 0, "false": 0})
            for name in row:
                row[name] += getattr(change, name)
    unproven = [[one.low, one.high] for one in outcomes if not one.proven]
    differing = [one for one in outcomes if one.is_change]
    if as_json:
        found = {
            "ranges": [list(span) for span in spans],
            "blocks": _blocks(spans),
            "same": not differing,
            "tables": tables,
            "unproven": unproven,
        }
        show(found | (more or {}), as_json=True)
        return
    shown = Table("table", "rows before", "missing", "false")
    for name, row in tables.items():
        shown.add_row(name, *(f"{count:,}" for count in row.values()))
    console.print(shown)
    for one in differing:
        console.print(f"blocks {one.low} to {one.high} differed from the chain")
    for low, high in unproven:
        console.print(f"blocks {low} to {high} hold a block that cannot be proven")
    console.print(f"{_blocks(spans):,} blocks read; {len(differing)} parts differed")


def _each(
    work: str,
    spans: Sequence[Interval],
    read: Callable[[BlockNumber, BlockNumber], RepairOutcome],
) -> list[RepairOutcome]:
    """Read ranges slice by slice, and show how far it is."""
    done, outcomes = 0, []
    with progress(work, _blocks(spans)) as tell, _refusals():
        for span in spans:
            for low, high in slices(*span):
                outcomes.append(read(low, high))
                done += high - low + 1
                tell(done)
    return outcomes


def _blocks(spans: Sequence[Interval]) -> int:
    return sum(high - low + 1 for low, high in spans)


@contextmanager
def _refusals() -> Iterator[None]:
    """A range that may not be touched is the caller's mistake."""
    try:
        yield
    except ValueError as refusal:
        raise ConfigurationError(str(refusal)) from None
