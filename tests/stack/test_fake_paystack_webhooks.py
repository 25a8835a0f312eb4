"""The fake's webhooks: what is sent, how it is signed, and how long it is tried."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest
from typing_extensions import override

from offchain.gateways.paystack.webhooks import read, verify
from stack.fakes.paystack.books import Books
from stack.fakes.paystack.gateway import create_fake
from stack.fakes.paystack.webhooks import SCHEDULE_S
from tests.support.asgi import serving
from tests.support.paystack_calls import KEY, REFERENCE, control, paid
from tests.support.waiting import eventually


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

    def refusals(self) -> list[str | None]:
        return [verify(headers, body, secrets=[KEY]) for headers, body in list(self.received)]

    def events(self) -> list[str]:
        return [json.loads(body)["event"] for _, body in list(self.received)]

    def data(self, event: str) -> Any:
        """What the last such event told."""
        bodies = [json.loads(body) for _, body in list(self.received)]
        return [body["data"] for body in bodies if body["event"] == event][-1]

    def waits_for(self, *events: str) -> None:
        eventually(lambda: sorted(self.events()) == sorted(events), what=str(events))


@pytest.fixture
def listener() -> Iterator[Listener]:
    endpoint = Listener()
    endpoint.thread.start()
    yield endpoint
    endpoint.server.shutdown()
    endpoint.server.server_close()
    endpoint.thread.join()


@pytest.fixture
def fake(listener: Listener) -> Iterator[httpx.Client]:
    books = Books(secret_key=KEY, seed="test")
    books.register(listener.url)
    with serving(create_fake(books)) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        yield client


def statuses(fake: httpx.Client) -> list[str]:
    found = fake.get("/__fake__/notifications").json()["notifications"]
    return [row["status"] for row in found]


def attempts(fake: httpx.Client) -> list[int]:
    found = fake.get("/__fake__/notifications").json()["notifications"]
    return [row["attempts"] for row in found]


def test_a_payment_is_told_once_signed_with_the_secret_key(
    fake: httpx.Client, listener: Listener
) -> None:
    paid(fake)
    listener.waits_for("charge.success")
    assert listener.refusals() == [None]
    headers, body = listener.received[0]
    assert read(body).provider_payment_id == REFERENCE
    assert not any("timestamp" in name.lower() for name in headers)
    shown = fake.get(f"/transaction/verify/{REFERENCE}").json()["data"]
    assert listener.data("charge.success") == shown


def test_nothing_is_told_when_a_payment_fails(fake: httpx.Client, listener: Listener) -> None:
    body = {"email": "a@example.org", "amount": 1, "reference": "failing"}
    fake.post("/transaction/initialize", json=body).raise_for_status()
    control(fake, "/payments/failing/fail")
    paid(fake)
    listener.waits_for("charge.success")


def test_refunds_are_told_by_their_transaction_with_neither_number_nor_reference(
    fake: httpx.Client, listener: Listener
) -> None:
    paid(fake)
    made = fake.post("/refund", json={"transaction": REFERENCE}).json()["data"]["id"]
    control(fake, f"/refunds/{made}/settle", status="processed")
    listener.waits_for("charge.success", "refund.pending", "refund.processed")
    told = listener.data("refund.pending")
    assert {"id", "reference"}.isdisjoint(told)
    assert (told["transaction_reference"], told["amount"]) == (REFERENCE, "500000")
    assert {read(body).provider_payment_id for _, body in listener.received} == {REFERENCE}


def test_disputes_and_transfers_are_told(fake: httpx.Client, listener: Listener) -> None:
    paid(fake)
    control(fake, f"/payments/{REFERENCE}/dispute", outcome="won")
    body = {"name": "Ada", "account_number": "0123456789", "bank_code": "057"}
    code = fake.post("/transferrecipient", json=body).json()["data"]["recipient_code"]
    wanted = {"source": "balance", "amount": 1, "recipient": code}
    made = fake.post("/transfer", json=wanted).json()["data"]["reference"]
    control(fake, f"/transfers/{made}/settle", status="success")
    told = ("charge.success", "charge.dispute.create", "charge.dispute.resolve", "transfer.success")
    listener.waits_for(*told)
    assert listener.data("charge.dispute.resolve")["transaction"]["reference"] == REFERENCE
    assert listener.data("transfer.success")["reference"] == made


def test_schedule_is_every_three_minutes_four_times_then_hourly_for_three_days() -> None:
    assert SCHEDULE_S[:6] == (0, 180, 180, 180, 180, 3600)
    assert set(SCHEDULE_S[5:]) == {3600}
    assert 72 * 3600 - 3600 < sum(SCHEDULE_S) <= 72 * 3600


def test_an_event_is_repeated_with_the_same_bytes_and_signature_until_it_is_taken(
    fake: httpx.Client, listener: Listener
) -> None:
    listener.status = 500
    paid(fake)
    eventually(lambda: attempts(fake) == [1])
    control(fake, "/clock", advance_s=180)
    eventually(lambda: attempts(fake) == [2])
    listener.status = 200
    control(fake, "/clock", advance_s=180)
    eventually(lambda: statuses(fake) == ["delivered"])
    assert len(listener.received) == 3
    signatures = {headers["x-paystack-signature"] for headers, _ in listener.received}
    assert len(signatures) == 1
    assert len({body for _, body in listener.received}) == 1
    assert len({read(body).event_key for _, body in listener.received}) == 1


@pytest.mark.parametrize(
    ("chaos", "events", "refusals"),
    [
        ({"duplicate": 2}, 3, {None}),
        ({"bad_signature": True}, 1, {"forged"}),
        ({"drop": True}, 0, set()),
    ],
)
def test_chaos_happens_when_it_is_asked_for(
    fake: httpx.Client,
    listener: Listener,
    chaos: dict[str, Any],
    events: int,
    refusals: set[str | None],
) -> None:
    control(fake, "/webhooks", **chaos, times=1)
    paid(fake)
    paid(fake, reference="another")  # after which the first one's deliveries can only be late
    eventually(lambda: len(listener.received) == events + 1)
    assert set(listener.refusals()) == refusals | {None}


def test_events_change_places_when_it_is_asked_for(fake: httpx.Client, listener: Listener) -> None:
    control(fake, "/webhooks", reorder=True, times=1)
    paid(fake)
    paid(fake, reference="another")
    eventually(lambda: len(listener.received) == 2)
    references = [read(body).provider_payment_id for _, body in listener.received]
    assert references == ["another", REFERENCE]


def test_events_go_nowhere_when_no_address_is_known(fake: httpx.Client, listener: Listener) -> None:
    control(fake, "/webhook_url", url=None)
    paid(fake)
    control(fake, "/webhook_url", url=listener.url)
    paid(fake, reference="another")
    listener.waits_for("charge.success")
    assert listener.data("charge.success")["reference"] == "another"
