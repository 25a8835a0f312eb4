"""A short storm of webhooks: whatever went wrong, every paid payment is settled once."""

import json
import subprocess
import sys

WEBHOOKS, KILLS, RESTARTS, SEED = 600, 3, 1, 1
PAID = 60
"""Of the 78 payments that so many webhooks tell of; every other one settles on-chain."""


def test_paid_payments_settle_once_when_webhooks_come_amid_faults() -> None:
    """Survives: forged, repeated and reordered webhooks, Postgres away, workers killed."""
    numbers = {"webhooks": WEBHOOKS, "kills": KILLS, "restarts": RESTARTS, "seed": SEED}
    options = [text for name, number in numbers.items() for text in (f"--{name}", str(number))]
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.webhook_storm", "--json", "--hurry", *options],
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert finished.returncode == 0, f"{finished.stdout}\n{finished.stderr}"
    figures = json.loads(finished.stdout.splitlines()[-1])
    sent = ("webhooks", "duplicates", "reordered", "forged", "payments", "seed")
    assert [figures[name] for name in sent] == [WEBHOOKS, 180, 60, 30, 78, SEED]
    settled = ("paid", "captured", "entries", "requests")
    assert [figures[name] for name in settled] == [PAID, PAID, PAID, PAID // 2]
    wrong = ("missing", "double", "changed_otherwise", "forged_taken", "ended_unasked")
    assert [figures[name] for name in wrong] == [0] * len(wrong)
    assert figures["is_balanced"] is True
    assert (figures["worker_kills"], figures["postgres_restarts"]) == (KILLS, RESTARTS)
    assert figures["forged_counted"] >= figures["forged"]
