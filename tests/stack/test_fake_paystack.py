"""The fake's own promises about transactions: the gateway suite covers what the adapter uses."""

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


def test_calls_are_refused_when_the_key_is_missing_or_wrong(fake: httpx.Client) -> None:
    assert refused(fake.get("/transaction", headers={"Authorization": "Bearer x"})) == (
        401,
        "invalid_Key",
    )
    del fake.headers["Authorization"]
    assert refused(fake.get("/balance")) == (401, "missing_key")


def test_initialize_answers_in_the_envelope_with_a_page_at_its_own_origin(
    fake: httpx.Client,
) -> None:
    body = initialize(fake).json()
    assert (body["status"], body["message"]) == (True, "Authorization URL created")
    assert body["data"]["reference"] == REFERENCE
    url, code = httpx.URL(body["data"]["authorization_url"]), body["data"]["access_code"]
    assert (url.port, url.path) == (fake.base_url.port, f"/checkout/{code}")


def test_initialize_takes_a_form_as_well_as_json(fake: httpx.Client) -> None:
    form = {"email": "a@example.org", "amount": "500000", "reference": REFERENCE}
    fake.post("/transaction/initialize", data=form | {"metadata": '{"a":"b"}'}).raise_for_status()
    shown = verified(fake)
    assert (shown["amount"], shown["metadata"]) == (500_000, '{"a":"b"}')


def test_initialize_makes_a_reference_when_none_is_given(fake: httpx.Client) -> None:
    assert initialize(fake, reference=None).json()["data"]["reference"]


def test_initialize_takes_a_reference_once_and_for_ever(fake: httpx.Client) -> None:
    initialize(fake)
    assert refused(initialize(fake, amount=1)) == (400, "duplicate_reference")
    assert verified(fake)["amount"] == 500_000


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"email": "nobody"}, "invalid_email_address"),
        ({"amount": 0}, "invalid_amount"),
        ({"amount": 10.5}, "invalid_amount"),
        ({"amount": True}, "invalid_amount"),
        ({"currency": "BRL"}, "unsupported_currency"),
        ({"currency": "ngn"}, "unsupported_currency"),
        ({"reference": "a_b"}, "invalid_reference"),
        ({"channels": ["pix"]}, "invalid_channel"),
        ({"split": {"type": "percentage"}}, "invalid_split"),
        (
            {
                "split": {
                    "type": "flat",
                    "bearer_type": "account",
                    "subaccounts": [{"subaccount": "ACCT_x", "share": 1}],
                }
            },
            "subaccount_not_found",
        ),
    ],
)
def test_initialize_is_refused_when(fake: httpx.Client, fields: dict[str, Any], code: str) -> None:
    assert refused(initialize(fake, **fields))[1] == code


def test_bodies_are_refused_when_they_are_no_object(fake: httpx.Client) -> None:
    for content in (b"[]", b"{", b"1"):
        answer = fake.post("/refund", content=content)
        assert refused(answer) == (400, "invalid_body")


def test_verify_says_not_found_with_400_and_fetch_with_404(fake: httpx.Client) -> None:
    assert refused(fake.get("/transaction/verify/none")) == (400, "transaction_not_found")
    assert refused(fake.get("/transaction/123")) == (404, "transaction_not_found")
    assert refused(fake.get("/transaction/none")) == (400, "invalid_transaction_id")


def test_the_same_transaction_is_shown_by_reference_by_number_and_in_the_list(
    fake: httpx.Client,
) -> None:
    paid(fake)
    shown = verified(fake)
    assert shown["status"] == "success"
    assert fake.get(f"/transaction/{shown['id']}").json()["data"] == shown
    assert fake.get("/transaction").json()["data"] == [shown]


def test_a_transaction_is_abandoned_until_its_page_is_opened(fake: httpx.Client) -> None:
    url = initialize(fake).json()["data"]["authorization_url"]
    assert verified(fake)["status"] == "abandoned"
    fake.get(url)
    assert verified(fake)["status"] == "ongoing"


@pytest.mark.parametrize(("action", "status"), [("pay", "success"), ("fail", "failed")])
def test_the_page_pays_or_fails_and_sends_the_backer_back(
    fake: httpx.Client, action: str, status: str
) -> None:
    made = initialize(fake, callback_url="https://platform.example/thanks?a=1").json()["data"]
    assert f"value={action}" in fake.get(made["authorization_url"]).text
    answer = fake.post(made["authorization_url"], data={"action": action})
    assert answer.status_code == 303
    back = f"https://platform.example/thanks?a=1&trxref={REFERENCE}&reference={REFERENCE}"
    assert answer.headers["Location"] == back
    assert verified(fake)["status"] == status


