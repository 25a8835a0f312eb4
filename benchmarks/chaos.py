"""Settle while all goes wrong: ``python -m benchmarks.chaos --payments N --minutes M --json``.

Two settlement engines without a leader and an indexer work on a real chain behind two nodes that
lie, with a real Postgres. They die by SIGKILL at named points and at any other, sleep in the middle
of things, and are followed by others; the chain is reorganized, its pool emptied, its gas made
dear, its nonces stolen. At the end everything is healed, what is left is settled, and the chain
itself is asked what became of every payment. Exits with 1 when anything is missing or double, or
when something is known to nobody.

``--points`` does one thing only: it kills ``--kills`` times at each named point.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence

import structlog
from rich.console import Console
from rich.progress import Progress

from benchmarks.chaos_kinds import crash, rage
from benchmarks.chaos_run import chaos_run
from benchmarks.ground import end_in_order

KILLS = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 1 when something is not as it must be."""
    parser = argparse.ArgumentParser(description="Settle payments while everything goes wrong.")
    parser.add_argument("--payments", type=int, default=6_000)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long chaos lasts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--points", action="store_true", help="only kill, at each named point")
    parser.add_argument("--kills", type=int, default=KILLS, help="at each point, with --points")
    parser.add_argument("--json", action="store_true", help="print only the JSON object")
    options = parser.parse_args(arguments)
    end_in_order()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    console = Console(stderr=True, quiet=options.json)
    with (
        Progress(console=console, transient=True) as progress,
        chaos_run(options.seed, progress) as run,
    ):
        if options.points:
            crash(run, kills=options.kills)
        else:
            rage(run, payments=options.payments, seconds=options.minutes * 60)
        figures = {**run.finish(), "payments": len(run.world.captured), "seed": options.seed}
    console.print_json(data=figures)
    print(json.dumps(figures))
    return 1 if figures["missing"] or figures["duplicates"] or figures["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
