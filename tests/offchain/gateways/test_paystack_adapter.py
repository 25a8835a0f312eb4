"""What only the Paystack adapter does; the gateway suite holds what every adapter must."""

import uuid
from datetime import UTC, datetime

import pytest

from offchain.gateways.choosing import PLATFORM_ACCOUNT
from offchain.gateways.errors import GatewayRefused, GatewayUnavailable, OutcomeUnknown
from offchain.gateways.paystack.wire import ABANDONED_AFTER
from offchain.gateways.types import NewRefund, Observation, Part
from offchain.money import MinorUnits
from tests.support.paystack import NAIRA, PaystackSite, new_refund

INITIALIZE = "/transaction/initialize"


def read(paystack: PaystackSite, payment: Observation) -> Observation:
    seen = paystack.adapter().read_payment(payment.provider_payment_id)
    assert seen is not None
    return seen


@pytest.mark.parametrize("method", ["card", "bank", "ussd"])
def test_create_gives_a_page_that_opens_when_it_is_paid_by(
    paystack: PaystackSite, method: str
) -> None:
    new = paystack.new_payment(method=method)
    created = paystack.adapter().create_payment(new)
    assert created.provider_payment_id == str(new.attempt_id)
    assert created.authorization_url is not None
    page = paystack.http.get(created.authorization_url)
    assert str(new.attempt_id) in page.text
    assert read(paystack, created).provider_status == "ongoing"


def test_create_is_refused_without_a_call_when_paystack_has_no_such_method(
    paystack: PaystackSite,
) -> None:
    before = paystack.calls("POST", INITIALIZE)
    with pytest.raises(GatewayRefused):
        paystack.adapter().create_payment(paystack.new_payment(method="pix"))
    assert paystack.calls("POST", INITIALIZE) == before


def test_create_finds_the_payment_but_no_page_when_the_first_reply_was_lost(
    paystack: PaystackSite,
) -> None:
    paystack.fault("create", "reset_after")
    new = paystack.new_payment(metadata={"order": "7"})
    created = paystack.adapter().create_payment(new)
    assert (created.provider_payment_id, created.attempt_id) == (
        str(new.attempt_id),
        new.attempt_id,
    )
    assert (created.effect, created.authorization_url) == ("awaiting", None)
    assert created.metadata == {"order": "7"}
    assert paystack.created(new.attempt_id) == 1


def test_create_shows_that_it_is_paid_when_it_is_repeated_after_the_payment(
    paystack: PaystackSite,
) -> None:
    new = paystack.new_payment()
    paystack.pay(paystack.adapter().create_payment(new))
    assert paystack.adapter().create_payment(new).effect == "captured"


def test_create_is_unknown_when_its_reference_is_taken_but_cannot_be_read(
    paystack: PaystackSite,
) -> None:
    new = paystack.new_payment()
    paystack.adapter().create_payment(new)
    paystack.fault("read", "status", status=500, times=3)
    with pytest.raises(OutcomeUnknown):
        paystack.adapter().create_payment(new)


def test_create_is_refused_when_its_reference_is_another_payments(paystack: PaystackSite) -> None:
    new = paystack.new_payment()
    taken = {
        "email": "a@example.org",
        "amount": 1,
        "reference": str(new.attempt_id),
        "metadata": {"lastro_attempt_id": str(uuid.uuid4())},
    }
    paystack.api("POST", INITIALIZE, **taken)
    with pytest.raises(GatewayRefused) as refused:
        paystack.adapter().create_payment(new)
    assert refused.value.code == "reference_of_another_payment"


def test_create_splits_the_charge_between_subaccounts_and_the_platform(
    paystack: PaystackSite,
) -> None:
    creator = paystack.subaccount("Creator")
    parts = (
        Part(creator, MinorUnits(450_000)),
        Part(PLATFORM_ACCOUNT, MinorUnits(50_000)),
    )
    payment = paystack.paid(parts=parts)
    shown = paystack.api("GET", f"/transaction/verify/{payment.provider_payment_id}")
    assert shown["split"] == {
        "type": "flat",
        "bearer_type": "account",
        "subaccounts": [{"subaccount": creator, "share": 450_000}],
    }
    assert read(paystack, payment).received_minor == NAIRA.minor


def test_create_is_refused_when_a_part_goes_to_nobody_paystack_knows(
    paystack: PaystackSite,
) -> None:
    parts = (Part("ACCT_unknown", NAIRA.minor),)
    with pytest.raises(GatewayRefused) as refused:
        paystack.adapter().create_payment(paystack.new_payment(parts=parts))
    assert refused.value.code == "subaccount_not_found"


