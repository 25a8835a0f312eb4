"""Gas of each path of one-slot and mirror treasuries, against the committed snapshot.

Figures per payment, and how they compare with Oak's, are benchmarks/gas.py's. After a change that
is meant to move gas: LASTRO_WRITE_SNAPSHOTS=1 ape test tests/contracts/test_gas.py.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import building
import pytest
import treasuries
import world
from world import PLATFORM, REAL, ZERO

SNAPSHOT = Path(__file__).parents[2] / "contracts" / "gas-snapshot.json"
TOLERANCE = 0.02
KINDS = [building.PAYMENT_TREASURY_ID, building.MIRROR_ID]
SIZE = 50


class Meter:
    """One treasury that has seen payments before, as all but a few transactions find theirs."""

    def __init__(self, ground, people) -> None:
        self.treasury, self.campaign = ground.treasury, ground.campaign
        self.token = ground.tokens[0]
        self.people, self.admin = people, people.platform_admin
        self.count = 0
        self.token.mint(self.treasury, 10**9 * REAL, sender=people.stranger)
        self.settle(1)
        self.confirm(self.created(1)[1], [people.buyer])

    def batch(self, size: int) -> list[world.Payment]:
        first, self.count = self.count, self.count + size
        return world.payments(self.token, size, first=first)

    def created(self, size: int, *items: tuple) -> tuple[int, list[bytes]]:
        batch = [payment.but(line_items=items) for payment in self.batch(size)]
        ids = [payment.payment_id for payment in batch]
        create = self.treasury.createPaymentBatch
        return world.send(create, *world.columns(batch), sender=self.admin).gas_used, ids

    def confirm(self, ids: list[bytes], buyers: list) -> int:
        return self.treasury.confirmPaymentBatch(ids, buyers, sender=self.admin).gas_used

    def settle(self, size: int) -> int:
        structs = [
            (each.payment_id, each.buyer_id, each.item_id, ZERO, each.amount)
            for each in self.batch(size)
        ]
        settle = self.treasury.settleBatch
        return world.send(settle, self.token, structs, sender=self.admin).gas_used

    def singles(self) -> dict[str, int]:
        """createPayment and confirmPayment."""
        (payment,) = self.batch(1)
        create = self.treasury.createPayment
        made = world.send(create, *payment.arguments, sender=self.admin)
        done = self.treasury.confirmPayment(payment.payment_id, ZERO, sender=self.admin)
        return {"createPayment": made.gas_used, "confirmPayment": done.gas_used}

    def batches(self) -> dict[str, int]:
        found = {}
        for size in (1, SIZE):
            found[f"createPaymentBatch of {size}"], ids = self.created(size)
            found[f"confirmPaymentBatch of {size}"] = self.confirm(ids, [ZERO] * size)
            found[f"settleBatch of {size}"] = self.settle(size)
            _, ids = self.created(size)
            named = [self.people.buyer] * size
            found[f"confirmPaymentBatch of {size} with receipts"] = self.confirm(ids, named)
        items = (
            treasuries.line_item("reward extra", REAL),
            treasuries.line_item("shipping", REAL),
        )
        found["createPaymentBatch of 1 with 2 items"], ids = self.created(1, *items)
        found["confirmPaymentBatch of 1 with 2 items"] = self.confirm(ids, [ZERO])
        return found

    def ways_out(self) -> dict[str, int]:
        _, (one, two, three) = self.created(3)
        self.confirm([one, two, three], [ZERO, self.people.buyer, ZERO])
        receipt = self.campaign.getPledgeCount()
        self.campaign.approve(self.treasury, receipt, sender=self.people.buyer)
        refund = self.treasury.claimRefund
        calls = {
            "claimRefund": lambda: refund(one, self.people.payee, sender=self.admin),
            "claimRefund of a receipt": lambda: world.send(refund, two, sender=self.admin),
            "withdraw": lambda: self.treasury.withdraw(sender=self.people.creator),
            "disburseFees": lambda: self.treasury.disburseFees(sender=self.admin),
        }
        return {name: call().gas_used for name, call in calls.items()}


def measure_protocol(protocol, people) -> dict[str, int]:
    """Making a campaign, and a treasury of each kind in one."""
    create, deploy = protocol.campaigns.createCampaign, protocol.treasuries.deploy
    found = {}
    for kind in KINDS:
        arguments = world.campaign_arguments(people)
        receipt = create(*arguments, sender=people.stranger)
        found["createCampaign"] = receipt.gas_used
        made = building.event(receipt, protocol.campaigns, "CampaignInfoFactoryCampaignCreated")
        campaign = made.campaignInfoAddress
        receipt = deploy(PLATFORM, campaign, kind, sender=people.platform_admin)
        found[f"deploy {building.TREASURY_KINDS[kind]}"] = receipt.gas_used
    return found


def measure_treasury(protocol, people, kind: int) -> dict[str, int]:
    treasuries.set_item_types(protocol, people)
    tokens = (world.new_token(people.stranger),)
    meter = Meter(treasuries.lay(protocol, people, kind, tokens), people)
    return meter.singles() | meter.batches() | meter.ways_out()


def assert_snapshot(name: str, measured: dict[str, int]) -> None:
    committed = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    if os.environ.get("LASTRO_WRITE_SNAPSHOTS"):
        committed[name] = measured
        SNAPSHOT.write_text(json.dumps(committed, indent=1) + "\n", encoding="utf-8")
    assert measured == pytest.approx(committed[name], rel=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
def test_gas_of_a_treasury_is_that_of_the_snapshot(protocol, people, kind):
    measured = measure_treasury(protocol, people, kind)
    assert_snapshot(building.TREASURY_KINDS[kind], measured)


def test_gas_of_making_campaigns_and_treasuries_is_that_of_the_snapshot(protocol, people):
    assert_snapshot("protocol", measure_protocol(protocol, people))
