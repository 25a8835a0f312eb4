"""CrowdSplit's bearer token: one grant in flight, kept five minutes at most, renewed when refused.

A grant is a call like any other: sent in turn, not while the gateway asked for quiet or is down.

Source: Oak payments SDK (the grant's answer is flat; bad credentials answer 404).
"""

import base64
import json
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from pydantic import SecretStr
from typing_extensions import override

from indexer.errors import ConfigurationError
from offchain.gateways.calling import Authorization, read_reply, send_in_turn
from offchain.gateways.errors import GatewayUnavailable
from offchain.gateways.pacing import Pace

NAME = "crowdsplit"
BASE_PATH = "/api/v1"
TOKEN_LIFE_MAX_S = 300
TOKEN_SKEW_S = 60
FAILURE_KEPT_S = 3
"""For so long nobody asks again after a grant failed: a storm of calls is one grant."""
_OWN_CALLS_PER_S = 5
_MILLISECONDS_ABOVE = 86_400
_UNKNOWN_TO_THEM = frozenset({401, 403, 404, 422})


@dataclass(frozen=True, slots=True)
class Credentials:
    """The merchant's client id and secret."""

    client_id: str
    client_secret: SecretStr


class BearerToken(Authorization):
    """The token that all threads share."""

    def __init__(
        self,
        client: httpx.Client,
        credentials: Credentials,
        pace: Pace | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a token; nothing is asked yet.

        Args:
            client: What grants are asked for with.
            credentials: The merchant's.
            pace: The queue of the gateway's calls; one for grants alone when there is none.
            monotonic: The clock.
        """
        self._client = client
        self._pace = Pace(NAME, calls_per_s=_OWN_CALLS_PER_S) if pace is None else pace
        self._credentials = credentials
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._token = ""
        self._until = -math.inf
        self._granting: Future[str] | None = None
        self._failed_until = math.inf

    @override
    def header(self) -> str:
        """The cached token, or a new one; who comes meanwhile shares what the one grant ends in."""
        with self._lock:
            if self._monotonic() < self._until:
                return f"Bearer {self._token}"
            if self._monotonic() >= self._failed_until:
                self._granting = None
            grant, is_mine = self._granting, self._granting is None
            if grant is None:
                grant = self._granting = Future()
                self._failed_until = math.inf
        if is_mine:
            self._fulfil(grant)
        error = grant.exception()
        if error is not None:  # a copy: one shared by all would gather everybody's traceback
            raise copy(error) from error
        return f"Bearer {grant.result()}"

    @override
    def renew(self, refused: str) -> bool:
        with self._lock:
            if f"Bearer {self._token}" == refused:
                self._until = -math.inf
        return True

    def _fulfil(self, grant: Future[str]) -> None:
        """Ask for a token and hand it, or the failure, to everybody who waits for it."""
        try:
            token, life_s = self._grant()
        except BaseException as error:  # noqa: BLE001 - raised for all who wait, here too
            with self._lock:
                self._failed_until = self._monotonic() + FAILURE_KEPT_S
            grant.set_exception(error)
            return
        with self._lock:
            self._token = token
            self._until = self._monotonic() + life_s - min(TOKEN_SKEW_S, life_s / 2)
            self._granting = None
        grant.set_result(token)

    def _grant(self) -> tuple[str, float]:
        request = self._client.build_request(
            "POST",
            BASE_PATH + "/merchant/token/grant",
            json={
                "client_id": self._credentials.client_id,
                "client_secret": self._credentials.client_secret.get_secret_value(),
                "grant_type": "client_credentials",
            },
        )
        try:
            response = send_in_turn(self._client, request, self._pace)
        except httpx.HTTPError as error:
            raise GatewayUnavailable(f"{NAME} token grant: {type(error).__name__}") from None
        if response.status_code in _UNKNOWN_TO_THEM:
            raise ConfigurationError(
                f"{NAME} does not know CROWDSPLIT_CLIENT_ID with this CROWDSPLIT_CLIENT_SECRET "
                f"(HTTP {response.status_code})"
            )
        reply = read_reply(response)
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
    if expires_in > _MILLISECONDS_ABOVE:
        return min(TOKEN_LIFE_MAX_S * 1000, expires_in) / 1000
    return min(TOKEN_LIFE_MAX_S, float(expires_in))


def _jwt_expiry(token: str) -> float | None:
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, OverflowError, TypeError, ValueError):
        return None
