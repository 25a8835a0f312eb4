"""Every call recorded, and those that a fault matches broken, before or after their effect."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any, Literal

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stack.fakes.clock import Clock

CONTROL = "/__fake__"
ErrorBody = Callable[[int, str], dict[str, Any]]
"""A gateway's error document for a status and a message."""
Mode = Literal[
    "status",
    "timeout_before",
    "timeout_after",
    "reset_before",
    "reset_after",
    "slow",
    "malformed_json",
    "retry_after_date",
    "empty_list_404",
]


class ConnectionBroken(Exception):  # noqa: N818 - reads as a state
    """Makes the server drop the connection in the middle of an answer."""


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next calls of a path."""

    path: str
    """Prefix, below the API's base path."""
    mode: Mode
    method: str | None = None
    times: int = 1
    status: int = 500
    seconds: float = 15.0
    """How long timeouts and slow answers take."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it arrived."""

    method: str
    path: str
    idempotency_key: str | None
    fault: str | None


class FaultyEdge:
    """ASGI middleware around a gateway's API; the control API is left alone."""

    def __init__(
        self, app: ASGIApp, clock: Clock, *, base_path: str, error_body: ErrorBody
    ) -> None:
        self._app = app
        self._clock = clock
        self._base_path = base_path
        self._error_body = error_body
        self._lock = threading.Lock()
        self.faults: list[Fault] = []
        self.calls: list[Call] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        if scope["type"] != "http" or not self._is_api(scope["path"]):
            await self._app(scope, receive, send)
            return
        fault = self._note(scope)
        if fault is None:
            await self._app(scope, receive, send)
            return
        if fault.mode in {"timeout_after", "reset_after"}:
            await self._app(scope, receive, _discard)
        if fault.mode in {"timeout_before", "timeout_after", "slow"}:
            await asyncio.sleep(fault.seconds)
        if fault.mode == "slow":
            await self._app(scope, receive, send)
        elif fault.mode in {"reset_before", "reset_after"}:
            await _break(send)
        else:
            await self._answer(fault)(scope, receive, send)

    def _is_api(self, path: str) -> bool:
        return path.startswith(self._base_path) and not path.startswith(CONTROL)

    def _note(self, scope: Scope) -> Fault | None:
        path = scope["path"].removeprefix(self._base_path)
        with self._lock:
            fault = next(
                (
                    fault
                    for fault in self.faults
                    if path.startswith(fault.path) and fault.method in {None, scope["method"]}
                ),
                None,
            )
            if fault is not None:
                fault.times -= 1
                if fault.times == 0:
                    self.faults.remove(fault)
            key = Headers(scope=scope).get("idempotency-key")
            mode = None if fault is None else fault.mode
            self.calls.append(Call(scope["method"], path, key, mode))
        return fault

    def _answer(self, fault: Fault) -> Response:
        if fault.mode == "malformed_json":
            return Response("{", media_type="application/json")
        status, headers = fault.status if fault.mode == "status" else 504, None
        if fault.mode == "empty_list_404":
            status = 404
        elif fault.mode == "retry_after_date":
            status, headers = 429, {"Retry-After": format_datetime(self._clock.now(), usegmt=True)}
        return JSONResponse(self._error_body(status, "a fault was asked for"), status, headers)


async def _discard(_message: Message) -> None:
    """Let the effect happen and lose the answer."""


async def _break(send: Send) -> None:
    """Promise a body and drop the connection instead."""
    headers: list[Any] = [(b"content-length", b"2"), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    raise ConnectionBroken
