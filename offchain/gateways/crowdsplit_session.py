"""HTTP to CrowdSplit: one cached token, an idempotency key on every write, bounded retries.

Source: Oak payments SDK (token grant is flat, bad credentials answer 404) and CrowdSplit's error
table (429 and 5xx may be repeated with the same key; after them the outcome is not known).
"""

import base64
import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from pydantic import SecretStr

from indexer.errors import ConfigurationError
from offchain.gateways.crowdsplit_wire import error_code
from offchain.gateways.errors import GatewayRefused, GatewayUnavailable, OutcomeUnknown

NAME = "crowdsplit"
BASE_PATH = "/api/v1"
TRIES = 3
PAUSE_S = 0.2
PAUSE_MAX_S = 2.0
TOKEN_LIFE_MAX_S = 300
TOKEN_SKEW_S = 60
_MILLISECONDS_ABOVE = 86_400
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_LOCKED_OUT = frozenset({401, 403})
"""Not about the request but about us: the payment is neither refused nor made."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The merchant's client id and secret."""

    client_id: str
    client_secret: SecretStr


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is not a server's trouble."""

    status: int
    body: object
    """Parsed JSON; None when it was not."""

    @property
    def data(self) -> Mapping[str, Any]:
        """The ``data`` member of the envelope; empty when there is none."""
        data = self.body.get("data") if isinstance(self.body, Mapping) else None
        return data if isinstance(data, Mapping) else {}


@dataclass(frozen=True, slots=True)
class _Call:
    """One call, equal on every try."""

    method: str
    path: str
    params: Mapping[str, str | int] | None = None
    body: Mapping[str, Any] | None = None
    key: str | None = None


class Session:
    """Authorized calls. Safe to share between threads."""

    def __init__(
        self,
        client: httpx.Client,
        credentials: Credentials,
        *,
        pause: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._pause = pause
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._token = ""
        self._token_until = 0.0

    def get(self, path: str, params: Mapping[str, str | int] | None = None) -> Reply:
        """Read; repeated freely.

        Raises:
            GatewayUnavailable: No usable answer after every try.
        """
        return self._repeat(_Call("GET", path, params=params))

    def post(self, path: str, body: Mapping[str, Any], *, key: str) -> Reply:
        """Write; repeated only with the same key.

        Raises:
            GatewayUnavailable: No try was sent, or the gateway would not let us in.
            OutcomeUnknown: A try was sent and its answer was lost.
        """
        return self._repeat(_Call("POST", path, body=body, key=key))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _repeat(self, call: _Call) -> Reply:
        was_sent = False
        reason = "no answer"
        for number in range(1, TRIES + 1):
            pause_s = min(PAUSE_S * 2 ** (number - 1), PAUSE_MAX_S) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            try:
                response = self._authorized(call)
            except (httpx.ConnectError, httpx.ConnectTimeout, GatewayUnavailable) as error:
                reason = type(error).__name__
            except httpx.HTTPError as error:
                was_sent, reason = True, type(error).__name__
            else:
                if response.status_code in _LOCKED_OUT:
                    reason = f"HTTP {response.status_code} with a fresh token"
                    break
                reply = _reply(response)
                if response.status_code not in _AGAIN and reply is not None:
                    return reply
                was_sent, reason = True, f"HTTP {response.status_code}"
                pause_s = _retry_after_s(response) or pause_s
                if pause_s > PAUSE_MAX_S:
                    break
            if number < TRIES:
                self._pause(pause_s)
        lost = OutcomeUnknown if was_sent and call.method != "GET" else GatewayUnavailable
        raise lost(f"{NAME} {call.method} {call.path}: {reason}")

    def _authorized(self, call: _Call) -> httpx.Response:
        """Send with a token; a refused token is renewed and the call replayed, once."""
        token = self._valid_token()
        response = self._send(call, token)
        if response.status_code != httpx.codes.UNAUTHORIZED:
            return response
        self._drop(token)
        return self._send(call, self._valid_token())

    def _send(self, call: _Call, token: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        if call.key is not None:
            headers["Idempotency-Key"] = call.key
        return self._client.request(
            call.method,
            BASE_PATH + call.path,
            params=call.params,
            json=call.body,
            headers=headers,
        )

    def _drop(self, token: str) -> None:
        with self._lock:
            if self._token == token:
                self._token_until = 0.0

    def _valid_token(self) -> str:
        """The cached token, or a new one; callers wait for the one grant in flight."""
        with self._lock:
            if self._monotonic() >= self._token_until:
                self._token, life_s = self._grant()
                skew_s = min(TOKEN_SKEW_S, life_s / 2)
                self._token_until = self._monotonic() + life_s - skew_s
            return self._token

    def _grant(self) -> tuple[str, float]:
        try:
            response = self._client.post(
                BASE_PATH + "/merchant/token/grant",
                json={
                    "client_id": self._credentials.client_id,
                    "client_secret": self._credentials.client_secret.get_secret_value(),
                    "grant_type": "client_credentials",
                },
            )
        except httpx.HTTPError as error:
            raise GatewayUnavailable(f"{NAME} token grant: {type(error).__name__}") from None
        reply = _reply(response)
        if response.status_code in {401, 403, 404, 422}:
            raise ConfigurationError(
                f"{NAME} does not know CROWDSPLIT_CLIENT_ID with this CROWDSPLIT_CLIENT_SECRET "
                f"(HTTP {response.status_code})"
            )
        granted = reply.body if reply is not None and isinstance(reply.body, dict) else {}
        token = granted.get("access_token")
        if response.is_error or not isinstance(token, str):
            raise GatewayUnavailable(f"{NAME} token grant: HTTP {response.status_code}")
        return token, token_life_s(token, granted.get("expires_in"))


def token_life_s(token: str, expires_in: object, *, now: datetime | None = None) -> float:
    """Seconds a token may be kept: its own ``exp``, else ``expires_in``, at most five minutes.

    ``expires_in`` is documented in seconds and exampled in milliseconds: above a day it is the
    latter.
    """
    expiry = _jwt_expiry(token)
    if expiry is not None:
        return max(0.0, min(TOKEN_LIFE_MAX_S, expiry - (now or datetime.now(UTC)).timestamp()))
    if not isinstance(expires_in, int | float) or expires_in <= 0:
        return TOKEN_LIFE_MAX_S
    seconds = expires_in / 1000 if expires_in > _MILLISECONDS_ABOVE else expires_in
    return min(TOKEN_LIFE_MAX_S, float(seconds))


def require_success(reply: Reply) -> Reply:
    """Pass a 2xx on.

    Raises:
        GatewayRefused: It is anything else.
    """
    if not httpx.codes.is_success(reply.status):
        raise GatewayRefused(NAME, reply.status, error_code(reply.body))
    return reply


def _jwt_expiry(token: str) -> float | None:
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError):
        return None


def _reply(response: httpx.Response) -> Reply | None:
    """Read an answer; None when a success is not the JSON it must be."""
    try:
        return Reply(response.status_code, response.json())
    except (ValueError, RecursionError):
        return None if response.is_success else Reply(response.status_code, None)


def _retry_after_s(response: httpx.Response) -> float | None:
    """Read ``Retry-After`` in either form; None when absent or unreadable."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, at.timestamp() - datetime.now(UTC).timestamp())