def test_the_page_shows_what_became_of_it_when_nobody_waits_for_the_backer(
    fake: httpx.Client,
) -> None:
    url = initialize(fake).json()["data"]["authorization_url"]
    assert "failed" in fake.post(url, data={"action": "fail"}).text
    assert "done" in fake.post(url, data={"action": "pay"}).text
    assert "<form" not in fake.get(url).text
    assert verified(fake)["status"] == "success"


def test_no_page_is_shown_when_its_code_is_unknown(fake: httpx.Client) -> None:
    assert refused(fake.get("/checkout/unknown")) == (404, "transaction_not_found")


def test_pay_takes_another_amount_and_counts_once(fake: httpx.Client) -> None:
    initialize(fake)
    before = balance(fake)
    for _ in range(2):
        control(fake, f"/payments/{REFERENCE}/pay", amount=400_000, at="2026-01-01T10:00:00Z")
    shown = verified(fake)
    assert (shown["amount"], shown["requested_amount"]) == (400_000, 500_000)
    assert (shown["paid_at"], shown["fees"]) == ("2026-01-01T10:00:00.000Z", 6000)
    assert balance(fake) == before + 394_000


def test_a_failed_transaction_can_still_be_paid_and_a_paid_one_cannot_fail(
    fake: httpx.Client,
) -> None:
    initialize(fake)
    control(fake, f"/payments/{REFERENCE}/fail")
    control(fake, f"/payments/{REFERENCE}/pay")
    assert verified(fake)["status"] == "success"
    assert fake.post(f"/__fake__/payments/{REFERENCE}/fail").status_code == 400


def test_lists_are_paged_and_filtered(fake: httpx.Client) -> None:
    for number in range(3):
        initialize(fake, reference=f"order-{number}")
    control(fake, "/payments/order-0/pay")
    first = fake.get("/transaction", params={"perPage": 2}).json()
    assert [row["reference"] for row in first["data"]] == ["order-2", "order-1"]
    assert first["meta"] == {"total": 3, "skipped": 0, "perPage": 2, "page": 1, "pageCount": 2}
    second = fake.get("/transaction", params={"perPage": 2, "page": 2}).json()
    assert [row["reference"] for row in second["data"]] == ["order-0"]
    assert len(fake.get("/transaction", params={"status": "success"}).json()["data"]) == 1
    assert fake.get("/transaction", params={"from": "2100-01-01"}).json()["data"] == []
    assert len(fake.get("/transaction", params={"to": "2100-01-01"}).json()["data"]) == 3
    assert fake.get("/transaction", params={"perPage": 5000}).json()["meta"]["perPage"] == 100
    assert refused(fake.get("/transaction", params={"from": "soon"}))[1] == "invalid_date"


def test_totals_tell_every_payment_for_reconciliation(fake: httpx.Client) -> None:
    paid(fake, metadata={"a": "b"})
    made = refund(fake, amount=100).json()["data"]["id"]
    control(fake, f"/refunds/{made}/settle", status="processed")
    totals = fake.get("/__fake__/totals").json()
    assert totals["payments"] == [
        {
            "id": REFERENCE,
            "status": "success",
            "amount": 500_000,
            "paid_amount": 500_000,
            "refunded_amount": 100,
            "currency": "ngn",
            "metadata": {"a": "b"},
        }
    ]
    assert totals["by_status"] == {"success": {"count": 1, "sum": 500_000, "paid_sum": 500_000}}


def test_faults_break_only_the_next_calls_and_are_recorded(fake: httpx.Client) -> None:
    fault = {"path": "/transaction", "mode": "status", "status": 503, "times": 1}
    control(fake, "/faults", **fault)
    broken = fake.get("/transaction")
    assert refused(broken) == (503, "unknown")
    assert fake.get("/transaction").status_code == 200
    calls = fake.get("/__fake__/calls").json()["calls"]
    assert [call["fault"] for call in calls] == ["status", None]


def test_codes_repeat_when_the_seed_is_the_same() -> None:
    series = [
        [Books(secret_key=KEY, seed=seed).new_code() for _ in range(2)] for seed in ("a", "a", "b")
    ]
    assert series[0] == series[1] != series[2]
