"""The fake's own promises about tokens, payments and lists; the gateway suite covers the rest."""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from offchain.gateways.brcode import is_br_code
from stack.fakes.crowdsplit.books import Books
from stack.fakes.crowdsplit.cards import DECLINED_TOKEN, FRAUD_TOKEN, REVIEW_TOKEN
from stack.fakes.crowdsplit.words import br_code
from tests.support.crowdsplit_api import API, MERCHANT, FakeApi, running_api


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with running_api() as api:
        yield api


@pytest.fixture(scope="module")
def idle() -> Iterator[FakeApi]:
    """One fake for every test that leaves nothing behind which another looks at."""
    with running_api() as api:
        yield api


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


def test_grant_is_flat_and_unknown_merchants_are_not_found(fake: FakeApi) -> None:
    path = "/merchant/token/grant"
    assert fake.post(path, **{**MERCHANT, "client_secret": "wrong"}).status_code == 404
    assert fake.post(path, **{**MERCHANT, "client_secret": ""}).status_code == 422
    assert fake.post(path, **{**MERCHANT, "grant_type": "password"}).status_code == 422
    answer = fake.post(path, **MERCHANT).json()
    assert set(answer) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert answer["expires_in"] == 3600
    fake.control("/switches", expires_in="ms")
    assert fake.post(path, **MERCHANT).json()["expires_in"] == 3_600_000


def test_refresh_gives_a_live_token_once_in_other_words(fake: FakeApi) -> None:
    granted = fake.post("/merchant/token/grant", **MERCHANT).json()
    body = {"refresh_token": granted["refresh_token"]}
    data = fake.post("/merchant/token/refresh", **body).json()["data"]
    assert set(data) == {"accessToken", "refreshToken"}
    fake.http.headers["Authorization"] = f"Bearer {data['accessToken']}"
    assert fake.get("/transactions").status_code == 200
    assert fake.post("/merchant/token/refresh", **body).status_code == 400


def test_calls_are_refused_when_the_token_expired_by_the_fakes_clock(fake: FakeApi) -> None:
    assert fake.get("/transactions").status_code == 200
    fake.advance(3601)
    assert refused(fake.get("/transactions")) == (401, "authentication_error")
    assert fake.http.get("/api/health").status_code == 200


def test_pix_has_a_code_with_a_valid_checksum_where_pagarme_puts_it(fake: FakeApi) -> None:
    data = fake.pix().json()["data"]
    assert data["id"].startswith("pay_")
    assert is_br_code(data["provider_response"]["charges"][0]["last_transaction"]["qr_code"])
    assert is_br_code(br_code(str(uuid.UUID(int=0))))


@pytest.mark.parametrize(
    "source",
    [
        {"capture_method": "automatic"},
        {"amount": 0},
        {"amount": 50.0},
        {"amount": True},
        {"currency": "usd"},
        {"expiry_date": "2020-01-01T00:00:00Z"},
        {"expiry_date": "soon"},
        {"customer": "pay_wrong-prefix"},
        {"payment_method": {"type": "boleto"}},
        {"top": {"provider": "stripe"}},
        {"top": {"metadata": {"n": 1}}},
        {"top": {"allocations": [{"receiver": {"type": "platform"}, "amount": 4999}]}},
        {"top": {"allocations": [{"receiver": {"type": "friend"}, "amount": 5000}]}},
    ],
)
def test_create_is_refused_when_the_request_has(idle: FakeApi, source: dict[str, Any]) -> None:
    assert refused(idle.pix(**source)) == (422, "validation_error")


@pytest.mark.parametrize(
    "source",
    [
        {"payment_method": {"type": "card", "id": "x", "card_token": "y"}},
        {"payment_method": {"type": "card"}},
        {"capture_method": "later"},
        {"installments": 0},
        {"fraud_check": {"enabled": True, "provider": "other"}},
        {"fraud_check": {"enabled": True, "provider": "konduto", "config": {}, "data": {}}},
    ],
)
def test_card_is_refused_when_the_request_has(idle: FakeApi, source: dict[str, Any]) -> None:
    assert refused(idle.card(**source)) == (422, "validation_error")


