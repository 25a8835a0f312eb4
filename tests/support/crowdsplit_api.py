"""The fake CrowdSplit's own API, called as any merchant would, and an endpoint for its webhooks."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from offchain.gateways.crowdsplit.webhooks import verify
from stack.fakes.crowdsplit.books import Books
from stack.fakes.crowdsplit.gateway import create_fake
from tests.support import webhook_endpoint
from tests.support.asgi import serving
from tests.support.webhook_endpoint import WebhookEndpoint

API = "/api/v1"
MERCHANT = {"client_id": "id", "client_secret": "secret", "grant_type": "client_credentials"}
CPF = "52998224725"
GOOD_CARD = "tok_good"


class Listener(WebhookEndpoint):
    """An endpoint that reads what CrowdSplit sends."""

    def refusals(self, secret: str) -> list[str | None]:
        now = datetime.now(UTC)
        return [verify(headers, body, secrets=[secret], now=now) for headers, body in self.received]

    def events(self) -> list[str]:
        return [json.loads(body)["event"] for _, body in self.received]


@contextmanager
def listening() -> Iterator[Listener]:
    """An endpoint that listens until the block ends."""
    listener = Listener()
    with webhook_endpoint.listening(listener):
        yield listener


class FakeApi:
    """One fake in this process, with a merchant's token."""

    def __init__(self, http: httpx.Client, books: Books) -> None:
        self.http = http
        self.books = books
        self.renew()

    def renew(self) -> None:
        """Take a new token: the clock may have left the old one behind."""
        granted = self.http.post(f"{API}/merchant/token/grant", json=MERCHANT).json()
        self.http.headers["Authorization"] = f"Bearer {granted['access_token']}"

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self.http.get(API + path, params=params)

    def data(self, path: str, **params: Any) -> Any:
        return self.get(path, **params).raise_for_status().json()["data"]

    def post(self, path: str, /, *, key: str | None = None, **body: Any) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.http.post(API + path, json=body, headers=headers)

    def control(self, path: str, /, **body: Any) -> Any:
        return self.http.post(f"/__fake__{path}", json=body).raise_for_status().json()

    def advance(self, seconds: float) -> None:
        self.control("/clock", advance_s=seconds)

    def customer(self, **fields: Any) -> str:
        terms = {"email": "a@example.org", **fields}
        data = self.post("/customers", **terms).raise_for_status().json()["data"]
        return str(data.get("id") or data["customer_id"])

    def receiver(self, *, role: str = "subaccount") -> str:
        """A customer who can be paid, as soon as the provider approves."""
        customer = self.customer(document_number=CPF, document_type="personal_tax_id")
        path = f"/provider-registration/{customer}/submit"
        self.post(path, provider="pagar_me", target_role=role).raise_for_status()
        return customer

    def pix(
        self, *, amount: Any = 5000, key: str | None = None, top: Any = None, **source: Any
    ) -> httpx.Response:
        expiry = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        terms = {
            "amount": amount,
            "currency": "brl",
            "customer": {"id": source.pop("customer", None) or self.customer()},
            "payment_method": {"type": "pix", "expiry_date": source.pop("expiry_date", expiry)},
            **source,
        }
        body = {"provider": "pagar_me", "source": terms, **(top or {})}
        return self.post("/payments", key=key, **body)

    def card(
        self, token: str = GOOD_CARD, *, installments: int = 1, top: Any = None, **source: Any
    ) -> httpx.Response:
        terms = {
            "payment_method": {"type": "card", "card_token": token},
            "capture_method": "automatic",
            "fraud_check": {
                "enabled": True,
                "provider": "konduto",
                "config": {"sequence": "fraud_before_auth", "threshold": "medium"},
                "data": {
                    "last_four_digits": "4242",
                    "card_expiration_date": "12/2030",
                    "card_holder_name": "ANA",
                },
            },
            **source,
        }
        return self.pix(top={"total_installments": installments, **(top or {})}, **terms)

    def paid(self) -> str:
        identifier = str(self.pix().json()["data"]["id"])
        self.control(f"/payments/{identifier}/pay")
        return identifier

    def payment(self, identifier: str) -> Any:
        return self.data(f"/payments/{identifier}")

    def register(self, url: str, **fields: Any) -> str:
        answer = self.post("/merchant/webhooks", url=url, **fields)
        return str(answer.raise_for_status().json()["data"]["secret"])


@contextmanager
def running_api() -> Iterator[FakeApi]:
    books = Books(client_id="id", client_secret="secret", seed="test")
    with serving(create_fake(books)) as client:
        yield FakeApi(client, books)
