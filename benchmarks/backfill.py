"""How fast history is indexed, and how soon the tip: ``python -m benchmarks.backfill --json``.

Every figure is of one run on one machine, beside its own baselines: the node answering the same
``getLogs`` over two connections, bytes thrown away (``getlogs_only``) or decoded as the indexer
decodes them (``getlogs_decoded``), and Postgres taking the same rows by COPY (``copy_only``). A
run ends when the last fact is committed with cursor and ledger; making the projections is counted
apart. Several runs are made: rates are those of the slowest, memory that of the biggest.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

from rich.console import Console
from rich.progress import Progress

from benchmarks.backfill_runs import (
    copy_only,
    getlogs_decoded,
    getlogs_only,
    history,
    in_process_of_its_own,
    sparse,
)
from benchmarks.ground import Ground, ground
from benchmarks.synthetic import Shape, Synthetic, synthetic_chain
from benchmarks.tip import tip_latencies
from stack.fakes.chain_proxy.faults import Fault
from stack.fakes.chain_proxy.proxy import running_proxy

EVENTS = 200_000
FLAT_EVENTS = (50_000, 500_000)
LATENCY_S = 0.08
TIP_BLOCKS = 100
TIP_EVENTS = 2_000
"""Before the tip: little, so that an indexer which has caught up is measured."""
RUNS = 3
SPARSE_BLOCKS = 8
SPARSE_BLOCKS_BETWEEN = 499


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure."""

    events: int
    runs: int
    memory: bool
    """Whether to build the two chains that show whether memory grows."""
    quick: bool
    """Whether to leave the sparse chain out."""


def measure(plan: Plan, progress: Progress) -> dict[str, Any]:
    """Build the chains and measure."""
    figures: dict[str, Any] = {}
    with ground() as base:
        with _chain(Shape(plan.events), progress) as chain:
            figures |= _speeds(base, chain, plan.runs, progress)
            figures |= _distant(base, chain)
        with _chain(Shape(TIP_EVENTS), progress) as chain:
            figures |= _tip(base, chain)
        if not plan.quick:
            with _chain(Shape(SPARSE_BLOCKS * 40, SPARSE_BLOCKS_BETWEEN), progress) as chain:
                figures |= in_process_of_its_own(sparse, chain, base.database())
        if plan.memory:
            figures |= _memory(base, progress)
    return figures


def _chain(shape: Shape, progress: Progress) -> Any:  # noqa: ANN401 - a context manager
    task = progress.add_task(f"building a chain of {shape.events:,} events", total=None)
    return synthetic_chain(
        shape, on_progress=lambda at, all_: progress.update(task, completed=at, total=all_)
    )


def _speeds(base: Ground, chain: Synthetic, runs: int, progress: Progress) -> dict[str, Any]:
    task = progress.add_task("measuring", total=4 * runs + 1)
    found: list[dict[str, Any]] = []
    for _ in range(runs):
        one: dict[str, Any] = {}
        for name, work in (("only", getlogs_only), ("decoded", getlogs_decoded)):
            one[name] = in_process_of_its_own(work, chain, "")
            progress.advance(task)
        for depth in ("checked", "proven"):
            one[depth] = in_process_of_its_own(history, chain, base.database(), depth)
            progress.advance(task)
        found.append(one)
    copied = in_process_of_its_own(copy_only, chain, base.database())
    progress.advance(task)

    def rates(name: str, key: str = "seconds") -> list[float]:
        return [chain.events / one[name][key] for one in found]

    def ratio(baseline: str) -> float:
        pairs = zip(rates("checked"), rates(baseline), strict=True)
        return round(min(ours / theirs for ours, theirs in pairs), 3)

    return {
        "events": chain.events,
        "runs": runs,
        "checked_events_per_s": round(min(rates("checked"))),
        "proven_events_per_s": round(min(rates("proven"))),
        "projected_events_per_s": round(min(rates("checked", "projected_seconds"))),
        "getlogs_only_events_per_s": round(max(rates("only"))),
        "getlogs_decoded_events_per_s": round(max(rates("decoded"))),
        "ratio_to_getlogs": ratio("only"),
        "ratio_to_getlogs_decoded": ratio("decoded"),
        "copy_only_events_per_s": round(chain.events / copied["seconds"]),
        "peak_rss_mib": max(
            one[depth]["peak_rss_mib"] for one in found for depth in ("checked", "proven")
        ),
    }


def _distant(base: Ground, chain: Synthetic) -> dict[str, Any]:
    """The same history through a node that is 80 ms away, against the same proxy without delay."""
    with running_proxy(chain.url) as proxy:
        seconds = []
        for latency in (None, Fault("latency", seconds=LATENCY_S)):
            if latency is not None:
                proxy.faults.add(latency)
            away = chain.at(proxy.url)
            seconds.append(in_process_of_its_own(history, away, base.database(), "checked"))
    near, far = (one["seconds"] for one in seconds)
    return {"latency_80ms_ratio": round(far / near, 3)}


def _tip(base: Ground, chain: Synthetic) -> dict[str, Any]:
    latencies = tip_latencies(chain, base.database(), blocks=TIP_BLOCKS)
    ranks = quantiles(latencies, n=20)
    return {
        "tip_p50_ms": round(ranks[9] * 1_000, 1),
        "tip_p95_ms": round(ranks[18] * 1_000, 1),
        "tip_max_ms": round(max(latencies) * 1_000, 1),
    }


def _memory(base: Ground, progress: Progress) -> dict[str, Any]:
    peaks = []
    for events in FLAT_EVENTS:
        with _chain(Shape(events), progress) as chain:
            run = in_process_of_its_own(history, chain, base.database(), "checked")
            peaks.append(run["peak_rss_mib"])
    return {
        "rss_mib_by_events": dict(zip(map(str, FLAT_EVENTS), peaks, strict=True)),
        "rss_growth": round(peaks[1] / peaks[0], 3),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Measure how fast history is indexed.")
    parser.add_argument("--json", action="store_true", help="print only the JSON object")
    parser.add_argument("--events", type=int, default=EVENTS, help="events on the chain")
    parser.add_argument("--runs", type=int, default=RUNS, help="runs of each figure")
    parser.add_argument(
        "--memory", action="store_true", help="also compare 50,000 with 500,000 events"
    )
    parser.add_argument("--quick", action="store_true", help="leave the sparse chain out")
    options = parser.parse_args(arguments)
    console = Console(stderr=True, quiet=options.json)
    with Progress(console=console, transient=True) as progress:
        plan = Plan(options.events, options.runs, options.memory, options.quick)
        figures = measure(plan, progress)
    console.print_json(data=figures)
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
