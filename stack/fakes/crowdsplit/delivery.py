"""Signed webhooks, sent in the background and retried on the documented schedule.

Third generation: seven deliveries at 0, 30 s, 5 min, 30 min, 2 h, 8 h and 24 h, then dead-lettered.
A repeat keeps the event's id and gets a new timestamp and signature.
"""

import hashlib
import heapq
import hmac
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from stack.fakes.crowdsplit.books import Books, Endpoint

RETRY_AFTER_S = (0, 30, 300, 1800, 7200, 28_800, 86_400)
STALE_BY_S = 3600
TIMEOUT_S = 10
REORDER_BY_S = 0.1
THREADS = 4
_LOOK_S = 0.2
"""The fake's clock may jump: waits look at it this often."""


@dataclass(frozen=True, slots=True)
class Chaos:
    """What goes wrong with the next events."""

    duplicate: int = 0
    """Extra deliveries of each event."""
    delay_s: float = 0.0
    drop: bool = False
    reorder: bool = False
    """Hold one event back until the next one has been sent."""
    bad_signature: bool = False
    stale_timestamp: bool = False
    times: int | None = None
    """How many events it lasts; None for all."""


@dataclass(slots=True)
class Notification:
    """One event on its way to one endpoint."""

    id: str
    event: str
    category: str
    body: bytes
    endpoint: Endpoint
    chaos: Chaos
    attempts: int = 0
    status: str = "pending"
    answers: list[int] = field(default_factory=list)


class Sender:
    """Delivers what the books report. Start once; stop ends its threads."""

    def __init__(self, books: Books, *, schedule_s: Sequence[float] = RETRY_AFTER_S) -> None:
        self._books = books
        self._schedule_s = schedule_s
        self._wake = threading.Condition()
        self._due: list[tuple[float, int, Notification]] = []
        self._held: Notification | None = None
        self._sequence = 0
        self._stopping = False
        self._chaos = Chaos()
        self._client = httpx.Client(timeout=TIMEOUT_S)
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(THREADS)]
        self.notifications: list[Notification] = []

    def start(self) -> None:
        """Start delivering."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop; what is undelivered is forgotten."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        for thread in self._threads:
            thread.join(TIMEOUT_S)
        self._client.close()

    def set_chaos(self, chaos: Chaos) -> None:
        """Decide what goes wrong from now on."""
        with self._wake:
            self._chaos = chaos

    def send(self, event: str, data: dict[str, Any]) -> None:
        """Queue one event for every endpoint."""
        category = f"{event.split('.', maxsplit=1)[0]}_lifecycle"
        identifier = f"evt_{self._books.new_id()}"
        envelope = {
            "id": identifier,
            "api_version": "v1",
            "event": event,
            "category": category,
            "data": data,
        }
        body = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()
        with self._wake:
            chaos = self._take_chaos()
            for endpoint in self._books.endpoints.values():
                notification = Notification(identifier, event, category, body, endpoint, chaos)
                self.notifications.append(notification)
                self._queue(notification)

    def replay(self, notification_id: str) -> bool:
        """Send an event again, genuinely; whether it is known."""
        with self._wake:
            known = [n for n in self.notifications if n.id == notification_id]
            for notification in known:
                notification.chaos = Chaos()
                self._push(notification, 0.0)
        return bool(known)

    def _take_chaos(self) -> Chaos:
        chaos = self._chaos
        if chaos.times is not None:
            left = chaos.times - 1
            fewer = {name: getattr(chaos, name) for name in Chaos.__slots__} | {"times": left}
            self._chaos = Chaos(**fewer) if left > 0 else Chaos()
        return chaos

    def _queue(self, notification: Notification) -> None:
        chaos = notification.chaos
        if chaos.drop:
            notification.status = "dropped"
            return
        if chaos.reorder and self._held is None:
            self._held = notification
            return
        for _ in range(1 + chaos.duplicate):
            self._push(notification, chaos.delay_s)
        if self._held is not None:
            held, self._held = self._held, None
            self._push(held, chaos.delay_s + REORDER_BY_S)

    def _push(self, notification: Notification, delay_s: float) -> None:
        self._sequence += 1
        due = self._books.now().timestamp() + delay_s
        heapq.heappush(self._due, (due, self._sequence, notification))
        self._wake.notify()

    def _run(self) -> None:
        while True:
            notification = self._next()
            if notification is None:
                return
            status = self._deliver(notification)
            with self._wake:
                self._settle(notification, status)

    def _next(self) -> Notification | None:
        with self._wake:
            while not self._stopping:
                if self._due and self._due[0][0] <= self._books.now().timestamp():
                    return heapq.heappop(self._due)[2]
                self._wake.wait(_LOOK_S if self._due else None)
        return None

    def _deliver(self, notification: Notification) -> int:
        """Send once; 0 when there was no answer."""
        headers = sign(
            notification.body,
            secret=notification.endpoint.secret,
            timestamp=self._timestamp(notification.chaos),
            is_forged=notification.chaos.bad_signature,
        )
        try:
            response = self._client.post(
                notification.endpoint.url, content=notification.body, headers=headers
            )
        except httpx.HTTPError:
            return 0
        return response.status_code

    def _timestamp(self, chaos: Chaos) -> int:
        now = self._books.now()
        return int(
            (now - timedelta(seconds=STALE_BY_S if chaos.stale_timestamp else 0)).timestamp()
        )

    def _settle(self, notification: Notification, status: int) -> None:
        notification.attempts += 1
        notification.answers.append(status)
        if httpx.codes.is_success(status):
            notification.status = "delivered"
        elif notification.status == "delivered":
            return
        elif notification.attempts < len(self._schedule_s):
            self._push(notification, self._schedule_s[notification.attempts])
        else:
            notification.status = "dead_lettered"


def sign(body: bytes, *, secret: str, timestamp: int, is_forged: bool = False) -> dict[str, str]:
    """The headers of one delivery."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    if is_forged:
        digest = digest[::-1]
    return {
        "Content-Type": "application/json",
        "CrowdSplit-Signature": f"t={timestamp},v1={digest}",
        "CrowdSplit-Timestamp": str(timestamp),
    }
