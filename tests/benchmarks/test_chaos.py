"""Half a minute of chaos: whatever happened, every payment is on the chain once."""

import json
import subprocess
import sys

PAYMENTS = 150


def test_payments_settle_once_when_everything_goes_wrong_for_half_a_minute() -> None:
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.chaos",
            *("--json", "--payments", str(PAYMENTS), "--minutes", "0.5", "--seed", "1"),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
    )
    figures = json.loads(finished.stdout.splitlines()[-1])
    assert figures["faults"] == [], finished.stderr
    assert finished.returncode == 0
    assert (figures["confirmed"], figures["missing"], figures["duplicates"]) == (PAYMENTS, 0, 0)
    assert figures["seed"] == 1
    assert figures["transactions"] > figures["wasted_transactions"]
    assert figures["kills"] >= 10
    assert figures["reorgs"] >= 5
