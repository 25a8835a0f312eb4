"""The fake Stripe as a real server, its controls, and its site for the acceptance suite."""

import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from offchain.gateways.calling import Caller, FixedKey
from offchain.gateways.pacing import Pace
from offchain.gateways.stripe.adapter import Stripe
from offchain.gateways.stripe.wire import HEADERS, NAME
from offchain.gateways.types import NewAccount, NewPayment, NewRefund, Observation
from offchain.money import Currency, MinorUnits, Money
from stack.fakes.delivery import Signing
from stack.fakes.edge import Mode
from stack.fakes.stripe.books import Books
from stack.fakes.stripe.gateway import create_fake
from stack.fakes.stripe.webhooks import body_of, sign
from stack.ports import free_port
from tests.support.asgi import serving
from tests.support.gateway_sites import DisputeOutcome, FaultyCall
from tests.support.offchain import FIFTY
from tests.support.servers import running

SECRET_KEY = "sk_test_local_1"
WEBHOOK_SECRET = "whsec_test_local_1"
TIMEOUT_S = 1.5
PLENTY = 10**9
_CALLS: dict[FaultyCall, tuple[str, str]] = {
    "create": ("POST", "/payment_intents"),
    "read": ("GET", "/payment_intents/"),
    "list": ("GET", "/"),
    "refund": ("POST", "/refunds"),
    "transfer": ("POST", "/transfers"),
}


def _at_once(_seconds: float) -> None:
    """Tests do not wait."""


def make_adapter(client: httpx.Client, *, secret_key: str = SECRET_KEY) -> Stripe:
    """A new adapter over a client of the fake."""
    pace = Pace(NAME, calls_per_s=1000, pause=_at_once)
    caller = Caller(NAME, client, FixedKey(secret_key), pace, headers=HEADERS, pause=_at_once)
    return Stripe(
        caller, webhook_secrets=[WEBHOOK_SECRET], return_url="https://lastro.example/back"
    )


def new_card_payment(**fields: Any) -> NewPayment:
    """A card payment whose card Stripe's own script asks for."""
    values: dict[str, Any] = {
        "attempt_id": uuid.uuid4(),
        "backer_id": uuid.uuid4(),
        "method": "card",
        "amount": FIFTY,
        "created_at": datetime.now(UTC),
        "expires_at": None,
        **fields,
    }
    return NewPayment(**values)


def brl(minor: int) -> Money:
    return Money(MinorUnits(minor), Currency("brl"))


def new_refund(of: Observation, minor: int = FIFTY.minor, **fields: Any) -> NewRefund:
    """A refund of a payment of fifty reais."""
    values: dict[str, Any] = {
        "refund_id": uuid.uuid4(),
        "provider_payment_id": of.provider_payment_id,
        "amount": brl(minor),
        "is_full": minor == FIFTY.minor,
        **fields,
    }
    return NewRefund(**values)


def new_receiver(**fields: Any) -> NewAccount:
    """A creator who is to be paid."""
    values: dict[str, Any] = {
        "account_ref": uuid.uuid4(),
        "name": "Projeto Teste",
        "email": "creator@example.org",
        "document": "52998224725",
        "country": "BR",
        **fields,
    }
    return NewAccount(**values)


