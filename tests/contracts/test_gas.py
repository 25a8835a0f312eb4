"""Gas of the two calls that settlement makes, against the committed snapshot.

After a change that is meant to move it: LASTRO_WRITE_SNAPSHOTS=1 ape test tests/contracts.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import world
from world import REAL, ZERO

SNAPSHOT = Path(__file__).parents[2] / "contracts" / "gas-snapshot.json"
TOLERANCE = 0.02
SIZES = [1, 10, 50]


def measure(treasury, brla, people) -> dict[str, dict[str, int]]:
    """Gas used by batches on a treasury that has seen a payment before, as all but one have."""
    world.confirmed(treasury, brla, people, world.a_payment(brla, 0))
    world.fund(treasury, brla, people, 1_000_000_000 * REAL)
    gas: dict[str, dict[str, int]] = {"create": {}, "confirm": {}}
    for size in SIZES:
        batch = world.payments(brla, size, first=1_000 * size)
        admin = people.platform_admin
        receipt = world.send(treasury.createPaymentBatch, *world.columns(batch), sender=admin)
        gas["create"][str(size)] = receipt.gas_used
        ids = [payment.payment_id for payment in batch]
        receipt = treasury.confirmPaymentBatch(ids, [ZERO] * size, sender=admin)
        gas["confirm"][str(size)] = receipt.gas_used
    for used in gas.values():
        used["per_payment_at_50"] = used["50"] // 50
        used["marginal"] = (used["50"] - used["10"]) // 40
        used["fixed"] = used["10"] - 10 * used["marginal"]
    return gas


def test_gas_is_that_of_the_snapshot(treasury, brla, people):
    measured = measure(treasury, brla, people)
    if os.environ.get("LASTRO_WRITE_SNAPSHOTS"):
        SNAPSHOT.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    committed = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    for name, figures in committed.items():
        assert measured[name] == pytest.approx(figures, rel=TOLERANCE), name
