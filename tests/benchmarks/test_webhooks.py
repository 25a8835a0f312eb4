"""The webhook benchmark measures what it says; how fast it was is no matter of a test."""

import json
import subprocess
import sys

KEYS = {"webhooks_per_s", "p50_ms", "p99_ms", "pgbench_rows_per_s", "ratio_to_pgbench"}


def test_webhook_benchmark_prints_every_figure_and_loses_nothing_in_a_short_run() -> None:
    command = [sys.executable, "-m", "benchmarks.webhooks", "--json", "--seconds", "1"]
    finished = subprocess.run(
        [*command, "--rounds", "1"], check=True, capture_output=True, text=True, timeout=180
    )
    figures = json.loads(finished.stdout.splitlines()[-1])
    assert all(figures[key] > 0 for key in KEYS)
    ratio = figures["webhooks_per_s"] / figures["pgbench_rows_per_s"]
    assert abs(figures["ratio_to_pgbench"] - ratio) < 0.01
    assert figures["p50_ms"] <= figures["p99_ms"]
    assert figures["lost_under_overload"] == 0
    overload = figures["overload"]
    assert overload["answers"]["200"] > 0
    assert overload["answers"].keys() <= {"200", "503"}
    assert overload["refused_without_retry_after"] == 0
    assert figures["accepted"] >= overload["answers"]["200"] + figures["webhooks_per_s"]
