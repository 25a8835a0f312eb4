"""The fake Paystack as a real server, its adapter and its controls."""

import hashlib
import hmac
import json
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from offchain.gateways.calling import Caller, FixedKey
from offchain.gateways.pacing import Pace
from offchain.gateways.paystack.adapter import Paystack
from offchain.gateways.paystack.wire import METADATA_ATTEMPT, NAME
from offchain.gateways.types import NewAccount, NewPayment, NewRefund, Observation
from offchain.money import Currency, MinorUnits, Money
from stack.fakes.edge import Mode
from stack.ports import free_port
from tests.support.gateway_sites import DisputeOutcome, FaultyCall
from tests.support.servers import running

SECRET_KEY = "sk_test_local_1"
TIMEOUT_S = 1.5
NAIRA = Money(MinorUnits(500_000), Currency("ngn"))
_CALLS: dict[FaultyCall, tuple[str, str]] = {
    "create": ("POST", "/transaction/initialize"),
    "read": ("GET", "/transaction/verify/"),
    "list": ("GET", "/transaction"),
    "refund": ("POST", "/refund"),
    "transfer": ("POST", "/transfer"),
}


def _at_once(_seconds: float) -> None:
    """Tests do not wait."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def new_payment(**fields: Any) -> NewPayment:
    values: dict[str, Any] = {
        "attempt_id": uuid.uuid4(),
        "backer_id": uuid.uuid4(),
        "method": "card",
        "amount": NAIRA,
        "created_at": datetime.now(UTC),
        "expires_at": None,
        "return_url": "https://platform.example/thanks",
        **fields,
    }
    return NewPayment(**values)


def new_account(**fields: Any) -> NewAccount:
    account_ref = uuid.uuid4()
    values: dict[str, Any] = {
        "account_ref": account_ref,
        "name": "Ada Obi",
        "email": "ada@creators.example",
        "document": "12345678901",
        "country": "NG",
        "payout": {
            "account_number": f"{account_ref.int % 10**10:010d}",
            "bank_code": "057",
            "currency": "ngn",
        },
        **fields,
    }
    return NewAccount(**values)


def new_refund(payment: Observation, minor: int = 200_000) -> NewRefund:
    return NewRefund(
        refund_id=uuid.uuid4(),
        provider_payment_id=payment.provider_payment_id,
        amount=Money(MinorUnits(minor), NAIRA.currency),
        is_full=minor == NAIRA.minor,
    )


@dataclass(frozen=True, slots=True)
class PaystackSite:
    """One running fake."""

    port: int
    http: httpx.Client
    impatient: httpx.Client
    """What adapters call with: gives up soon, so that tests of lost answers are quick."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def name(self) -> str:
        return NAME

    def adapter(
        self, *, secret_key: str = SECRET_KEY, now: Callable[[], datetime] = _utc_now
    ) -> Paystack:
        pace = Pace(NAME, calls_per_s=1000, pause=_at_once)
        caller = Caller(NAME, self.impatient, FixedKey(secret_key), pace, pause=_at_once)
        return Paystack(caller, webhook_secrets=[SECRET_KEY], now=now)

    def new_payment(self, **fields: Any) -> NewPayment:
        return new_payment(**fields)

    def new_account(self, **fields: Any) -> NewAccount:
        return new_account(**fields)

    def control(self, path: str, /, **body: Any) -> Any:
        response = self.http.post(f"/__fake__{path}", json=body)
        response.raise_for_status()
        return response.json()

    def api(self, method: str, path: str, /, **body: Any) -> Any:
        """Call the API as an integration of its own would; its ``data``."""
        headers = {"Authorization": f"Bearer {SECRET_KEY}"}
        response = self.http.request(method, path, json=body or None, headers=headers)
        response.raise_for_status()
        return response.json()["data"]

    def paid(self, **fields: Any) -> Observation:
        """A payment just created and paid."""
        created = self.adapter().create_payment(new_payment(**fields))
        self.pay(created)
        return created

    def subaccount(self, name: str) -> str:
        """A receiver of shares, made by the API; its code."""
        body = {"business_name": name, "settlement_bank": "057", "account_number": "0123456047"}
        return str(self.api("POST", "/subaccount", **body)["subaccount_code"])

    @contextmanager
    def ahead(self, by: timedelta) -> Iterator[None]:
        """Let the fake's clock run ahead until the block ends."""
        self.control("/clock", advance_s=by.total_seconds())
        try:
            yield
        finally:
            self.control("/clock", advance_s=-by.total_seconds())

    def pay(self, observation: Observation, minor: int | None = None) -> None:
        self.control(f"/payments/{observation.provider_payment_id}/pay", amount=minor)

    def fail(self, observation: Observation) -> None:
        self.control(f"/payments/{observation.provider_payment_id}/fail")

    def settle_refund(self, provider_refund_id: str, *, succeeds: bool) -> None:
        status = "processed" if succeeds else "failed"
        self.control(f"/refunds/{provider_refund_id}/settle", status=status)

    def settle_transfer(self, provider_transfer_id: str, *, succeeds: bool) -> None:
        status = "success" if succeeds else "failed"
        self.control(f"/transfers/{provider_transfer_id}/settle", status=status)

    def dispute(self, observation: Observation, outcome: DisputeOutcome) -> None:
        self.control(f"/payments/{observation.provider_payment_id}/dispute", outcome=outcome)

    def fault(self, call: FaultyCall, mode: Mode, **options: Any) -> None:
        method, path = _CALLS[call]
        self.control("/faults", path=path, method=method, mode=mode, **options)

    def calm(self) -> None:
        self.http.delete("/__fake__/faults").raise_for_status()
        self.control("/otp", required=False)

    def created(self, attempt_id: object) -> int:
        payments = self.http.get("/__fake__/totals").json()["payments"]
        names = [row["metadata"] for row in payments if isinstance(row["metadata"], dict)]
        return sum(metadata.get(METADATA_ATTEMPT) == str(attempt_id) for metadata in names)

    def calls(self, method: str, path: str) -> int:
        """How often the API was called so."""
        found = self.http.get("/__fake__/calls").json()["calls"]
        return sum((call["method"], call["path"]) == (method, path) for call in found)

    def signed(self, body: bytes, age_s: int = 0) -> Mapping[str, str]:  # noqa: ARG002 - no stamp
        digest = hmac.new(SECRET_KEY.encode(), body, hashlib.sha512).hexdigest()
        return {"X-Paystack-Signature": digest}

    def some_event(self, observation: Observation) -> bytes:
        data = {"id": 302961, "reference": observation.provider_payment_id, "status": "success"}
        return json.dumps({"event": "charge.success", "data": data}).encode()


@contextmanager
def running_site(directory: Path) -> Iterator[PaystackSite]:
    port = free_port()
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)
    impatient = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=TIMEOUT_S)

    def answers() -> bool:
        try:
            return client.get("/__fake__/health").is_success
        except httpx.HTTPError:
            return False

    command = [sys.executable, "-m", "stack.fakes.paystack", "--port", str(port)]
    command += ["--secret-key", SECRET_KEY]
    log = directory / f"paystack-{port}.log"
    with client, impatient, running(command, answers=answers, log=log):
        yield PaystackSite(port, client, impatient)
