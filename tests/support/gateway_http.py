"""A caller over answers that a test writes down, on a clock that moves by pausing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
from typing_extensions import override

from offchain.gateways.calling import Authorization, Caller, FixedKey
from offchain.gateways.pacing import Pace

Answer = httpx.Response | Exception


class Server:
    """Answers from a list, the last one for ever, and remembers what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self._answers: list[Answer] = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def headers(self, name: str) -> list[str | None]:
        return [request.headers.get(name) for request in self.requests]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class Tokens(Authorization):
    """Numbered tokens."""

    def __init__(self, error: Exception | None = None) -> None:
        self.number = 1
        self.error = error

    @override
    def header(self) -> str:
        if self.error is not None:
            raise self.error
        return f"Bearer {self.number}"

    @override
    def renew(self, refused: str) -> bool:
        if refused == f"Bearer {self.number}":
            self.number += 1
        return True


def make_caller(
    server: Callable[[httpx.Request], httpx.Response],
    *,
    authorization: Authorization | None = None,
    clock: Clock | None = None,
) -> Caller:
    clock = clock or Clock()
    client = httpx.Client(transport=httpx.MockTransport(server), base_url="http://gateway")
    pace = Pace("gateway", calls_per_s=100, pause=clock.pause, monotonic=clock)
    authorization = authorization or FixedKey("sk")
    headers = {"Oak-Version": "1"}
    return Caller("gateway", client, authorization, pace, headers=headers, pause=clock.pause)


def refusal(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"msg": "no"}, headers=headers)


def tomorrow() -> datetime:
    """Later than anything in a test changes, also where a fake's clock is ahead."""
    return datetime.now(UTC) + timedelta(days=1)
