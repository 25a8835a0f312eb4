"""The backfill benchmark measures what it says; how fast it was is no matter of a test."""

import json
import subprocess
import sys

KEYS = {
    "events",
    "checked_events_per_s",
    "proven_events_per_s",
    "getlogs_only_events_per_s",
    "ratio_to_getlogs",
    "copy_only_events_per_s",
    "peak_rss_mib",
    "tip_p95_ms",
    "latency_80ms_ratio",
}


def test_backfill_benchmark_prints_every_figure_of_a_small_chain() -> None:
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.backfill",
            *("--json", "--events", "2000", "--runs", "1", "--quick"),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=180,
    )
    figures: dict[str, float] = json.loads(finished.stdout.splitlines()[-1])
    assert figures.keys() >= KEYS
    assert figures["events"] == 2_000
    assert all(figures[key] > 0 for key in KEYS)
    ratio = figures["checked_events_per_s"] / figures["getlogs_only_events_per_s"]
    assert abs(figures["ratio_to_getlogs"] - ratio) < 0.01