@dataclass(frozen=True, slots=True)
class FakeStripe:
    """One running fake; a ``GatewaySite``."""

    http: httpx.Client
    impatient: httpx.Client
    """What adapters call with: gives up soon, so that tests of lost answers are quick."""

    @property
    def name(self) -> str:
        return NAME

    @property
    def url(self) -> str:
        return str(self.http.base_url).rstrip("/")

    def adapter(self) -> Stripe:
        return make_adapter(self.impatient)

    def new_payment(self, **fields: Any) -> NewPayment:
        return new_card_payment(**fields)

    def new_account(self, **fields: Any) -> NewAccount:
        return new_receiver(**fields)

    def control(self, path: str, /, **body: Any) -> Any:
        response = self.http.post(f"/__fake__{path}", json=body)
        response.raise_for_status()
        return response.json()

    def get(self, path: str, **params: Any) -> Any:
        """What the fake's own API shows."""
        response = self.http.get(f"/v1{path}", params=params, auth=(SECRET_KEY, ""))
        response.raise_for_status()
        return response.json()

    def pay(self, observation: Observation, minor: int | None = None) -> None:
        """Pay with the card whose refunds take their time, as other gateways' do."""
        path = f"/payments/{observation.provider_payment_id}/pay"
        self.control(path, amount=minor, payment_method="pm_card_pendingRefund")

    def fail(self, observation: Observation) -> None:
        self.control(f"/payments/{observation.provider_payment_id}/fail", for_good=True)

    def settle_refund(self, provider_refund_id: str, *, succeeds: bool) -> None:
        outcome = "succeeded" if succeeds else "failed"
        self.control(f"/refunds/{provider_refund_id}/settle", outcome=outcome)

    def settle_transfer(self, provider_transfer_id: str, *, succeeds: bool) -> None:
        """Transfers are done at once here; what can still happen is that one is reversed."""
        if not succeeds:
            self.control(f"/transfers/{provider_transfer_id}/reverse")

    def dispute(self, observation: Observation, outcome: DisputeOutcome) -> None:
        self.control(f"/payments/{observation.provider_payment_id}/dispute", outcome=outcome)

    def fault(self, call: FaultyCall, mode: Mode, **options: Any) -> None:
        method, path = _CALLS[call]
        self.control("/faults", path=path, method=method, mode=mode, **options)

    def calm(self) -> None:
        """End every fault and all chaos that an earlier test left."""
        self.http.delete("/__fake__/faults").raise_for_status()

    def calls(self, method: str, path: str) -> list[dict[str, Any]]:
        found = self.http.get("/__fake__/calls").json()["calls"]
        return [call for call in found if (call["method"], call["path"]) == (method, path)]

    def created(self, attempt_id: object) -> int:
        payments = self.http.get("/__fake__/totals").json()["payments"]
        return [row["metadata"].get("lastro_attempt_id") for row in payments].count(str(attempt_id))

    def signed(self, body: bytes, age_s: int = 0) -> Mapping[str, str]:
        stamp = int(datetime.now(UTC).timestamp()) - age_s
        headers = sign(body, Signing(secret=WEBHOOK_SECRET, timestamp=stamp, is_forged=False))
        return {"Stripe-Signature": headers["Stripe-Signature"]}

    def some_event(self, observation: Observation) -> bytes:
        events = self.get("/events", limit=100)["data"]
        identifier = observation.provider_payment_id
        return body_of(next(row for row in events if row["data"]["object"]["id"] == identifier))


def give_plenty(fake: FakeStripe) -> None:
    """Let receivers be paid at once: money on the balance, accounts that need no onboarding."""
    fake.control("/accounts", state="active")
    for currency in ("brl", "usd", "eur"):
        fake.control("/balance", currency=currency, amount=PLENTY)


@contextmanager
def own_fake(*, patience_s: float = TIMEOUT_S) -> Iterator[FakeStripe]:
    """A fake in a thread of this process, for one test alone."""
    with (
        serving(create_fake(Books(secret_key=SECRET_KEY))) as client,
        httpx.Client(base_url=client.base_url, timeout=patience_s) as impatient,
    ):
        fake = FakeStripe(client, impatient)
        give_plenty(fake)
        yield fake
        fake.calm()


@contextmanager
def running_fake(directory: Path, *, webhook_url: str | None = None) -> Iterator[FakeStripe]:
    port = free_port()
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)
    impatient = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=TIMEOUT_S)

    def answers() -> bool:
        try:
            return client.get("/__fake__/calls").is_success
        except httpx.HTTPError:
            return False

    command = [sys.executable, "-m", "stack.fakes.stripe", "--port", str(port)]
    command += ["--secret-key", SECRET_KEY, "--webhook-secret", WEBHOOK_SECRET]
    if webhook_url is not None:
        command += ["--webhook-url", webhook_url]
    log = directory / f"stripe-{port}.log"
    with client, impatient, running(command, answers=answers, log=log):
        fake = FakeStripe(client, impatient)
        give_plenty(fake)
        yield fake
