"""The fake CrowdSplit as a real server, and its controls."""

import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from offchain.gateways.calling import Caller
from offchain.gateways.crowdsplit.adapter import CrowdSplit
from offchain.gateways.crowdsplit.token import NAME, BearerToken, Credentials
from offchain.gateways.crowdsplit.wire import Dialect
from offchain.gateways.pacing import Pace
from offchain.gateways.types import Card, NewAccount, NewPayment, Observation
from stack.fakes.crowdsplit.webhooks import envelope, sign
from stack.fakes.delivery import Signing
from stack.fakes.edge import Mode
from stack.ports import free_port
from tests.support.gateway_sites import DisputeOutcome, FaultyCall, GatewaySite
from tests.support.offchain import FIFTY
from tests.support.servers import running

CLIENT_ID = "lastro-test"
CLIENT_SECRET = "merchant-secret"
WEBHOOK_SECRET = "test-webhook-secret"
TIMEOUT_S = 1.5
CARD = Card(
    token="tok_good", installments=2, holder_name="ANA", last_four="4242", expiration="12/2030"
)
_PLACES: dict[FaultyCall, tuple[str, str]] = {
    "create": ("POST", "/payments"),
    "read": ("GET", "/transactions/"),
    "list": ("GET", "/transactions"),
    "refund": ("POST", "/payments/"),
    "transfer": ("POST", "/transfer"),
}


def _at_once(_seconds: float) -> None:
    """Tests do not wait."""


def new_payment(**fields: Any) -> NewPayment:
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "attempt_id": uuid.uuid4(),
        "backer_id": uuid.uuid4(),
        "method": "pix",
        "amount": FIFTY,
        "created_at": now,
        "expires_at": now + timedelta(hours=1),
        **fields,
    }
    return NewPayment(**values)


def card_payment(**card: Any) -> NewPayment:
    fields = {name: getattr(CARD, name) for name in Card.__slots__} | card
    return new_payment(method="card", card=Card(**fields), expires_at=None)


def new_account(**fields: Any) -> NewAccount:
    reference = uuid.uuid4()
    values: dict[str, Any] = {
        "account_ref": reference,
        "name": "Ana Souza",
        "email": f"{reference.hex}@example.org",
        "document": "52998224725",
        "country": "BR",
        "payout": {"pix_key": "52998224725"},
        **fields,
    }
    return NewAccount(**values)


