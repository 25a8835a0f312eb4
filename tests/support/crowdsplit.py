"""The fake CrowdSplit as a real server, and its controls."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from offchain.gateways.crowdsplit import CrowdSplit
from offchain.gateways.crowdsplit_session import Credentials, Session
from stack.ports import free_port
from tests.support.servers import running

CLIENT_ID = "lastro-test"
CLIENT_SECRET = "merchant-secret"
WEBHOOK_SECRET = "test-webhook-secret"
TIMEOUT_S = 1.5


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
        """End every fault and all chaos that an earlier test left."""
        self.http.delete("/__fake__/faults").raise_for_status()

    def calls(self, method: str, path: str) -> list[dict[str, Any]]:
        found = self.http.get("/__fake__/calls").json()["calls"]
        return [call for call in found if (call["method"], call["path"]) == (method, path)]

    def grants(self) -> int:
        return int(self.http.get("/__fake__/calls").json()["grants"])

    def totals(self) -> Any:
        return self.http.get("/__fake__/totals").json()

    def adapter(self, *, client_secret: str = CLIENT_SECRET) -> CrowdSplit:
        """A new adapter, without a token."""
        credentials = Credentials(CLIENT_ID, SecretStr(client_secret))
        session = Session(self.impatient, credentials, pause=lambda _seconds: None)
        return CrowdSplit(session, webhook_secrets=[WEBHOOK_SECRET])


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
