"""CrowdSplit's second generation: bare ids, no keys, no list by change, claims not named."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from offchain.gateways.crowdsplit.adapter import CrowdSplit
from offchain.gateways.errors import OutcomeUnknown
from offchain.gateways.types import NewPayment, NewRefund, Observation
from offchain.money import MinorUnits, Money
from tests.support.crowdsplit import FakeCrowdSplit, card_payment, new_payment
from tests.support.gateway_http import tomorrow
from tests.support.offchain import FIFTY


@pytest.fixture
def gen2(crowdsplit: FakeCrowdSplit) -> Iterator[CrowdSplit]:
    """An adapter of the second generation, which the fake speaks until the test ends."""
    crowdsplit.control("/switches", dialect="gen2", refunds="manual", transfers="manual")
    yield crowdsplit.adapter(dialect="gen2")
    crowdsplit.calm()


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


GEN2_CREATES: list[Callable[[], NewPayment]] = [new_payment, card_payment]


@pytest.mark.parametrize("make", GEN2_CREATES)
def test_gen2_creates_reads_and_refunds(
    crowdsplit: FakeCrowdSplit, gen2: CrowdSplit, make: Callable[[], NewPayment]
) -> None:
    created = gen2.create_payment(make())
    crowdsplit.pay(created.provider_payment_id)
    new = refund_of(created)
    begun = gen2.refund(new)
    crowdsplit.control(f"/refunds/{begun.provider_refund_id}", succeeds=True)
    seen = read(gen2, created)
    assert (seen.effect, seen.version) == ("captured", None)
    assert [(r.refund_id, r.state) for r in seen.refunds] == [(new.refund_id, "succeeded")]


def test_gen2_creates_one_payment_when_a_reply_is_lost_although_it_keeps_no_keys(
    crowdsplit: FakeCrowdSplit, gen2: CrowdSplit
) -> None:
    crowdsplit.fault("/payments", "reset_after", method="POST")
    new = new_payment()
    with pytest.raises(OutcomeUnknown):  # tried once: a second try would be a second payment
        gen2.create_payment(new)
    assert gen2.create_payment(new).attempt_id == new.attempt_id
    assert str(crowdsplit.totals()).count(str(new.attempt_id)) == 1


def test_gen2_refunds_once_when_a_reply_is_lost_although_it_keeps_no_keys(
    crowdsplit: FakeCrowdSplit, gen2: CrowdSplit
) -> None:
    seen = paid(crowdsplit, gen2)
    part = Money(MinorUnits(1000), FIFTY.currency)  # a second one would be taken too
    new = refund_of(seen, amount=part, is_full=False)
    crowdsplit.fault("/payments/", "reset_after", method="POST")
    with pytest.raises(OutcomeUnknown):
        gen2.refund(new)
    gen2.refund(new)
    assert len(read(gen2, seen).refunds) == 1


def test_gen2_sees_a_dispute_although_the_payment_names_none(
    crowdsplit: FakeCrowdSplit, gen2: CrowdSplit
) -> None:
    seen = paid(crowdsplit, gen2)
    crowdsplit.control(f"/payments/{seen.provider_payment_id}/dispute", outcome="lost")
    assert [dispute.state for dispute in read(gen2, seen).disputes] == ["lost"]


def test_gen2_names_a_changed_payment_when_its_notification_was_not_delivered(
    crowdsplit: FakeCrowdSplit, gen2: CrowdSplit
) -> None:
    gen2.register_webhook(f"http://127.0.0.1:9/{uuid.uuid4()}")  # nobody listens there
    created = gen2.create_payment(new_payment())
    crowdsplit.control("/clock", advance_s=3600)
    start = datetime.now(UTC) + timedelta(minutes=30)  # by creation it is too old to be listed
    try:
        assert created.provider_payment_id not in set(
            gen2.changed_payments(since=start, until=tomorrow())
        )
        crowdsplit.pay(created.provider_payment_id)
        assert created.provider_payment_id in set(
            gen2.changed_payments(since=start, until=tomorrow())
        )
    finally:
        crowdsplit.control("/clock", advance_s=-3600)
        for endpoint in gen2.list_webhooks():
            gen2.delete_webhook(endpoint.id)
