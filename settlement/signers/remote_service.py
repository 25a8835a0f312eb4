"""HTTP to a wallet service: one account, bounded retries, refusals told from outages.

Source: Privy's REST reference: basic authentication with application id and secret, the header
``privy-app-id``, errors as ``{"error", "code"}``, and ``privy-idempotency-key``, under which a
``POST`` is carried out once in 24 hours and answered alike when it is repeated.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx

from indexer.errors import ConfigurationError
from settlement.signer import SignerRefused, SignerUnavailable
from settlement.signer_settings import RemoteAccount

TRIES = 3
PAUSE_S = 0.2
PAUSE_MAX_S = 2.0
"""A service that asks for more than this is left alone until the caller comes again."""
TIMEOUT: Final = httpx.Timeout(5.0, connect=2.0)

_LOCKED_OUT = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_AGAIN = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_POLICY = "policy_violation"
"""A refusal of this one request, whatever status it comes under."""

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Call:
    """One call, equal on every try."""

    method: str
    path: str
    params: Mapping[str, str] | None = None
    body: Json | None = None
    key: str | None = None


class RemoteService:
    """Authorized calls. Safe to share between threads."""

    def __init__(
        self, client: httpx.Client, *, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._pause = pause

    @classmethod
    def open(
        cls,
        account: RemoteAccount,
        *,
        timeout: httpx.Timeout = TIMEOUT,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> "RemoteService":
        """Prepare connections; nothing is asked yet.

        Args:
            account: Ours at the service.
            timeout: Of one try.
            transport: Instead of the network.
            pause: Waits between tries, for so many seconds.
        """
        client = httpx.Client(
            base_url=account.url,
            auth=(account.app_id, account.app_secret.get_secret_value()),
            headers={"privy-app-id": account.app_id},
            timeout=timeout,
            transport=transport,
        )
        return cls(client, pause=pause)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Json:
        """Read.

        Raises:
            SignerUnavailable: No usable answer after every try.
            SignerRefused: The service said no.
            ConfigurationError: The service does not know us.
        """
        return self._repeat(_Call("GET", path, params=params))

    def post(self, path: str, body: Json, *, key: str | None = None) -> Json:
        """Write.

        Args:
            path: Below the service's URL.
            body: JSON, equal whenever the key is.
            key: Names the effect, so that it happens once; None where there is none.

        Raises:
            SignerUnavailable: No usable answer after every try; the effect may have happened.
            SignerRefused: The service said no.
            ConfigurationError: The service does not know us.
        """
        return self._repeat(_Call("POST", path, body=body, key=key))

    def _repeat(self, call: _Call) -> Json:
        reason = "no answer"
        for number in range(1, TRIES + 1):
            pause_s = min(PAUSE_S * 2 ** (number - 1), PAUSE_MAX_S) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            try:
                response = self._send(call)
            except httpx.HTTPError as error:
                reason = type(error).__name__
            else:
                answer = _answer(call, response)
                if answer is not None:
                    return answer
                reason = f"HTTP {response.status_code}"
                pause_s = max(pause_s, _retry_after_s(response))
            if number == TRIES or pause_s > PAUSE_MAX_S:
                break
            self._pause(pause_s)
        raise SignerUnavailable(f"the wallet service, {call.method} {call.path}: {reason}")

    def _send(self, call: _Call) -> httpx.Response:
        headers = {} if call.key is None else {"privy-idempotency-key": call.key}
        return self._client.request(
            call.method, call.path, params=call.params, json=call.body, headers=headers
        )


def _answer(call: _Call, response: httpx.Response) -> Json | None:
    """Read an answer; None when it is a server's trouble.

    Raises:
        SignerRefused: The service said no.
        ConfigurationError: The service does not know us.
    """
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    if response.is_success:
        return body if isinstance(body, dict) else None
    status = response.status_code
    code = str(body.get("code") or body.get("error") or "") if isinstance(body, dict) else ""
    if status in _LOCKED_OUT and code != _POLICY:
        raise ConfigurationError(
            f"the wallet service does not let us in (HTTP {status}): check "
            "LASTRO_REMOTE_SIGNER_APP_ID and LASTRO_REMOTE_SIGNER_APP_SECRET"
        )
    if status in _AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return None
    raise SignerRefused(f"{call.method} {call.path}", code or f"HTTP {status}")


def _retry_after_s(response: httpx.Response) -> float:
    """Seconds the service asks for; 0 where it asks for none, or by a date."""
    text = response.headers.get("Retry-After", "").strip()
    return float(text) if text.isascii() and text.isdigit() else 0.0