@pytest.mark.parametrize("odd", ["", "..", "a/b", "a b", "?page=1", "\0", "\ud800", "x" * 70_000])
def test_read_asks_nothing_when_the_id_can_be_no_reference(
    paystack: PaystackSite, odd: str
) -> None:
    before = len(paystack.http.get("/__fake__/calls").json()["calls"])
    assert paystack.adapter().read_payment(odd) is None
    assert paystack.adapter().read_transfer(odd) is None
    assert paystack.adapter().read_account(odd) is None
    assert len(paystack.http.get("/__fake__/calls").json()["calls"]) == before


def test_read_asks_once_when_nothing_was_paid_and_so_nothing_can_be_claimed(
    paystack: PaystackSite,
) -> None:
    created = paystack.adapter().create_payment(paystack.new_payment())
    before = len(paystack.http.get("/__fake__/calls").json()["calls"])
    read(paystack, created)
    assert len(paystack.http.get("/__fake__/calls").json()["calls"]) == before + 1


def test_read_says_failed_when_nobody_paid_for_a_day(paystack: PaystackSite) -> None:
    created = paystack.adapter().create_payment(paystack.new_payment())
    tomorrow = paystack.adapter(now=lambda: datetime.now(UTC) + ABANDONED_AFTER)
    seen = tomorrow.read_payment(created.provider_payment_id)
    assert seen is not None
    assert (seen.effect, seen.provider_status) == ("failed", "abandoned")
    assert read(paystack, created).effect == "awaiting"


def test_read_shows_a_refund_made_in_the_dashboard_without_our_name(
    paystack: PaystackSite,
) -> None:
    payment = paystack.paid()
    made = paystack.control(f"/payments/{payment.provider_payment_id}/refund", amount=1000)
    (refund,) = read(paystack, payment).refunds
    assert (refund.provider_refund_id, refund.refund_id) == (str(made["id"]), None)
    assert (refund.state, refund.minor) == ("pending", 1000)


def test_read_counts_lost_money_once_although_paystack_refunds_a_lost_dispute(
    paystack: PaystackSite,
) -> None:
    payment = paystack.paid()
    paystack.dispute(payment, "lost")
    seen = read(paystack, payment)
    assert seen.provider_status == "reversed"
    assert [(dispute.state, dispute.minor) for dispute in seen.disputes] == [("lost", 500_000)]
    assert seen.refunds == ()


def test_read_shows_its_own_refunds_only(paystack: PaystackSite) -> None:
    first, second = paystack.paid(), paystack.paid()
    mine = paystack.adapter().refund(new_refund(first))
    paystack.adapter().refund(new_refund(second))
    shown = [refund.provider_refund_id for refund in read(paystack, first).refunds]
    assert shown == [mine.provider_refund_id]


def test_refund_is_found_by_its_note_when_the_reply_was_lost(paystack: PaystackSite) -> None:
    payment = paystack.paid()
    new = new_refund(payment)
    paystack.fault("refund", "reset_after")
    with pytest.raises(OutcomeUnknown):
        paystack.adapter().refund(new)
    found = paystack.adapter().refund(new)
    assert (found.refund_id, found.state, found.minor) == (new.refund_id, "pending", 200_000)
    assert [refund.refund_id for refund in read(paystack, payment).refunds] == [new.refund_id]


def test_refund_is_sent_once_when_the_gateway_stumbles(paystack: PaystackSite) -> None:
    payment = paystack.paid()
    before = paystack.calls("POST", "/refund")
    paystack.fault("refund", "status", status=503)
    with pytest.raises(OutcomeUnknown):
        paystack.adapter().refund(new_refund(payment))
    assert paystack.calls("POST", "/refund") == before + 1


def test_refund_makes_two_when_two_are_wanted_of_one_payment(paystack: PaystackSite) -> None:
    payment = paystack.paid()
    for _ in range(2):
        paystack.adapter().refund(new_refund(payment))
    assert [refund.minor for refund in read(paystack, payment).refunds] == [200_000, 200_000]


def test_refund_is_refused_when_the_payment_is_unknown(paystack: PaystackSite) -> None:
    with pytest.raises(GatewayRefused) as refused:
        paystack.adapter().refund(NewRefund(uuid.uuid4(), "unknown", NAIRA, is_full=True))
    assert refused.value.code == "transaction_not_found"


def test_refund_says_unavailable_when_it_cannot_look_for_an_earlier_one(
    paystack: PaystackSite,
) -> None:
    payment = paystack.paid()
    before = paystack.calls("POST", "/refund")
    paystack.control("/faults", path="/refund", method="GET", mode="status", status=500, times=3)
    with pytest.raises(GatewayUnavailable):
        paystack.adapter().refund(new_refund(payment))
    assert paystack.calls("POST", "/refund") == before


def test_calls_are_unavailable_when_the_key_is_wrong(paystack: PaystackSite) -> None:
    with pytest.raises(GatewayUnavailable, match="401"):
        paystack.adapter(secret_key="sk_wrong").read_payment("pl_1001")