def test_create_is_not_found_when_its_customer_is_unknown(idle: FakeApi) -> None:
    assert idle.pix(customer=f"cus_{uuid.uuid4()}").status_code == 404


def test_create_replays_when_key_and_body_are_the_same_and_conflicts_when_not(
    fake: FakeApi,
) -> None:
    terms: dict[str, Any] = {"customer": fake.customer(), "expiry_date": "2999-01-01T00:00:00Z"}
    first = fake.pix(key="k", **terms)
    assert fake.pix(key="k", **terms).json() == first.json()
    other = fake.pix(key="k", amount=1, **terms)
    assert refused(other) == (409, "conflict")
    assert other.json()["failure_reasons"][0]["code"] == "idempotency_mismatch"


def test_create_keeps_nothing_under_its_key_when_it_is_refused(fake: FakeApi) -> None:
    customer = fake.customer()
    assert fake.pix(key="k", amount=0, customer=customer).status_code == 422
    assert fake.pix(key="k", customer=customer).status_code == 201


@pytest.mark.parametrize(
    ("token", "status", "sub_status"),
    [
        ("tok_good", "captured", "captured"),
        (DECLINED_TOKEN, "failed", "authorization_failed"),
        (FRAUD_TOKEN, "failed", "fraud_check_failed"),
        (REVIEW_TOKEN, "awaiting_confirmation", "fraud_check_pending"),
    ],
)
def test_card_goes_as_its_magic_token_says(
    idle: FakeApi, token: str, status: str, sub_status: str
) -> None:
    data = idle.card(token).json()["data"]
    assert (data["status"], data["sub_status"]) == (status, sub_status)


def test_card_is_not_screened_when_that_was_not_asked_for(idle: FakeApi) -> None:
    data = idle.card(FRAUD_TOKEN, fraud_check={"enabled": False}).json()["data"]
    assert data["status"] == "captured"


def test_card_under_review_is_decided_once(fake: FakeApi) -> None:
    identifier = fake.card(REVIEW_TOKEN).json()["data"]["id"]
    path = f"/payments/{identifier}/fraud"
    assert fake.control(path, decision="approve")["status"] == "captured"
    assert fake.http.post(f"/__fake__{path}", json={"decision": "approve"}).status_code == 400


def test_installments_sum_to_the_charge(idle: FakeApi) -> None:
    rows = idle.card(amount=1000, installments=3).json()["data"]["installments"]
    assert [row["amount"] for row in rows] == [334, 333, 333]
    assert [row["sequence"] for row in rows] == [1, 2, 3]


def test_payment_waits_for_confirm_when_it_was_created_without(fake: FakeApi) -> None:
    data = fake.pix(top={"confirm": False}).json()["data"]
    assert data["status"] == "initiated"
    path = f"/payments/{data['id']}/confirm"
    assert fake.post(path).json()["data"]["status"] == "awaiting_confirmation"
    assert fake.post(path).status_code == 400


def test_card_is_captured_once_when_capture_is_manual(fake: FakeApi) -> None:
    data = fake.card(capture_method="manual").json()["data"]
    assert (data["status"], data["sub_status"]) == ("processing", "awaiting_capture")
    path = f"/payments/{data['id']}/capture"
    assert fake.post(path).json()["data"]["status"] == "captured"
    assert fake.post(path).status_code == 400


def test_cancel_is_refused_when_the_payment_is_complete(fake: FakeApi) -> None:
    waiting = fake.pix().json()["data"]["id"]
    assert fake.post(f"/payments/{waiting}/cancel").json()["data"]["status"] == "canceled"
    assert fake.post(f"/payments/{waiting}/cancel").status_code == 400
    assert fake.post(f"/payments/{fake.paid()}/cancel").status_code == 400


def test_settle_dates_a_paid_payment_only(fake: FakeApi) -> None:
    waiting = fake.pix().json()["data"]["id"]
    assert fake.post(f"/payments/{waiting}/sandbox/settle").status_code == 400
    assert fake.post(f"/payments/{waiting}/sandbox/paid").json()["data"]["status"] == "captured"
    settled = fake.post(f"/payments/{waiting}/sandbox/settle").json()["data"]
    assert (settled["status"], settled["settlement_date"] is None) == ("succeeded", False)


