"""One execution per idempotency key, as Stripe keeps it: the first answer, whatever it was.

Stored is every answer whose execution began, a 500 too; refused parameters are not. Keys are
forgotten after a day. Troubles happen *inside* an execution, where the faults of the edge cannot
reach: a crash is stored, and a held execution lets a twin in.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from stack.fakes.stripe.books import Books
from stack.fakes.stripe.words import Json, Refused, invalid

KEY_LIFE = timedelta(hours=24)
KEY_MAX = 255
HOLD_MAX_S = 60.0
CRASHED: Json = {"error": {"message": "An unknown error occurred.", "type": "api_error"}}
TroubleMode = Literal["crash_before", "crash_after", "hold"]


@dataclass(slots=True)
class Trouble:
    """What goes wrong inside the next executions of a path."""

    path: str
    """Prefix, below ``/v1``."""
    mode: TroubleMode
    """Crash without the effect or after it; or hold until every trouble is ended."""
    times: int = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body."""

    status: int
    body: Json
    is_replay: bool = False


@dataclass(slots=True)
class _Known:
    path: str
    digest: bytes
    since: datetime
    answer: Answer | None = None
    """None while its execution runs."""


class Once:
    """The keys of one account. Safe to share between threads."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        self._troubles: list[Trouble] = []
        self._released = threading.Event()

    def trouble(self, trouble: Trouble) -> None:
        """Let something go wrong."""
        with self._lock:
            if trouble.mode == "hold":
                self._released = threading.Event()
            self._troubles.append(trouble)

    def calm(self) -> None:
        """End every trouble and let go of what is held."""
        with self._lock:
            self._troubles.clear()
            self._released.set()

    def answer(
        self, path: str, key: str | None, values: Mapping[str, Any], effect: Callable[[], Json]
    ) -> Answer:
        """Execute, or give the answer that was given before.

        Raises:
            Refused: It was not executed: wrong parameters, or the key belongs to another call.
        """
        if key is None:
            return self._execute(path, effect)
        if len(key) > KEY_MAX:
            raise invalid("Idempotency keys have 255 characters at most.")
        digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).digest()
        stored = self._claim(key, path, digest)
        if stored is not None:
            return replace(stored, is_replay=True)
        try:
            answer = self._execute(path, effect)
        except Refused:
            with self._lock:
                del self._known[key]
            raise
        with self._lock:
            self._known[key].answer = answer
        return answer

    def _claim(self, key: str, path: str, digest: bytes) -> Answer | None:
        """Take a key for this execution; its stored answer when it was executed already."""
        now = self._books.now()
        with self._lock:
            known = self._known.get(key)
            if known is None or now - known.since >= KEY_LIFE:
                self._known[key] = _Known(path, digest, now)
                return None
            if known.path != path:
                raise _mismatch("for the same endpoint they were first used for", key)
            if known.digest != digest:
                raise _mismatch("with the same parameters they were first used with", key)
            if known.answer is None:
                raise Refused(
                    409,
                    "There is currently another in-progress request using this idempotent key.",
                    kind="idempotency_error",
                    code="idempotency_key_in_use",
                )
            return known.answer

    def _execute(self, path: str, effect: Callable[[], Json]) -> Answer:
        mode = self._take_trouble(path)
        if mode == "hold":
            self._released.wait(HOLD_MAX_S)
        if mode == "crash_before":
            return Answer(500, CRASHED)
        try:
            with self._books.lock:
                body = effect()
        except Refused as refused:
            if not refused.is_executed:
                raise
            return Answer(refused.status, refused.body)
        return Answer(500, CRASHED) if mode == "crash_after" else Answer(200, body)

    def _take_trouble(self, path: str) -> TroubleMode | None:
        with self._lock:
            for trouble in self._troubles:
                if path.startswith(trouble.path):
                    trouble.times -= 1
                    if trouble.times == 0:
                        self._troubles.remove(trouble)
                    return trouble.mode
        return None


def _mismatch(how: str, key: str) -> Refused:
    message = f"Keys for idempotent requests can only be used {how}. Try another key than '{key}'."
    return Refused(400, message, kind="idempotency_error")