@dataclass(frozen=True, slots=True)
class FakeCrowdSplit:
    """One running fake."""

    port: int
    http: httpx.Client
    impatient: httpx.Client
    """What adapters call with: gives up soon, so that tests of lost answers are quick."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def control(self, path: str, /, **body: Any) -> Any:
        response = self.http.post(f"/__fake__{path}", json=body)
        response.raise_for_status()
        return response.json()

    def pay(self, provider_payment_id: str, amount: int | None = None) -> Any:
        body = {} if amount is None else {"amount": amount}
        return self.control(f"/payments/{provider_payment_id}/pay", **body)

    def fault(self, path: str, mode: str, **options: Any) -> None:
        self.control("/faults", path=path, mode=mode, **options)

    def calm(self) -> None:
        """End every fault, all chaos and every switch that an earlier test left."""
        self.http.delete("/__fake__/faults").raise_for_status()

    def calls(self, method: str, path: str) -> list[dict[str, Any]]:
        return [
            call for call in self.all_calls() if (call["method"], call["path"]) == (method, path)
        ]

    def all_calls(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.http.get("/__fake__/calls").json()["calls"]
        return found

    def grants(self) -> int:
        return int(self.http.get("/__fake__/calls").json()["grants"])

    def totals(self) -> Any:
        return self.http.get("/__fake__/totals").json()

    def adapter(
        self, *, client_secret: str = CLIENT_SECRET, dialect: Dialect = "gen3", **options: Any
    ) -> CrowdSplit:
        """A new adapter, without a token."""
        caller = self.caller(client_secret=client_secret)
        return CrowdSplit(caller, webhook_secrets=[WEBHOOK_SECRET], dialect=dialect, **options)

    def caller(self, *, client_secret: str = CLIENT_SECRET) -> Caller:
        """What an adapter calls through."""
        token = BearerToken(self.impatient, Credentials(CLIENT_ID, SecretStr(client_secret)))
        pace = Pace(NAME, calls_per_s=1000, pause=_at_once)
        return Caller(NAME, self.impatient, token, pace, pause=_at_once)


@dataclass(frozen=True, slots=True)
class CrowdSplitSite:
    """The fake as the acceptance suite drives it; a ``GatewaySite``."""

    fake: FakeCrowdSplit

    @property
    def name(self) -> str:
        return NAME

    def adapter(self) -> CrowdSplit:
        return self.fake.adapter()

    def new_payment(self, **fields: Any) -> NewPayment:
        return new_payment(**fields)

    def new_account(self, **fields: Any) -> NewAccount:
        return new_account(**fields)

    def pay(self, observation: Observation, minor: int | None = None) -> None:
        self.fake.pay(observation.provider_payment_id, minor)

    def fail(self, observation: Observation) -> None:
        self.fake.control(f"/payments/{observation.provider_payment_id}/fail")

    def settle_refund(self, provider_refund_id: str, *, succeeds: bool) -> None:
        self.fake.control(f"/refunds/{provider_refund_id}", succeeds=succeeds)

    def settle_transfer(self, provider_transfer_id: str, *, succeeds: bool) -> None:
        self.fake.control(f"/transfers/{provider_transfer_id}", succeeds=succeeds)

    def dispute(self, observation: Observation, outcome: DisputeOutcome) -> None:
        path = f"/payments/{observation.provider_payment_id}/dispute"
        self.fake.control(path, outcome=outcome)

    def fault(self, call: FaultyCall, mode: Mode, **options: Any) -> None:
        method, path = _PLACES[call]
        self.fake.fault(path, mode, method=method, **options)

    def calm(self) -> None:
        self.fake.calm()
        self.fake.control("/switches", refunds="manual", transfers="manual")

    def created(self, attempt_id: object) -> int:
        rows = self.fake.totals()["payments"]
        return sum(row["metadata"].get("lastro_attempt_id") == str(attempt_id) for row in rows)

    def signed(self, body: bytes, age_s: int = 0) -> Mapping[str, str]:
        stamp = int(datetime.now(UTC).timestamp()) - age_s
        return sign(body, Signing(WEBHOOK_SECRET, stamp, is_forged=False))

    def some_event(self, observation: Observation) -> bytes:
        data = {
            "id": f"pay_{observation.provider_payment_id}",
            "type": "payment",
            "status": "captured",
            "metadata": {"lastro_attempt_id": str(observation.attempt_id)},
        }
        return envelope(f"evt_{uuid.uuid4()}", "payment.captured", data)


@contextmanager
def running_fake(directory: Path) -> Iterator[FakeCrowdSplit]:
    port = free_port()
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)
    impatient = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=TIMEOUT_S)

    def answers() -> bool:
        try:
            return client.get("/api/health").is_success
        except httpx.HTTPError:
            return False

    command = [sys.executable, "-m", "stack.fakes.crowdsplit", "--port", str(port)]
    command += ["--client-id", CLIENT_ID, "--client-secret", CLIENT_SECRET]
    command += ["--webhook-secret", WEBHOOK_SECRET]
    log = directory / f"crowdsplit-{port}.log"
    with client, impatient, running(command, answers=answers, log=log):
        yield FakeCrowdSplit(port, client, impatient)


@contextmanager
def running_site(directory: Path) -> Iterator[GatewaySite]:
    with running_fake(directory) as fake:
        yield CrowdSplitSite(fake)
