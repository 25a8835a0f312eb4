"""Payments at Stripe, as only Stripe has them; the acceptance suite holds what all share."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from offchain.gateways.errors import GatewayRefused, GatewayUnavailable, OutcomeUnknown
from offchain.gateways.stripe import adapter as adapter_module
from offchain.gateways.stripe import api
from offchain.gateways.stripe.adapter import Stripe
from offchain.gateways.types import NewRefund, NewTransfer, Observation, Part
from offchain.money import Currency, MinorUnits, Money
from tests.support.gateway_http import tomorrow
from tests.support.stripe import (
    FakeStripe,
    brl,
    make_adapter,
    new_card_payment,
    new_receiver,
    new_refund,
    own_fake,
)
from tests.support.waiting import eventually

A_DAY_AND_MORE_S = 25 * 3600


@pytest.fixture
def fake() -> Iterator[FakeStripe]:
    with own_fake() as made:
        yield made


@pytest.fixture
def gateway(fake: FakeStripe) -> Stripe:
    """With patience: only tests of lost answers have none."""
    return make_adapter(fake.http)


def paid(fake: FakeStripe, gateway: Stripe, **fields: Any) -> Observation:
    created = gateway.create_payment(new_card_payment(**fields))
    fake.pay(created)
    return created


def read(gateway: Stripe, created: Observation) -> Observation:
    seen = gateway.read_payment(created.provider_payment_id)
    assert seen is not None
    return seen


# Creating


def test_create_sends_the_pinned_version_and_its_key(fake: FakeStripe, gateway: Stripe) -> None:
    versions: list[str | None] = []
    fake.http.event_hooks["request"].append(
        lambda request: versions.append(request.headers.get("Stripe-Version"))
    )
    new = new_card_payment()
    created = gateway.create_payment(new)
    assert versions == ["2026-10-28.endive"]
    [call] = fake.calls("POST", "/payment_intents")
    assert call["idempotency_key"] == f"pay:{new.attempt_id}:create"
    assert created.client_secret is not None
    assert created.client_secret.startswith(f"{created.provider_payment_id}_secret_")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"amount": Money(MinorUnits(5000), Currency("jpy"))}, "currency_not_taken"),
        ({"method": "pix"}, "method_not_taken"),
        ({"parts": (Part("RCP_1", MinorUnits(5000)),)}, "unknown_receiver"),
    ],
)
def test_create_asks_nothing_when_the_payment_is_not_for_this_gateway(
    fake: FakeStripe, gateway: Stripe, fields: dict[str, Any], code: str
) -> None:
    with pytest.raises(GatewayRefused) as refused:
        gateway.create_payment(new_card_payment(**fields))
    assert refused.value.code == code
    assert fake.calls("POST", "/payment_intents") == []


def test_create_is_refused_with_their_code_when_they_say_no(gateway: Stripe) -> None:
    with pytest.raises(GatewayRefused) as refused:
        gateway.create_payment(new_card_payment(amount=brl(10)))
    assert (refused.value.status, refused.value.code) == (400, "amount_too_small")


def test_create_stays_unknown_but_is_found_when_a_500_is_stored_after_its_effect(
    fake: FakeStripe, gateway: Stripe
) -> None:
    fake.control("/troubles", path="/payment_intents", mode="crash_after")
    new = new_card_payment()
    for _ in range(2):  # the stored answer is replayed, however often it is repeated
        with pytest.raises(OutcomeUnknown):
            gateway.create_payment(new)
    found = gateway.find_payment(new.attempt_id, since=new.created_at)
    assert found is not None
    assert (found.attempt_id, fake.created(new.attempt_id)) == (new.attempt_id, 1)


def test_create_goes_through_after_a_day_when_a_500_was_stored_without_effect(
    fake: FakeStripe, gateway: Stripe
) -> None:
    fake.control("/troubles", path="/payment_intents", mode="crash_before")
    new = new_card_payment()
    with pytest.raises(OutcomeUnknown):
        gateway.create_payment(new)
    assert gateway.find_payment(new.attempt_id, since=new.created_at) is None
    fake.control("/clock", advance_s=A_DAY_AND_MORE_S)
    assert gateway.create_payment(new).attempt_id == new.attempt_id


def test_create_is_unknown_while_its_twin_is_at_work_and_found_afterwards(
    fake: FakeStripe,
) -> None:
    fake.control("/troubles", path="/payment_intents", mode="hold")
    gateway, new = fake.adapter(), new_card_payment()
    with pytest.raises(OutcomeUnknown, match="in_use"):
        gateway.create_payment(new)  # gave up waiting, came again, and met itself
    fake.calm()
    eventually(lambda: fake.created(new.attempt_id) == 1)
    created = gateway.create_payment(new)
    assert (created.attempt_id, fake.created(new.attempt_id)) == (new.attempt_id, 1)


def test_create_gives_the_payment_there_is_when_its_key_was_used_with_other_parameters(
    fake: FakeStripe, gateway: Stripe
) -> None:
    new = new_card_payment()
    first = gateway.create_payment(new)
    changed = new_card_payment(attempt_id=new.attempt_id, amount=brl(6000))
    again = gateway.create_payment(changed)
    assert (again.provider_payment_id, again.amount_minor) == (first.provider_payment_id, 5000)
    assert fake.created(new.attempt_id) == 1


def test_create_is_unknown_when_its_key_is_taken_but_nothing_is_listed(
    fake: FakeStripe, gateway: Stripe
) -> None:
    fake.control("/troubles", path="/payment_intents", mode="crash_before")
    new = new_card_payment()
    for fields in ({}, {"amount": brl(6000)}):
        with pytest.raises(OutcomeUnknown):
            gateway.create_payment(new_card_payment(attempt_id=new.attempt_id, **fields))
    assert fake.created(new.attempt_id) == 0


# Reading


def test_read_stays_awaiting_when_a_card_is_declined_and_is_captured_when_another_is_not(
    fake: FakeStripe, gateway: Stripe
) -> None:
    created = gateway.create_payment(new_card_payment())
    fake.control(f"/payments/{created.provider_payment_id}/fail")
    declined = read(gateway, created)
    assert (declined.effect, declined.provider_status) == (
        "awaiting",
        "requires_payment_method/generic_decline",
    )
    fake.pay(created)
    assert read(gateway, created).effect == "captured"


@pytest.mark.parametrize(
    ("verb", "options", "effect"),
    [
        ("process", {}, "processing"),
        ("cancel", {}, "canceled"),
        ("fail", {"for_good": True}, "failed"),
        ("pay", {"payment_method": "pm_card_visa"}, "captured"),
    ],
)
def test_read_tells_what_became_of_it_when_the_payer_or_somebody_did(
    fake: FakeStripe, gateway: Stripe, verb: str, options: dict[str, Any], effect: str
) -> None:
    created = gateway.create_payment(new_card_payment())
    fake.control(f"/payments/{created.provider_payment_id}/{verb}", **options)
    assert read(gateway, created).effect == effect


def test_read_asks_for_no_claims_when_it_was_never_charged(
    fake: FakeStripe, gateway: Stripe
) -> None:
    created = gateway.create_payment(new_card_payment())
    assert read(gateway, created).effect == "awaiting"
    assert fake.calls("GET", "/refunds") == fake.calls("GET", "/disputes") == []


def test_read_lists_every_refund_and_dispute_over_several_pages(
    fake: FakeStripe, gateway: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PAGE", 1)
    created = paid(fake, gateway)
    ours = [gateway.refund(new_refund(created, 100)) for _ in range(2)]
    fake.control(f"/payments/{created.provider_payment_id}/refund", amount=50)
    fake.dispute(created, "lost")
    seen = read(gateway, created)
    by_somebody, *rest = seen.refunds
    assert (by_somebody.refund_id, by_somebody.minor) == (None, 50)
    assert rest == ours[::-1]
    assert [(dispute.state, dispute.minor) for dispute in seen.disputes] == [("lost", 5000)]


@pytest.mark.parametrize(
    ("card", "outcome", "state"),
    [
        ("pm_card_createDispute", None, "open"),
        ("pm_card_createDispute", "won", "won"),
        ("pm_card_createDisputeInquiry", None, "open"),
        ("pm_card_createDisputeInquiry", "won", "won"),
        ("pm_card_createDisputeInquiry", "lost", "lost"),
    ],
)
def test_read_tells_how_a_dispute_stands_when_the_bank_decided(
    fake: FakeStripe, gateway: Stripe, card: str, outcome: str | None, state: str
) -> None:
    created = gateway.create_payment(new_card_payment())
    path = f"/payments/{created.provider_payment_id}"
    fake.control(f"{path}/pay", payment_method=card)
    if outcome is not None:
        fake.control(f"{path}/dispute", outcome=outcome)
    assert [dispute.state for dispute in read(gateway, created).disputes] == [state]


@pytest.mark.parametrize("odd", ["x", "ch_1", "../refunds", "pi_\0", "pi_\ud800", "pi_a b", "pi_?"])
def test_nothing_is_asked_when_an_id_is_not_one_of_theirs(
    fake: FakeStripe, gateway: Stripe, odd: str
) -> None:
    before = len(fake.http.get("/__fake__/calls").json()["calls"])
    assert gateway.read_payment(odd) is None
    assert gateway.read_transfer(odd) is None
    assert gateway.read_account(odd) is None
    with pytest.raises(GatewayRefused):
        gateway.refund(NewRefund(uuid.uuid4(), odd, brl(1), is_full=False))
    assert len(fake.http.get("/__fake__/calls").json()["calls"]) == before


# Listing


def test_find_says_unavailable_when_there_are_more_pages_than_it_reads(
    gateway: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        gateway.create_payment(new_card_payment())
    monkeypatch.setattr(api, "PAGE", 1)
    monkeypatch.setattr(adapter_module, "FIND_PAGES_MAX", 2)
    with pytest.raises(GatewayUnavailable):
        gateway.find_payment(uuid.uuid4(), since=datetime.now(UTC))


def test_find_looks_first_where_a_payment_is_likely_however_many_came_since(
    fake: FakeStripe, gateway: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, late = new_card_payment(), new_card_payment()
    gateway.create_payment(old)
    fake.control("/clock", advance_s=3600)
    gateway.create_payment(late)  # repeated an hour after it was named
    for _ in range(3):
        gateway.create_payment(new_card_payment())
    monkeypatch.setattr(api, "PAGE", 2)
    found = gateway.find_payment(late.attempt_id, since=late.created_at)
    assert found is not None
    assert found.attempt_id == late.attempt_id
    monkeypatch.setattr(adapter_module, "FIND_PAGES_MAX", 1)
    found = gateway.find_payment(old.attempt_id, since=old.created_at)
    assert found is not None
    assert found.attempt_id == old.attempt_id


def test_find_shows_what_followed_when_the_payment_was_paid_meanwhile(
    fake: FakeStripe, gateway: Stripe
) -> None:
    new = new_card_payment()
    created = gateway.create_payment(new)
    fake.pay(created)
    refund = gateway.refund(new_refund(created, 100))
    found = gateway.find_payment(new.attempt_id, since=new.created_at)
    assert found is not None
    assert (found.effect, found.refunds) == ("captured", (refund,))


def test_changed_payments_names_each_once_when_it_was_created_paid_refunded_or_disputed(
    fake: FakeStripe, gateway: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PAGE", 2)
    since = datetime.now(UTC)
    created = [gateway.create_payment(new_card_payment()) for _ in range(3)]
    fake.pay(created[0])
    fake.dispute(created[0], "open")
    receiver = gateway.open_account(new_receiver()).account_id
    gateway.transfer(NewTransfer(uuid.uuid4(), brl(900), receiver, "payout"))
    changed = list(gateway.changed_payments(since=since, until=tomorrow()))
    assert sorted(changed) == sorted(each.provider_payment_id for each in created)


def test_changed_payments_leaves_out_what_changed_before(fake: FakeStripe, gateway: Stripe) -> None:
    old = gateway.create_payment(new_card_payment())
    idle = gateway.create_payment(new_card_payment())
    fake.control("/clock", advance_s=600)
    fake.pay(old)
    changed = list(
        gateway.changed_payments(since=datetime.now(UTC) + timedelta(seconds=300), until=tomorrow())
    )
    assert changed == [old.provider_payment_id]
    assert idle.provider_payment_id not in changed


def test_changed_payments_ends_unavailable_when_there_are_more_pages_than_it_reads(
    gateway: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PAGE", 1)
    monkeypatch.setattr(adapter_module, "CHANGED_PAGES_MAX", 1)
    since = datetime.now(UTC)
    for _ in range(2):
        gateway.create_payment(new_card_payment())
    changed = gateway.changed_payments(since=since, until=tomorrow())
    assert next(changed).startswith("pi_")
    with pytest.raises(GatewayUnavailable):
        next(changed)
