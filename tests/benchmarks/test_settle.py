"""The settlement benchmark measures what it says; how fast it was is no matter of a test."""

import json
import subprocess
import sys

KEYS = {
    "payments_per_s",
    "naive_payments_per_s",
    "rate_ratio",
    "gas_per_payment",
    "naive_gas_per_payment",
    "gas_ratio",
    "transactions",
}
SIZES = ("--payments", "40", "--naive-payments", "4", "--campaigns", "2")
KIND = "oak-payment-treasury"


def test_settle_benchmark_prints_every_figure_of_a_few_payments() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.settle", "--json", *SIZES, "--kind", KIND],
        check=True,
        capture_output=True,
        text=True,
        timeout=280,
    )
    figures = json.loads(finished.stdout.splitlines()[-1])
    assert figures.keys() >= KEYS
    scenarios = [
        (kind, name, found)
        for kind, by_name in figures["by_kind"].items()
        for name, found in by_name.items()
    ]
    names = [(kind, name) for kind, name, _ in scenarios]
    assert names == [(KIND, "one_campaign"), (KIND, "2_campaigns")]
    for _, _, found in scenarios:
        assert found["payments"] == 40
        assert all(found[key] > 0 for key in KEYS)
        assert found["gas_per_payment"] < found["naive_gas_per_payment"]
        ratio = found["gas_per_payment"] / found["naive_gas_per_payment"]
        assert abs(found["gas_ratio"] - ratio) < 0.01
    assert {key: figures[key] for key in KEYS} == {key: scenarios[0][2][key] for key in KEYS}
