"""How fast signed webhooks are accepted: ``python -m benchmarks.webhooks --json``.

The write API runs as in production, on an embedded Postgres that waits for its disk (fsync and
synchronous_commit on), and is sent genuine webhooks over kept-alive connections; each answer comes
after its row is committed. Beside it, in the same run and by turns because machines are noisy,
pgbench of the same Postgres inserts rows of the same size into a table with the same columns,
checks and indexes, one a transaction (``-M prepared``, eight clients, two threads). Figures are
medians of the turns.

Then five times the measured rate is offered, however slowly answers come, over as many connections
as that takes (up to a bound, beyond which webhooks count as unsent); for the middle third of it a
lock keeps Postgres from storing anything. Afterwards Postgres is crashed and started again, and
every webhook of the whole run that was answered 200 is looked up: ``lost_under_overload`` counts
those without a row.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import Progress

from benchmarks.chain import BenchmarkError
from benchmarks.ground import Ground, end_in_order, ground
from benchmarks.webhooks_load import Sent, overload, saturate
from benchmarks.webhooks_site import (
    Api,
    Pgbench,
    body_bytes,
    deliveries,
    held_up,
    serving,
    stored_keys,
)

SECONDS = 5.0
ROUNDS = 5
CONNECTIONS = 64
OVERLOAD = 5
OVERLOAD_CONNECTIONS = 10_000
SUPPLY_PER_S = 15_000
"""Webhooks made beforehand for a second of saturation: more than are accepted."""
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


def measure(seconds: float, rounds: int, progress: Progress) -> dict[str, Any]:
    """Measure by turns, then overload, then crash Postgres and count what is missing."""
    task = progress.add_task("measuring", total=rounds + 2)
    accepted: set[str] = set()
    turns = []
    with (
        tempfile.TemporaryDirectory(prefix="lastro-webhooks-") as home,
        ground(_DURABLE) as base,
        serving(base, Path(home)) as api,
    ):
        pgbench = Pgbench(base, api, Path(home))
        for number in range(rounds):
            progress.update(task, description=f"turn {number + 1} of {rounds}")
            turns.append(_turn(api, pgbench, seconds, accepted))
            progress.advance(task)
        figures = _figures(turns)
        progress.update(task, description="one at a time")
        figures["alone"] = _alone(api, accepted)
        progress.advance(task)
        progress.update(task, description="overload")
        rate_per_s = OVERLOAD * figures["webhooks_per_s"]
        figures["overload"] = _overload(api, rate_per_s, seconds, accepted)
        progress.advance(task)
        figures["lost_under_overload"] = _lost(base, api, accepted)
    sizes = {"connections": CONNECTIONS, "body_bytes": body_bytes(), "accepted": len(accepted)}
    return {**figures, **sizes}


def _turn(api: Api, pgbench: Pgbench, seconds: float, accepted: set[str]) -> dict[str, float]:
    """One turn of each."""
    rows_per_s = pgbench.rows_per_s(seconds)
    cpu_s = api.cpu_s()
    sent = _saturate(api, CONNECTIONS, seconds)
    accepted |= sent.accepted
    return {
        "pgbench_rows_per_s": round(rows_per_s),
        "webhooks_per_s": round(sent.accepted_per_s),
        "p50_ms": sent.latency_ms(0.5),
        "p99_ms": sent.latency_ms(0.99),
        "server_cpu_s_per_1000": round((api.cpu_s() - cpu_s) / sum(sent.answers.values()) * 1e3, 3),
        "sender_cpu_share": round(sent.cpu_share, 2),
    }


def _saturate(api: Api, connections: int, seconds: float) -> Sent:
    supply = deliveries(int(SUPPLY_PER_S * (seconds + 1)))
    sent = saturate(api.port, supply, connections=connections, seconds=seconds)
    if sent.offered == len(supply) or set(sent.answers) != {200}:
        raise BenchmarkError(f"{sent.offered} were sent and answered {dict(sent.answers)}")
    return sent


def _figures(turns: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Medians of the turns, and the turns."""
    figures: dict[str, Any] = {
        name: round(median(turn[name] for turn in turns), 3) for name in turns[0]
    }
    ratio = figures["webhooks_per_s"] / figures["pgbench_rows_per_s"]
    return {**figures, "ratio_to_pgbench": round(ratio, 3), "turns": turns}


def _alone(api: Api, accepted: set[str]) -> dict[str, float]:
    """Latencies when there is nothing to share a commit with."""
    sent = _saturate(api, 1, 1.0)
    accepted |= sent.accepted
    return {"p50_ms": sent.latency_ms(0.5), "p99_ms": sent.latency_ms(0.99)}


def _overload(api: Api, rate_per_s: float, seconds: float, accepted: set[str]) -> dict[str, Any]:
    supply = deliveries(int(rate_per_s * seconds) + 1)
    third_s = seconds / 3
    with held_up(api.database, after_s=third_s, seconds=third_s):
        sent = overload(
            api.port,
            supply,
            connections=OVERLOAD_CONNECTIONS,
            rate_per_s=rate_per_s,
            seconds=seconds,
        )
    accepted |= sent.accepted
    return {
        "due_per_s": round(rate_per_s),
        "offered_per_s": round(sent.offered / seconds),
        "accepted_per_s": round(sent.accepted_per_s),
        "p50_ms": sent.latency_ms(0.5),
        "p99_ms": sent.latency_ms(0.99),
        "answers": {str(status): count for status, count in sorted(sent.answers.items())},
        "refused_without_retry_after": sent.without_advice,
        "unanswered": sent.offered - sum(sent.answers.values()),
        "unsent": sent.unsent,
        "connections": sent.connections,
        "sender_cpu_share": round(sent.cpu_share, 2),
    }


def _lost(base: Ground, api: Api, accepted: set[str]) -> int:
    """Crash Postgres, start it again, and look for every row."""
    base.crash()
    base.start()
    return len(accepted - stored_keys(api.database))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Measure how fast webhooks are accepted.")
    parser.add_argument("--json", action="store_true", help="print only the JSON object")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of each turn")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of each")
    options = parser.parse_args(arguments)
    end_in_order()
    console = Console(stderr=True, quiet=options.json)
    with Progress(console=console, transient=True) as progress:
        figures = measure(options.seconds, options.rounds, progress)
    console.print_json(data=figures)
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
