"""The fake's own promises: the gateway suite covers what the adapter uses, this the rest."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest
from typing_extensions import override

from offchain.gateways.brcode import is_br_code
from offchain.gateways.crowdsplit_webhooks import verify
from stack.fakes.crowdsplit.books import Books
from stack.fakes.crowdsplit.delivery import Sender
from stack.fakes.crowdsplit.gateway import create_fake
from stack.fakes.crowdsplit.words import br_code
from tests.support.asgi import serving
from tests.support.waiting import eventually

API = "/api/v1"


class Listener:
    """A webhook endpoint that answers what it is told to."""

    def __init__(self) -> None:
        self.status = 200
        self.received: list[tuple[dict[str, str], bytes]] = []
        outer = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.received.append((dict(self.headers), body))
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            @override
            def log_message(self, *_arguments: object) -> None:
                return

        self.server = HTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    def refusals(self, secret: str) -> list[str | None]:
        now = datetime.now(UTC)
        return [verify(headers, body, secrets=[secret], now=now) for headers, body in self.received]


@pytest.fixture
def listener() -> Iterator[Listener]:
    endpoint = Listener()
    endpoint.thread.start()
    yield endpoint
    endpoint.server.shutdown()
    endpoint.server.server_close()
    endpoint.thread.join()


@pytest.fixture
def fake() -> Iterator[httpx.Client]:
    books = Books(client_id="id", client_secret="secret", seed="test")
    with serving(create_fake(books, Sender(books))) as client:
        body = {"client_id": "id", "client_secret": "secret", "grant_type": "client_credentials"}
        token = client.post(f"{API}/merchant/token/grant", json=body).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def call(fake: httpx.Client, path: str, *, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return fake.post(API + path, json=body, headers=headers)


def customer(fake: httpx.Client) -> str:
    return str(call(fake, "/customers", email="a@example.org").json()["data"]["id"])


def pix(
    fake: httpx.Client, *, amount: int = 5000, key: str | None = None, **source: Any
) -> httpx.Response:
    expiry = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = {
        "amount": amount,
        "currency": "brl",
        "customer": {"id": source.pop("customer", None) or customer(fake)},
        "payment_method": {"type": "pix", "expiry_date": source.pop("expiry_date", expiry)},
        **source,
    }
    return call(fake, "/payments", key=key, provider="pagar_me", source=body)


def paid(fake: httpx.Client) -> str:
    identifier = str(pix(fake).json()["data"]["id"])
    fake.post(f"/__fake__/payments/{identifier}/pay", json={}).raise_for_status()
    return identifier


def register(fake: httpx.Client, url: str) -> str:
    return str(call(fake, "/merchant/webhooks", url=url).json()["data"]["secret"])


def test_grant_is_flat_and_unknown_merchants_are_not_found(fake: httpx.Client) -> None:
    grant = {"client_id": "id", "client_secret": "wrong", "grant_type": "client_credentials"}
    assert call(fake, "/merchant/token/grant", **grant).status_code == 404
    answer = call(fake, "/merchant/token/grant", **{**grant, "client_secret": "secret"}).json()
    assert set(answer) == {"access_token", "token_type", "expires_in"}


def test_calls_are_refused_when_the_token_expired_by_the_fakes_clock(fake: httpx.Client) -> None:
    assert fake.get(f"{API}/transactions").status_code == 200
    fake.post("/__fake__/clock", json={"advance_s": 3601})
    answer = fake.get(f"{API}/transactions")
    assert (answer.status_code, answer.json()["error_code"]) == (401, "authentication_error")


def test_pix_has_a_code_with_a_valid_checksum_where_pagarme_puts_it(fake: httpx.Client) -> None:
    data = pix(fake).json()["data"]
    assert data["id"].startswith("pay_")
    assert is_br_code(data["provider_response"]["charges"][0]["last_transaction"]["qr_code"])
    assert is_br_code(br_code(str(uuid.UUID(int=0))))


@pytest.mark.parametrize(
    "source",
    [
        {"capture_method": "automatic"},
        {"amount": 0},
        {"amount": 50.0},
        {"expiry_date": "2020-01-01T00:00:00Z"},
        {"customer": "pay_wrong-prefix"},
        {
            "payment_method": {"type": "card", "id": "x", "card_token": "y"},
            "capture_method": "manual",
        },
        {"payment_method": {"type": "boleto"}},
    ],
)
def test_create_is_refused_when_the_source_has(fake: httpx.Client, source: dict[str, Any]) -> None:
    answer = pix(fake, **source)
    assert (answer.status_code, answer.json()["error_code"]) == (422, "validation_error")


def test_create_replays_when_key_and_body_are_the_same_and_conflicts_when_not(
    fake: httpx.Client,
) -> None:
    terms: dict[str, Any] = {"customer": customer(fake), "expiry_date": "2999-01-01T00:00:00Z"}
    first = pix(fake, key="k", **terms)
    assert pix(fake, key="k", **terms).json() == first.json()
    other = pix(fake, key="k", amount=1, **terms)
    assert other.status_code == 409
    assert other.json()["failure_reasons"][0]["code"] == "idempotency_mismatch"


def test_list_pages_newest_first_and_clamps_the_limit(fake: httpx.Client) -> None:
    ids = [pix(fake).json()["data"]["id"] for _ in range(3)]
    page = fake.get(f"{API}/transactions", params={"limit": 2}).json()["data"]
    assert [row["id"] for row in page["transaction_list"]] == [ids[2], ids[1]]
    assert (page["count"], page["has_more"]) == (3, True)
    rest = fake.get(f"{API}/transactions", params={"limit": 500, "offset": 2}).json()["data"]
    assert [row["id"] for row in rest["transaction_list"]] == [ids[0]]
    since = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    later = fake.get(f"{API}/transactions", params={"date_from": since}).json()["data"]
    assert later["transaction_list"] == []


def test_payment_is_found_when_either_form_of_its_id_is_used(fake: httpx.Client) -> None:
    wire = pix(fake).json()["data"]["id"]
    for form in (wire, wire.removeprefix("pay_")):
        assert fake.get(f"{API}/transactions/{form}").json()["data"]["id"] == wire
        assert fake.get(f"{API}/payments/{form}").json()["data"]["id"] == wire
    assert fake.get(f"{API}/payments/cus_{uuid.uuid4()}").status_code == 422


def test_cancel_is_refused_when_the_payment_is_complete(fake: httpx.Client) -> None:
    waiting = pix(fake).json()["data"]["id"]
    assert call(fake, f"/payments/{waiting}/cancel").json()["data"]["status"] == "canceled"
    assert call(fake, f"/payments/{paid(fake)}/cancel").status_code == 400


def test_refunds_never_exceed_what_was_paid(fake: httpx.Client) -> None:
    identifier = paid(fake)
    part = call(fake, f"/payments/{identifier}/refund", key="r", amount=3000)
    again = call(fake, f"/payments/{identifier}/refund", key="r", amount=3000)
    assert part.json() == again.json()
    assert call(fake, f"/payments/{identifier}/refund", amount=2001).status_code == 400
    assert call(fake, f"/payments/{identifier}/refund").json()["data"]["amount"] == 2000
    row = fake.get("/__fake__/totals").json()["payments"][0]
    assert (row["paid_amount"], row["refunded_amount"]) == (5000, 5000)


def test_totals_count_and_sum_by_status(fake: httpx.Client) -> None:
    pix(fake, amount=100)
    identifier = pix(fake, amount=200).json()["data"]["id"]
    fake.post(f"/__fake__/payments/{identifier}/pay", json={"amount": 150})
    totals = fake.get("/__fake__/totals").json()["by_status"]
    assert totals == {
        "awaiting_confirmation": {"count": 1, "sum": 100, "paid_sum": 0},
        "captured": {"count": 1, "sum": 150, "paid_sum": 150},
    }


def test_webhook_secret_is_shown_once_and_an_url_is_registered_once(fake: httpx.Client) -> None:
    assert register(fake, "http://127.0.0.1:9/a")
    assert call(fake, "/merchant/webhooks", url="http://127.0.0.1:9/a").status_code == 409
    listed = fake.get(f"{API}/merchant/webhooks").json()["data"]["webhook_list"]
    assert [set(row) for row in listed] == [{"id", "url"}]


def test_deliveries_are_signed_and_repeated_on_schedule_when_refused(
    fake: httpx.Client, listener: Listener
) -> None:
    secret = register(fake, listener.url)
    listener.status = 500
    pix(fake)
    eventually(lambda: len(listener.received) == 1)
    listener.status = 200
    fake.post("/__fake__/clock", json={"advance_s": 31})
    eventually(lambda: len(listener.received) == 2)
    bodies = {body for _, body in listener.received}
    assert len(bodies) == 1
    assert listener.refusals(secret)[0] is None
    path = f"{API}/merchant/webhooks/notifications"
    eventually(lambda: fake.get(path, params={"status": "delivered"}).json()["data"]["count"] == 1)


def test_deliveries_end_dead_lettered_when_seven_were_refused(
    fake: httpx.Client, listener: Listener
) -> None:
    register(fake, listener.url)
    listener.status = 500
    pix(fake)

    def seven_came() -> bool:
        fake.post("/__fake__/clock", json={"advance_s": 86_401})
        return len(listener.received) >= 7

    eventually(seven_came)
    token = {"client_id": "id", "client_secret": "secret", "grant_type": "client_credentials"}
    fresh = call(fake, "/merchant/token/grant", **token).json()["access_token"]
    fake.headers["Authorization"] = f"Bearer {fresh}"
    path = f"{API}/merchant/webhooks/notifications"
    dead = {"status": "dead_lettered"}
    eventually(lambda: fake.get(path, params=dead).json()["data"]["count"] == 1)
    assert len(listener.received) == 7


@pytest.mark.parametrize(
    ("chaos", "refusals"),
    [
        ({"bad_signature": True}, ["forged"]),
        ({"stale_timestamp": True}, ["stale"]),
        ({"duplicate": 2}, [None, None, None]),
    ],
)
def test_deliveries_go_wrong_when_asked_to(
    fake: httpx.Client, listener: Listener, chaos: dict[str, Any], refusals: list[str | None]
) -> None:
    secret = register(fake, listener.url)
    fake.post("/__fake__/webhooks", json={**chaos, "times": 1})
    pix(fake)
    eventually(lambda: len(listener.received) == len(refusals))
    assert listener.refusals(secret) == refusals


def test_deliveries_are_lost_or_reordered_when_asked_to(
    fake: httpx.Client, listener: Listener
) -> None:
    register(fake, listener.url)
    fake.post("/__fake__/webhooks", json={"drop": True, "times": 1})
    pix(fake)
    fake.post("/__fake__/webhooks", json={"reorder": True, "times": 1})
    paid(fake)
    eventually(lambda: len(listener.received) == 2)
    assert b"payment.captured" in listener.received[0][1]
    assert b"awaiting_confirmation" in listener.received[1][1]


def test_faults_break_calls_as_often_as_asked_and_calls_are_recorded(fake: httpx.Client) -> None:
    fault = {"path": "/transactions", "mode": "status", "status": 503, "times": 2}
    fake.post("/__fake__/faults", json=fault)
    statuses = [fake.get(f"{API}/transactions").status_code for _ in range(3)]
    assert statuses == [503, 503, 200]
    calls = fake.get("/__fake__/calls").json()["calls"]
    assert [call["fault"] for call in calls[-3:]] == ["status", "status", None]


def test_ids_repeat_when_the_seed_is_the_same() -> None:
    series = [
        [Books(client_id="i", client_secret="s", seed=seed).new_id() for _ in range(2)]
        for seed in ("a", "a", "b")
    ]
    assert series[0] == series[1] != series[2]
