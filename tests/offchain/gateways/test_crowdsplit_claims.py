"""Refunds and disputes at CrowdSplit, beyond what every gateway must do."""

import uuid
from typing import Any

import pytest

from offchain.gateways.crowdsplit.adapter import CrowdSplit
from offchain.gateways.errors import GatewayUnavailable, OutcomeUnknown
from offchain.gateways.types import NewRefund, Observation
from offchain.money import MinorUnits, Money
from tests.support.crowdsplit import FakeCrowdSplit, new_payment
from tests.support.offchain import FIFTY


@pytest.fixture
def gateway(crowdsplit: FakeCrowdSplit) -> CrowdSplit:
    return crowdsplit.adapter()


def read(gateway: CrowdSplit, observation: Observation) -> Observation:
    seen = gateway.read_payment(observation.provider_payment_id)
    assert seen is not None
    return seen


def paid(crowdsplit: FakeCrowdSplit, gateway: CrowdSplit) -> Observation:
    created = gateway.create_payment(new_payment())
    crowdsplit.pay(created.provider_payment_id)
    return created


def refund_of(seen: Observation, **fields: Any) -> NewRefund:
    values: dict[str, Any] = {
        "refund_id": uuid.uuid4(),
        "provider_payment_id": seen.provider_payment_id,
        "amount": FIFTY,
        "is_full": True,
        **fields,
    }
    return NewRefund(**values)


def test_refund_tells_how_it_ended_when_it_is_repeated_after_it_ended(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit
) -> None:
    crowdsplit.control("/switches", refunds="manual")
    new = refund_of(paid(crowdsplit, gateway))
    begun = gateway.refund(new)
    crowdsplit.control(f"/refunds/{begun.provider_refund_id}", succeeds=False)
    # The gateway replays its first answer, "created": the refund itself is read.
    assert gateway.refund(new).state == "failed"
    assert (begun.state, begun.refund_id) == ("pending", new.refund_id)


def test_refund_is_known_by_our_name_when_its_payment_is_read(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit
) -> None:
    seen = paid(crowdsplit, gateway)
    new = refund_of(seen)
    gateway.refund(new)
    crowdsplit.control("/switches", refunds="manual")
    assert [refund.refund_id for refund in read(gateway, seen).refunds] == [new.refund_id]


def test_refund_is_found_when_its_key_was_forgotten_but_the_money_is_gone(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit
) -> None:
    new = refund_of(paid(crowdsplit, gateway))
    first = gateway.refund(new)
    crowdsplit.fault("/payments/", "status", method="POST", status=400)
    assert gateway.refund(new).provider_refund_id == first.provider_refund_id


def test_refund_is_unknown_when_a_refusal_cannot_be_checked(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit
) -> None:
    new = refund_of(paid(crowdsplit, gateway))
    crowdsplit.fault("/payments/", "status", method="POST", status=400)
    crowdsplit.fault("/transactions/", "status", times=3)
    with pytest.raises(OutcomeUnknown):
        gateway.refund(new)


def test_refund_is_pending_when_it_was_made_but_cannot_be_read(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit
) -> None:
    new = refund_of(paid(crowdsplit, gateway))
    crowdsplit.fault("/transactions/", "status", times=3)
    assert gateway.refund(new).state == "pending"


def test_read_is_unavailable_when_a_refund_of_it_cannot_be_read(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit
) -> None:
    seen = paid(crowdsplit, gateway)
    refund = gateway.refund(refund_of(seen))
    missing = f"/transactions/{refund.provider_refund_id}"
    crowdsplit.fault(missing, "status", status=404, times=3)
    with pytest.raises(GatewayUnavailable):
        read(gateway, seen)


def test_read_sees_a_refund_without_a_refund_when_the_payment_was_taken_back_as_a_whole(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit
) -> None:
    seen = paid(crowdsplit, gateway)
    part = Money(MinorUnits(1000), FIFTY.currency)
    gateway.refund(refund_of(seen, amount=part, is_full=False))
    crowdsplit.control(f"/payments/{seen.provider_payment_id}/reverse")
    now = read(gateway, seen)
    assert now.effect == "captured"
    assert [(refund.state, refund.minor) for refund in now.refunds] == [
        ("succeeded", 1000),
        ("succeeded", 4000),
    ]
