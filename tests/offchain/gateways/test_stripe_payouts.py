"""Money that leaves through Stripe: refunds, receivers, transfers."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from offchain.gateways.errors import GatewayRefused, GatewayUnavailable, OutcomeUnknown
from offchain.gateways.stripe.adapter import Stripe
from offchain.gateways.types import NewTransfer, Observation, Part, RefundSeen, TransferSeen
from offchain.money import MinorUnits
from tests.support.stripe import (
    FakeStripe,
    brl,
    make_adapter,
    new_card_payment,
    new_receiver,
    new_refund,
    own_fake,
)

A_DAY_AND_MORE_S = 25 * 3600


@pytest.fixture
def fake() -> Iterator[FakeStripe]:
    with own_fake() as made:
        yield made


@pytest.fixture
def gateway(fake: FakeStripe) -> Stripe:
    return make_adapter(fake.http)


def paid(fake: FakeStripe, gateway: Stripe, **fields: Any) -> Observation:
    created = gateway.create_payment(new_card_payment(**fields))
    fake.control(f"/payments/{created.provider_payment_id}/pay", payment_method="pm_card_visa")
    return created


def read(gateway: Stripe, created: Observation) -> Observation:
    seen = gateway.read_payment(created.provider_payment_id)
    assert seen is not None
    return seen


def new_transfer(account_id: str, minor: int = 900) -> NewTransfer:
    return NewTransfer(uuid.uuid4(), brl(minor), account_id, "payout")


def opened(gateway: Stripe) -> str:
    return gateway.open_account(new_receiver()).account_id


# Refunds


def test_refund_is_not_given_twice_when_it_is_repeated_after_its_key_was_forgotten(
    fake: FakeStripe, gateway: Stripe
) -> None:
    created = paid(fake, gateway)
    new = new_refund(created, 700)
    first = gateway.refund(new)
    fake.control("/clock", advance_s=A_DAY_AND_MORE_S)
    assert gateway.refund(new) == first
    assert read(gateway, created).refunds == (first,)


def test_refund_heals_when_a_500_was_stored(fake: FakeStripe, gateway: Stripe) -> None:
    created = paid(fake, gateway)
    with_effect, without = new_refund(created, 700), new_refund(created, 300)
    fake.control("/troubles", path="/refunds", mode="crash_after")
    with pytest.raises(OutcomeUnknown):
        gateway.refund(with_effect)
    assert gateway.refund(with_effect).minor == 700  # found, not repeated
    fake.control("/troubles", path="/refunds", mode="crash_before")
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            gateway.refund(without)
    fake.control("/clock", advance_s=A_DAY_AND_MORE_S)
    assert gateway.refund(without).minor == 300
    assert sum(refund.minor for refund in read(gateway, created).refunds) == 1000


def test_refund_fails_afterwards_when_the_bank_gives_it_back(
    fake: FakeStripe, gateway: Stripe
) -> None:
    created = gateway.create_payment(new_card_payment())
    path = f"/payments/{created.provider_payment_id}"
    fake.control(f"{path}/pay", payment_method="pm_card_refundFail")
    new = new_refund(created)
    given = gateway.refund(new)
    assert (given.state, given.refund_id) == ("succeeded", new.refund_id)
    assert [refund.state for refund in read(gateway, created).refunds] == ["failed"]


@pytest.mark.parametrize(
    ("minor", "before", "code"),
    [
        (5001, "paid", "amount_too_large"),
        (5000, "disputed", "charge_disputed"),
        (5000, "unpaid", "payment_intent_unexpected_state"),
    ],
)
def test_refund_is_refused_with_their_code_when(
    fake: FakeStripe, gateway: Stripe, minor: int, before: str, code: str
) -> None:
    created = gateway.create_payment(new_card_payment())
    if before != "unpaid":
        fake.pay(created)
    if before == "disputed":
        fake.dispute(created, "open")
    with pytest.raises(GatewayRefused) as refused:
        gateway.refund(new_refund(created, minor))
    assert refused.value.code == code


def test_refund_takes_the_receivers_share_back_when_the_charge_was_split(
    fake: FakeStripe, gateway: Stripe
) -> None:
    receiver = opened(gateway)
    parts = (Part(receiver, MinorUnits(4000)), Part("platform", MinorUnits(1000)))
    created = paid(fake, gateway, parts=parts)
    [transfer] = fake.get("/transfers", destination=receiver)["data"]
    assert transfer["amount"] == 4000
    gateway.refund(new_refund(created, 2500))
    assert fake.get(f"/transfers/{transfer['id']}")["amount_reversed"] == 2000


# Receivers


@pytest.mark.parametrize(
    ("told", "state", "has_link"),
    [
        ("new", "pending", True),
        ("pending", "pending", False),
        ("restricted", "restricted", True),
        ("rejected", "rejected", False),
        ("active", "active", False),
    ],
)
def test_account_has_a_link_while_the_receiver_must_still_act(
    fake: FakeStripe, gateway: Stripe, told: str, state: str, *, has_link: bool
) -> None:
    fake.control("/accounts", state="new")
    new = new_receiver()
    first = gateway.open_account(new)
    assert first.state == "pending"
    assert first.onboarding_url is not None
    fake.control(f"/accounts/{first.account_id}", state=told)
    seen = gateway.read_account(first.account_id)
    assert seen is not None
    assert (seen.account_id, seen.state) == (first.account_id, state)
    assert (seen.onboarding_url is not None) is has_link
    assert seen.onboarding_url != first.onboarding_url  # each link works once


def test_account_becomes_active_when_the_receiver_follows_its_link(
    fake: FakeStripe, gateway: Stripe
) -> None:
    fake.control("/accounts", state="new")
    account = gateway.open_account(new_receiver())
    assert account.onboarding_url is not None
    assert fake.http.get(account.onboarding_url).is_redirect
    seen = gateway.read_account(account.account_id)
    assert seen is not None
    assert (seen.state, seen.onboarding_url) == ("active", None)


def test_account_is_opened_once_when_it_is_repeated(fake: FakeStripe, gateway: Stripe) -> None:
    new = new_receiver()
    assert gateway.open_account(new) == gateway.open_account(new)
    [account] = fake.get("/accounts")["data"]
    assert account["metadata"] == {"lastro_account_ref": str(new.account_ref)}
    assert "52998224725" not in str(account)


def test_read_account_is_unavailable_not_unknown_when_a_link_is_lost(
    fake: FakeStripe, gateway: Stripe
) -> None:
    fake.control("/accounts", state="new")
    account_id = opened(gateway)
    fake.control("/faults", path="/account_links", mode="reset_after", times=3)
    with pytest.raises(GatewayUnavailable):
        gateway.read_account(account_id)


# Transfers


def test_transfer_is_not_made_twice_when_it_is_repeated_after_its_key_was_forgotten(
    fake: FakeStripe, gateway: Stripe
) -> None:
    new = new_transfer(opened(gateway))
    first = gateway.transfer(new)
    fake.control("/clock", advance_s=A_DAY_AND_MORE_S)
    assert gateway.transfer(new) == first
    assert len(fake.get("/transfers")["data"]) == 1
    assert first == TransferSeen(
        first.provider_transfer_id, new.transfer_id, "succeeded", 900, "brl"
    )


@pytest.mark.parametrize(("minor", "state", "left"), [(300, "succeeded", 600), (900, "failed", 0)])
def test_read_transfer_tells_what_is_left_when_it_was_reversed(
    fake: FakeStripe, gateway: Stripe, minor: int, state: str, left: int
) -> None:
    made = gateway.transfer(new_transfer(opened(gateway)))
    fake.control(f"/transfers/{made.provider_transfer_id}/reverse", amount=minor)
    seen = gateway.read_transfer(made.provider_transfer_id)
    assert seen is not None
    assert (seen.state, seen.minor) == (state, left)


@pytest.mark.parametrize(
    ("told", "minor", "code"),
    [
        ("new", 900, "insufficient_capabilities_for_transfer"),
        ("active", 10**12, "balance_insufficient"),
    ],
)
def test_transfer_is_refused_with_their_code_when(
    fake: FakeStripe, gateway: Stripe, told: str, minor: int, code: str
) -> None:
    fake.control("/accounts", state=told)
    with pytest.raises(GatewayRefused) as refused:
        gateway.transfer(new_transfer(opened(gateway), minor))
    assert refused.value.code == code


def test_every_call_is_unavailable_when_the_key_is_not_theirs(fake: FakeStripe) -> None:
    gateway = make_adapter(fake.http, secret_key="sk_test_wrong")
    with pytest.raises(GatewayUnavailable) as error:
        gateway.create_payment(new_card_payment())
    assert "sk_test_wrong" not in str(error.value)


def test_refund_seen_is_what_was_asked_for(fake: FakeStripe, gateway: Stripe) -> None:
    new = new_refund(paid(fake, gateway), 1200)
    seen = gateway.refund(new)
    assert seen == RefundSeen(seen.provider_refund_id, new.refund_id, "succeeded", 1200)
