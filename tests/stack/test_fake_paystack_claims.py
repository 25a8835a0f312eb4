"""The fake's own promises about refunds and disputes."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from stack.fakes.paystack.books import Books
from stack.fakes.paystack.gateway import create_fake
from tests.support.asgi import serving
from tests.support.paystack_calls import (
    KEY,
    REFERENCE,
    balance,
    control,
    initialize,
    paid,
    refund,
    refused,
    verified,
)


@pytest.fixture
def fake() -> Iterator[httpx.Client]:
    with serving(create_fake(Books(secret_key=KEY, seed="test"))) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        yield client


def test_a_refund_is_queued_and_decided_later(fake: httpx.Client) -> None:
    paid(fake)
    made = refund(fake, merchant_note="because").json()["data"]
    assert (made["status"], made["amount"], made["merchant_note"]) == (
        "pending",
        500_000,
        "because",
    )
    assert made["transaction"]["reference"] == REFERENCE
    assert verified(fake)["status"] == "success"
    for status in ("processing", "processed"):
        control(fake, f"/refunds/{made['id']}/settle", status=status)
        shown = fake.get(f"/refund/{made['id']}").json()["data"]
        assert (shown["status"], shown["transaction"]) == (status, verified(fake)["id"])
    assert verified(fake)["status"] == "reversed"


def test_refunds_never_exceed_what_was_paid(fake: httpx.Client) -> None:
    paid(fake)
    assert refund(fake, amount=300_000).status_code == 200
    assert refused(refund(fake, amount=300_000)) == (400, "invalid_amount")
    assert refund(fake, amount=200_000).status_code == 200
    assert refused(refund(fake)) == (400, "transaction_reversed")


def test_a_failed_refund_can_be_asked_for_again_and_a_processed_one_undone(
    fake: httpx.Client,
) -> None:
    paid(fake)
    before = balance(fake)
    first = refund(fake).json()["data"]["id"]
    assert balance(fake) == before - 500_000
    control(fake, f"/refunds/{first}/settle", status="failed")
    assert balance(fake) == before
    second = refund(fake).json()["data"]["id"]
    control(fake, f"/refunds/{second}/settle", status="processed")
    control(fake, f"/refunds/{second}/settle", status="failed")
    assert (verified(fake)["status"], balance(fake)) == ("success", before)


def test_a_refund_that_needs_attention_goes_on_with_the_customers_details(
    fake: httpx.Client,
) -> None:
    paid(fake)
    made = refund(fake).json()["data"]["id"]
    retry = f"/refund/retry_with_customer_details/{made}"
    details = {"refund_account_details": {"account_number": "1", "bank_id": "9"}}
    assert refused(fake.post(retry, json=details))[1] == "invalid_status"
    control(fake, f"/refunds/{made}/settle", status="needs-attention")
    assert refused(fake.post(retry, json={}))[1] == "invalid_params"
    assert fake.post(retry, json=details).json()["data"]["status"] == "processing"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"transaction": "unknown"}, "transaction_not_found"),
        ({"transaction": "unpaid"}, "transaction_not_successful"),
        ({"currency": "USD"}, "invalid_currency"),
        ({"amount": -1}, "invalid_amount"),
    ],
)
def test_a_refund_is_refused_when(fake: httpx.Client, fields: dict[str, Any], code: str) -> None:
    paid(fake)
    initialize(fake, reference="unpaid")
    assert refused(refund(fake, **fields)) == (400, code)


def test_a_refund_is_refused_when_the_balance_does_not_cover_it(fake: httpx.Client) -> None:
    paid(fake)
    control(fake, "/balance", currency="NGN", minor=10)
    assert refused(refund(fake)) == (400, "insufficient_balance")


def test_refunds_are_listed_by_transaction(fake: httpx.Client) -> None:
    paid(fake)
    paid(fake, reference="other")
    mine = refund(fake).json()["data"]["id"]
    refund(fake, transaction="other")
    for name in (REFERENCE, verified(fake)["id"]):
        rows = fake.get("/refund", params={"transaction": name}).json()["data"]
        assert [row["id"] for row in rows] == [mine]
    assert len(fake.get("/refund").json()["data"]) == 2
    assert refused(fake.get("/refund/12")) == (404, "refund_not_found")


def test_a_dispute_is_opened_and_resolved_by_the_merchant(fake: httpx.Client) -> None:
    paid(fake)
    made = control(fake, f"/payments/{REFERENCE}/dispute", outcome="open")
    assert (made["status"], made["resolution"]) == ("awaiting-merchant-feedback", None)
    path = f"/dispute/{made['id']}"
    assert refused(fake.put(f"{path}/resolve", json={"resolution": "no"}))[1] == "invalid_params"
    fake.put(f"{path}/resolve", json={"resolution": "declined"}).raise_for_status()
    shown = fake.get(path).json()["data"]
    assert (shown["status"], shown["resolution"]) == ("resolved", "declined")
    number = verified(fake)["id"]
    assert fake.get(f"/dispute/transaction/{number}").json()["data"] == [shown]
    assert fake.get("/dispute", params={"transaction": number}).json()["data"] == [shown]
    assert fake.get("/dispute", params={"status": "pending"}).json()["data"] == []


def test_a_lost_dispute_gives_the_money_back_by_a_refund_of_its_own_until_it_is_won(
    fake: httpx.Client,
) -> None:
    paid(fake)
    before = balance(fake)
    dispute = control(fake, f"/payments/{REFERENCE}/dispute", outcome="lost")["id"]
    (row,) = fake.get("/refund").json()["data"]
    assert (row["dispute"], row["status"], row["amount"]) == (dispute, "processed", 500_000)
    assert (verified(fake)["status"], balance(fake)) == ("reversed", before - 500_000)
    control(fake, f"/payments/{REFERENCE}/dispute", outcome="won")
    assert (verified(fake)["status"], balance(fake)) == ("success", before)


def test_a_dispute_is_refused_when_nothing_was_paid(fake: httpx.Client) -> None:
    initialize(fake)
    answer = fake.post(f"/__fake__/payments/{REFERENCE}/dispute", json={"outcome": "open"})
    assert refused(answer) == (400, "transaction_not_successful")
