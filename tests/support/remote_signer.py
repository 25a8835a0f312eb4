"""The fake wallet service over real HTTP, and what tests make it do."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import httpx
from pydantic import SecretStr

from settlement.signer_settings import RemoteAccount
from settlement.signers.remote import RemoteWallets
from settlement.signers.remote_service import RemoteService
from stack.fakes.remote_signer.service import create_fake
from stack.fakes.remote_signer.vault import Vault
from tests.support.asgi import serving

APP_ID = "lastro-test"
APP_SECRET = "application-secret"
TIMEOUT_S = 0.5


@dataclass(frozen=True, slots=True)
class FakeRemote:
    """One running fake."""

    vault: Vault
    control: httpx.Client
    pauses: list[float] = field(default_factory=list)
    """Seconds that services of it would have waited between tries."""
    opened: ExitStack = field(default_factory=ExitStack)

    @property
    def account(self) -> RemoteAccount:
        return RemoteAccount(str(self.control.base_url), APP_ID, SecretStr(APP_SECRET))

    def service(self, *, app_secret: str = APP_SECRET) -> RemoteService:
        """Calls with little patience, so that tests of lost answers are quick."""
        account = replace(self.account, app_secret=SecretStr(app_secret))
        timeout = httpx.Timeout(TIMEOUT_S)
        service = RemoteService.open(account, timeout=timeout, pause=self.pauses.append)
        self.opened.callback(service.close)
        return service

    def wallets(self) -> RemoteWallets:
        return RemoteWallets(self.service())

    def fault(self, mode: str, *, path: str = "/v1/wallets", **options: Any) -> None:
        body = {"path": path, "mode": mode, "seconds": 2 * TIMEOUT_S, **options}
        self.control.post("/__fake__/faults", json=body).raise_for_status()

    def advance(self, time: timedelta) -> None:
        body = {"advance_s": time.total_seconds()}
        self.control.post("/__fake__/clock", json=body).raise_for_status()

    def calls(self, method: str, ending: str = "") -> list[dict[str, Any]]:
        found = self.control.get("/__fake__/calls").json()["calls"]
        return [c for c in found if c["method"] == method and c["path"].endswith(ending)]


@contextmanager
def running_remote() -> Iterator[FakeRemote]:
    vault = Vault(app_id=APP_ID, app_secret=APP_SECRET)
    with serving(create_fake(vault)) as client:
        fake = FakeRemote(vault, client)
        with fake.opened:
            yield fake
