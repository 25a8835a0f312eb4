"""Processes die by SIGKILL at each named point of a transaction's life, and all settles once."""

import json
import subprocess
import sys

from benchmarks.chaos_points import ENGINE_POINTS, INDEXER_POINTS

KILLS = 3


def test_payments_settle_once_when_processes_are_killed_at_each_named_point() -> None:
    """Survives: every row of the crash table that is about a chain, three times over."""
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.chaos",
            *("--json", "--points", "--kills", str(KILLS), "--seed", "1"),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
    )
    figures = json.loads(finished.stdout.splitlines()[-1])
    assert figures["faults"] == [], finished.stderr
    assert finished.returncode == 0
    kills = figures["kills_by_point"]
    assert kills.keys() >= {*ENGINE_POINTS, *INDEXER_POINTS}
    assert min(kills.values()) >= KILLS
    assert (figures["missing"], figures["duplicates"]) == (0, 0)
    assert figures["confirmed"] == figures["payments"] > 0
