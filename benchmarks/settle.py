"""How fast captured payments are settled, and for how much gas: ``python -m benchmarks.settle``.

5,000 payments that are captured already are settled in one campaign and in 400, on treasuries of
our kind and of Oak's: from the engine's first turn until the last confirmation is indexed in a
finalized block. Beside each stands the naive way in the same run: the same engine with one payment
a transaction, on 500 payments over as many campaigns. Postgres is durable, a block comes every
second, the indexer is a process of its own, and every setting is production's. Rates depend on the
machine; their ratio hardly, and gas not at all. Figures at the top are the first scenario's, on our
kind.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.ground import Ground, end_in_order, ground
from benchmarks.settle_runs import Run, Scene, settle
from tests.support.real_protocol import OAKS_KIND, OUR_KIND

PAYMENTS = 5_000
NAIVE_PAYMENTS = 500
CAMPAIGNS = 400
KINDS = (OUR_KIND, OAKS_KIND)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is settled."""

    payments: int
    naive_payments: int
    campaigns: int
    """Of the second scenario; the first has one."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The engine as it is, and as the naive way."""

    ours: Run
    naive: Run

    def figures(self) -> dict[str, Any]:
        """Name the figures as they are tracked."""
        ours, naive = self.ours, self.naive
        return {
            "payments_per_s": round(ours.payments_per_s, 1),
            "naive_payments_per_s": round(naive.payments_per_s, 1),
            "rate_ratio": round(ours.payments_per_s / naive.payments_per_s, 1),
            "gas_per_payment": round(ours.gas_per_payment),
            "naive_gas_per_payment": round(naive.gas_per_payment),
            "gas_ratio": round(ours.gas_per_payment / naive.gas_per_payment, 3),
            "transactions": ours.transactions,
            "payments": ours.payments,
            "naive_payments": naive.payments,
            "naive_transactions": naive.transactions,
        }


def measure(
    base: Ground, sizes: Sizes, kinds: Sequence[str], progress: Progress
) -> dict[str, dict[str, Any]]:
    """Settle every scene, for each treasury kind; figures by kind and scenario."""
    task = progress.add_task("settling", total=4 * len(kinds))
    found: dict[str, dict[str, Any]] = {}
    for kind in kinds:
        for campaigns in (1, sizes.campaigns):
            runs = []
            for payments, items_max in ((sizes.payments, None), (sizes.naive_payments, 1)):
                scene = Scene(payments, campaigns, kind)
                progress.update(task, description=f"settling {scene}")
                runs.append(settle(base, scene, batch_items_max=items_max))
                progress.advance(task)
            name = "one_campaign" if campaigns == 1 else f"{campaigns}_campaigns"
            found.setdefault(kind, {})[name] = Compared(*runs).figures()
    return found


def report(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The first scenario's figures, and all of them by kind and scenario."""
    (first, *_) = found.values()
    return {**first["one_campaign"], "by_kind": found}


def draw(found: dict[str, dict[str, Any]], console: Console) -> None:
    """Show the figures."""
    table = Table("", "payments/s", "naive", "ratio", "gas each", "naive", "ratio", "txs")
    for kind, scenarios in found.items():
        for name, figures in scenarios.items():
            table.add_row(
                f"{kind}\n{name}",
                f"{figures['payments_per_s']:,}",
                f"{figures['naive_payments_per_s']:,}",
                f"{figures['rate_ratio']:,}",
                f"{figures['gas_per_payment']:,}",
                f"{figures['naive_gas_per_payment']:,}",
                f"{figures['gas_ratio']}",
                f"{figures['transactions']:,}",
            )
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Measure settling captured payments.")
    parser.add_argument("--payments", type=int, default=PAYMENTS)
    parser.add_argument("--naive-payments", type=int, default=NAIVE_PAYMENTS)
    parser.add_argument("--campaigns", type=int, default=CAMPAIGNS, help="of the second scenario")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only treasuries of it")
    parser.add_argument("--json", action="store_true", help="print only the JSON object")
    options = parser.parse_args(arguments)
    end_in_order()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    console = Console(stderr=True, quiet=options.json)
    sizes = Sizes(options.payments, options.naive_payments, options.campaigns)
    with ground() as base, Progress(console=console, transient=True) as progress:
        found = measure(base, sizes, options.kind or KINDS, progress)
    draw(found, console)
    print(json.dumps(report(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
