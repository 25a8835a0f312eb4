from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from offchain.gateways.errors import GatewayUnavailable
from offchain.gateways.paystack import api
from offchain.gateways.paystack.changes import is_unsettled, reference_in, touched_since
from tests.support.paystack import PaystackSite, new_refund

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "row",
    [
        {"created_at": "2026-01-01T12:00:00Z"},
        {"created_at": "2026-01-01T11:00:00Z", "paid_at": "2026-01-01T12:30:00.000Z"},
        {"createdAt": "2026-01-01T11:00:00Z", "updatedAt": "2026-01-01T12:30:00.000Z"},
        {"createdAt": "2026-01-01 13:00:00"},
        {"createdAt": "yesterday"},
        {},
    ],
)
def test_touched_since_holds_when_the_newest_time_is_later_or_unknown(row: dict[str, Any]) -> None:
    assert touched_since(row, NOW)


@pytest.mark.parametrize(
    "row",
    [
        {"created_at": "2026-01-01T11:59:59Z"},
        {"createdAt": "2026-01-01T11:00:00Z", "refunded_at": None},
        {"created_at": "2026-01-01T10:00:00Z", "paidAt": "2026-01-01T13:30:00+02:00"},
    ],
)
def test_touched_since_does_not_hold_when_every_time_is_earlier(row: dict[str, Any]) -> None:
    assert not touched_since(row, NOW)


@pytest.mark.parametrize("status", ["pending", "processing", "needs-attention"])
def test_is_unsettled_when_a_refund_may_still_move(status: str) -> None:
    assert is_unsettled({"status": status})


@pytest.mark.parametrize("status", ["processed", "failed"])
def test_is_unsettled_no_more_when_a_refund_has_ended(status: str) -> None:
    assert not is_unsettled({"status": status})


@pytest.mark.parametrize(
    ("transaction", "reference"),
    [
        ({"reference": "r"}, "r"),
        ({"reference": "../x"}, None),
        ({}, None),
        (77, None),
        (None, None),
    ],
)
def test_reference_in_reads_it_when_the_transaction_is(
    transaction: object, reference: str | None
) -> None:
    assert reference_in(transaction) == reference


def changed(paystack: PaystackSite, since: datetime) -> set[str]:
    return set(paystack.adapter().changed_payments(since=since, until=since + timedelta(days=1)))


def test_changed_payments_names_what_was_created_since(paystack: PaystackSite) -> None:
    created = paystack.adapter().create_payment(paystack.new_payment())
    assert created.provider_payment_id in changed(paystack, datetime.now(UTC))


def test_changed_payments_names_what_was_paid_or_claimed_since_but_created_before(
    paystack: PaystackSite,
) -> None:
    untouched, late, refunded, disputed = (
        paystack.adapter().create_payment(paystack.new_payment()) for _ in range(4)
    )
    paystack.pay(refunded)
    paystack.pay(disputed)
    since = datetime.now(UTC) + timedelta(hours=1)
    with paystack.ahead(timedelta(hours=2)):
        paystack.pay(late)
        paystack.adapter().refund(new_refund(refunded))
        paystack.dispute(disputed, "open")
        found = changed(paystack, since)
    assert {p.provider_payment_id for p in (late, refunded, disputed)} <= found
    assert untouched.provider_payment_id not in found


def test_changed_payments_names_a_refunded_payment_when_it_is_too_old_for_the_list(
    paystack: PaystackSite,
) -> None:
    payment, later = paystack.paid(), timedelta(days=5)
    with paystack.ahead(later):
        since = datetime.now(UTC) + later
        paystack.adapter().refund(new_refund(payment))
        found = changed(paystack, since)
    assert payment.provider_payment_id in found


def test_changed_payments_names_a_disputed_payment_when_the_dispute_is_decided_much_later(
    paystack: PaystackSite,
) -> None:
    payment, later = paystack.paid(), timedelta(days=60)
    paystack.dispute(payment, "open")
    with paystack.ahead(later):
        since = datetime.now(UTC) + later
        before = changed(paystack, since)
        paystack.dispute(payment, "won")
        after = changed(paystack, since)
    assert payment.provider_payment_id not in before
    assert payment.provider_payment_id in after


def test_changed_payments_says_unavailable_when_there_are_more_pages_than_it_reads(
    paystack: PaystackSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        paystack.adapter().create_payment(paystack.new_payment())
    monkeypatch.setattr(api, "PAGE", 1)
    monkeypatch.setattr(api, "PAGES_MAX", 2)
    with pytest.raises(GatewayUnavailable):
        changed(paystack, datetime.now(UTC))


def test_changed_payments_walks_every_page(
    paystack: PaystackSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {
        paystack.adapter().create_payment(paystack.new_payment()).provider_payment_id
        for _ in range(3)
    }
    monkeypatch.setattr(api, "PAGE", 2)
    assert made <= changed(paystack, datetime.now(UTC))
