"""HTTP to a gateway: bounded tries, repeated only where that is safe, in turn with all others.

Reads are repeated freely. Writes carry an idempotency key, or name themselves in their body; what
does neither is tried once. 408, 429, 5xx and answers that are not the gateway's may be repeated;
after a write was sent and no usable answer came, only the gateway knows whether it happened.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, Protocol

import httpx
import orjson
from typing_extensions import override

from indexer.errors import ConfigurationError
from offchain.gateways.errors import GatewayUnavailable, OutcomeUnknown
from offchain.gateways.pacing import Pace

TRIES = 3
PAUSE_S = 0.2
PAUSE_MAX_S = 2.0
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_LOCKED_OUT = frozenset({401, 403})
"""Not about the request but about us: the payment is neither refused nor made."""
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

Params = Mapping[str, str | int | list[str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is not a server's trouble."""

    status: int
    body: object
    """Parsed JSON; None when it was not."""

    @property
    def is_success(self) -> bool:
        """Whether it is a 2xx."""
        return httpx.codes.is_success(self.status)


class Authorization(Protocol):
    """What lets us in."""

    def header(self) -> str:
        """The value of ``Authorization``.

        Raises:
            GatewayUnavailable: None can be had now.
            ConfigurationError: The gateway does not know our credentials.
        """
        ...

    def renew(self, refused: str) -> bool:
        """Give a refused value up; whether asking for the header again is worth a try."""
        ...


class FixedKey(Authorization):
    """A secret key that never changes while the process runs."""

    def __init__(self, key: str) -> None:
        self._header = f"Bearer {key}"

    @override
    def header(self) -> str:
        """The key as a bearer token."""
        return self._header

    @override
    def renew(self, refused: str) -> bool:
        """Nothing else can be had."""
        return False


@dataclass(frozen=True, slots=True)
class Call:
    """One call, equal on every try."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    params: Params | None = None
    json: Any = None
    form: Mapping[str, str] | None = field(default=None, repr=False)
    key: str | None = None
    """Idempotency key of a write."""
    is_repeatable: bool = False
    """A write without a key that the gateway recognizes by its body."""

    @property
    def may_repeat(self) -> bool:
        """Whether sending it twice does nothing twice."""
        return self.method == "GET" or self.key is not None or self.is_repeatable


class Caller:
    """Authorized calls to one gateway. Safe to share between threads."""

    def __init__(
        self,
        name: str,
        client: httpx.Client,
        authorization: Authorization,
        pace: Pace,
        *,
        headers: Mapping[str, str] | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._client = client
        self._authorization = authorization
        self._pace = pace
        self._headers = dict(headers or {})
        self._pause = pause

    def call(self, call: Call) -> Reply:
        """Make a call; whatever the gateway answers about the request itself is a reply.

        Raises:
            GatewayUnavailable: Nothing was sent, or it was a read.
            OutcomeUnknown: A write was sent and its answer was lost.
            ConfigurationError: The gateway does not know our credentials.
        """
        was_sent = False
        reason = "no answer"
        for number in range(1, (TRIES if call.may_repeat else 1) + 1):
            if number > 1:
                self._pause(_pause_s(number))
            try:
                response = self._authorized(call)
            except (GatewayUnavailable, ConfigurationError) as error:
                if isinstance(error, ConfigurationError) and not was_sent:
                    raise
                reason = str(error)
                break
            except _NOT_SENT as error:
                reason = type(error).__name__
                continue
            except httpx.HTTPError as error:
                was_sent, reason = True, type(error).__name__
                continue
            reason = f"HTTP {response.status_code}"
            if response.status_code in _LOCKED_OUT:
                reason += " with valid credentials"
                break
            reply = read_reply(response)
            if response.status_code not in _AGAIN and reply is not None:
                return reply
            # 429 says that nothing was done; every other of these may have been.
            was_sent = was_sent or response.status_code != httpx.codes.TOO_MANY_REQUESTS
        lost = OutcomeUnknown if was_sent and call.method != "GET" else GatewayUnavailable
        raise lost(f"{self.name} {call.method} {call.path}: {reason}")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _authorized(self, call: Call) -> httpx.Response:
        """Send with credentials; refused ones are renewed and the call replayed, once."""
        self._pace.refuse_if_down()  # before a token is asked for
        header = self._authorization.header()
        response = self._send(call, header)
        is_refused = response.status_code == httpx.codes.UNAUTHORIZED
        if not is_refused or not self._authorization.renew(header):
            return response
        return self._send(call, self._authorization.header())

    def _send(self, call: Call, authorization: str) -> httpx.Response:
        headers = {**self._headers, "Authorization": authorization}
        if call.key is not None:
            headers["Idempotency-Key"] = call.key
        request = self._client.build_request(
            call.method,
            call.path,
            params=call.params,
            json=call.json,
            data=call.form,
            headers=headers,
        )
        return send_in_turn(self._client, request, self._pace)


def send_in_turn(client: httpx.Client, request: httpx.Request, pace: Pace) -> httpx.Response:
    """Send when it may be sent, and keep the quiet that the answer asks for.

    Raises:
        GatewayUnavailable: It may not be sent now.
        httpx.HTTPError: No answer came.
    """
    try:
        with pace.turn():
            response = client.send(request)
            if response.is_server_error:
                response.raise_for_status()
    except httpx.HTTPStatusError as error:
        response = error.response
    quiet_s = retry_after_s(response) if response.status_code in _AGAIN else None
    if quiet_s is not None:
        pace.keep_quiet(quiet_s)
    return response


def read_reply(response: httpx.Response) -> Reply | None:
    """Read an answer; None when it is not the gateway's: a redirect, or not the JSON it must be."""
    if response.status_code == httpx.codes.NO_CONTENT:
        return Reply(response.status_code, None)
    if not (response.is_success or response.is_client_error):
        return None
    try:
        # orjson bounds the depth itself, whatever this process' recursion limit is.
        return Reply(response.status_code, orjson.loads(response.content))
    except orjson.JSONDecodeError:
        return None


def retry_after_s(response: httpx.Response, *, now: datetime | None = None) -> float | None:
    """Read ``Retry-After`` in either of its forms; None when absent or unreadable."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)  # "-0000" is UTC too
    return max(0.0, at.timestamp() - (now or datetime.now(UTC)).timestamp())


def _pause_s(number: int) -> float:
    """Seconds before the n-th try: doubling, with jitter so that callers do not come at once."""
    jitter = random.uniform(0.8, 1.2)  # noqa: S311 - no secret
    doubled: float = PAUSE_S * 2 ** (number - 2)
    return min(doubled, PAUSE_MAX_S) * jitter