def test_pay_takes_another_amount_at_any_time_and_names_the_money(fake: FakeApi) -> None:
    identifier = fake.pix().json()["data"]["id"]
    fake.post(f"/payments/{identifier}/cancel")
    fake.control(f"/payments/{identifier}/pay", amount=4000, at="2026-01-02T03:04:00Z")
    charge = fake.payment(identifier)["provider_response"]["charges"][0]
    named = charge["last_transaction"]["end_to_end_id"]
    assert (charge["paid_amount"], named[:21], len(named)) == (4000, "E00000000202601020304", 32)
    other = fake.pix().json()["data"]["id"]
    e2e = "E" + "1" * 31
    fake.control(f"/payments/{other}/pay", e2e=e2e)
    assert e2e in str(fake.payment(other))


def test_versions_count_every_change(fake: FakeApi) -> None:
    identifier = fake.pix().json()["data"]["id"]
    versions = [fake.payment(identifier)["version"]]
    for path in ("pay", "reverse"):
        fake.control(f"/payments/{identifier}/{path}")
        versions.append(fake.payment(identifier)["version"])
    assert versions == [1, 2, 3]


def test_totals_count_and_sum_by_status(fake: FakeApi) -> None:
    fake.pix(amount=100)
    identifier = fake.pix(amount=200).json()["data"]["id"]
    fake.control(f"/payments/{identifier}/pay", amount=150)
    totals = fake.http.get("/__fake__/totals").json()["by_status"]
    assert totals == {
        "awaiting_confirmation": {"count": 1, "sum": 100, "paid_sum": 0},
        "captured": {"count": 1, "sum": 150, "paid_sum": 150},
    }


def test_faults_break_calls_as_often_as_asked_and_calls_are_recorded(fake: FakeApi) -> None:
    fake.control("/faults", path="/transactions", mode="status", status=503, times=2)
    statuses = [fake.get("/transactions").status_code for _ in range(3)]
    assert statuses == [503, 503, 200]
    calls = fake.http.get("/__fake__/calls").json()["calls"]
    assert [call["fault"] for call in calls[-3:]] == ["status", "status", None]


def test_switches_last_until_everything_is_calmed(fake: FakeApi) -> None:
    assert fake.control("/switches", dialect="gen2", refunds="manual")["dialect"] == "gen2"
    fake.http.delete("/__fake__/faults").raise_for_status()
    assert fake.control("/switches")["dialect"] == "gen3"


def test_second_generation_has_bare_ids_no_versions_no_keys_and_no_codes(fake: FakeApi) -> None:
    fake.control("/switches", dialect="gen2")
    customer = fake.customer()
    assert customer == str(uuid.UUID(customer))
    data = fake.pix(key="k", customer=customer).json()["data"]
    assert data["id"] == str(uuid.UUID(data["id"]))
    assert not {"version", "refund_ids", "dispute_ids", "fee"} & set(data)
    # The key means nothing: the same call again is another payment.
    again = fake.pix(key="k", customer=customer, expiry_date="2999-01-01").json()["data"]
    assert again["id"] != data["id"]
    assert set(fake.pix(amount=0).json()) == {"msg", "data"}
    page = fake.data("/transactions", limit=1, starting_after=data["id"])
    assert set(page) == {"count", "transaction_list"}
    assert [row["id"] for row in page["transaction_list"]] == [again["id"]]


def test_ids_repeat_when_the_seed_is_the_same() -> None:
    series = [
        [Books(client_id="i", client_secret="s", seed=seed).new_id() for _ in range(2)]
        for seed in ("a", "a", "b")
    ]
    assert series[0] == series[1] != series[2]


def test_health_needs_no_token(fake: FakeApi) -> None:
    fake.http.headers.pop("Authorization")
    assert fake.http.get("/api/health").json() == {"status": "ok"}
    assert fake.http.get(f"{API}/customers").status_code == 401
