"""Every call recorded, and those that a fault matches broken, before or after their effect."""

import asyncio
import threading
from dataclasses import dataclass
from typing import Any, Literal, get_args

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stack.fakes.remote_signer.signing import Lie

API = "/v1"
LIE = "remote_signer.lie"
"""Where a call's scope carries the lie that its answer is to tell."""

Mode = Literal[
    "status",
    "timeout_before",
    "timeout_after",
    "reset_before",
    "reset_after",
    "malformed_json",
    "wrong_key",
    "changed_field",
]


class ConnectionBroken(Exception):  # noqa: N818 - reads as a state
    """Makes the server drop the connection in the middle of an answer."""


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next calls of a path."""

    path: str
    """Prefix, e.g. ``/v1/wallets``."""
    mode: Mode
    method: str | None = None
    times: int = 1
    status: int = 500
    code: str = "internal_error"
    retry_after_s: int | None = None
    seconds: float = 15.0
    """How long a timeout takes."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it arrived."""

    method: str
    path: str
    idempotency_key: str | None
    fault: str | None


class FaultyEdge:
    """ASGI middleware around the service's API; the control API is left alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._lock = threading.Lock()
        self.faults: list[Fault] = []
        self.calls: list[Call] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        if scope["type"] != "http" or not scope["path"].startswith(API):
            await self._app(scope, receive, send)
            return
        fault = self._note(scope)
        if fault is None or fault.mode in get_args(Lie):
            scope[LIE] = None if fault is None else fault.mode
            await self._app(scope, receive, send)
            return
        if fault.mode in {"timeout_after", "reset_after"}:
            await self._app(scope, receive, _discard)
        if fault.mode in {"timeout_before", "timeout_after"}:
            await asyncio.sleep(fault.seconds)
        if fault.mode in {"status", "malformed_json"}:
            await _answer(fault)(scope, receive, send)
        else:
            await _break(send)

    def _note(self, scope: Scope) -> Fault | None:
        method, path = scope["method"], scope["path"]
        with self._lock:
            fault = next((one for one in self.faults if _matches(one, method, path)), None)
            if fault is not None:
                fault.times -= 1
                if fault.times == 0:
                    self.faults.remove(fault)
            key = Headers(scope=scope).get("privy-idempotency-key")
            self.calls.append(Call(method, path, key, None if fault is None else fault.mode))
        return fault


def _matches(fault: Fault, method: str, path: str) -> bool:
    return path.startswith(fault.path) and fault.method in {None, method}


def _answer(fault: Fault) -> Response:
    if fault.mode == "malformed_json":
        return Response("{", media_type="application/json")
    wait = fault.retry_after_s
    headers = {} if wait is None else {"Retry-After": str(wait)}
    body = {"error": "a fault was asked for", "code": fault.code}
    return JSONResponse(body, fault.status, headers)


async def _discard(_message: Message) -> None:
    """Let the effect happen and lose the answer."""


async def _break(send: Send) -> None:
    """Promise a body and drop the connection instead."""
    headers: list[Any] = [(b"content-length", b"2"), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    raise ConnectionBroken
