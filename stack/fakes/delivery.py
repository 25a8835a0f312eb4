"""Signed webhooks, sent in the background and repeated on a gateway's documented schedule.

A repeat keeps the event's id and body and gets a new timestamp and signature.
"""

import heapq
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import httpx

from stack.fakes.clock import Clock

STALE_BY_S = 3600
TIMEOUT_S = 10
REORDER_BY_S = 0.1
THREADS = 4
_LOOK_S = 0.2
"""The fake's clock may jump: waits look at it this often."""


@dataclass(slots=True)
class Endpoint:
    """Where webhooks go."""

    id: str
    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class Signing:
    """What one delivery is signed with."""

    secret: str
    timestamp: int
    """Unix seconds."""
    is_forged: bool


Sign = Callable[[bytes, Signing], Mapping[str, str]]
"""Makes the headers of one delivery of a body."""


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
    body: bytes
    endpoint: Endpoint
    chaos: Chaos
    attempts: int = 0
    status: str = "pending"
    answers: list[int] = field(default_factory=list)


class Sender:
    """Delivers the events of one gateway. Start once; stop ends its threads."""

    def __init__(self, clock: Clock, *, schedule_s: Sequence[float], sign: Sign) -> None:
        """Make a sender.

        Args:
            clock: What deliveries and their repeats go by.
            schedule_s: Seconds before each delivery, counted from the one before; the first is 0.
                After the last one the event is dead-lettered.
            sign: Makes the headers of a delivery.
        """
        self._clock = clock
        self.schedule_s = schedule_s
        self._sign = sign
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

    def send(
        self, event: str, body: bytes, endpoints: Iterable[Endpoint], *, event_id: str
    ) -> None:
        """Queue one event for these endpoints."""
        with self._wake:
            chaos = self._take_chaos()
            for endpoint in endpoints:
                notification = Notification(event_id, event, body, endpoint, chaos)
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
        due = self._clock.now().timestamp() + delay_s
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
                if self._due and self._due[0][0] <= self._clock.now().timestamp():
                    return heapq.heappop(self._due)[2]
                self._wake.wait(_LOOK_S if self._due else None)
        return None

    def _deliver(self, notification: Notification) -> int:
        """Send once; 0 when there was no answer."""
        chaos = notification.chaos
        signing = Signing(
            secret=notification.endpoint.secret,
            timestamp=self._timestamp(chaos),
            is_forged=chaos.bad_signature,
        )
        headers = {"Content-Type": "application/json", **self._sign(notification.body, signing)}
        try:
            response = self._client.post(
                notification.endpoint.url, content=notification.body, headers=headers
            )
        except httpx.HTTPError:
            return 0
        return response.status_code

    def _timestamp(self, chaos: Chaos) -> int:
        now = self._clock.now()
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
        elif notification.attempts < len(self.schedule_s):
            self._push(notification, self.schedule_s[notification.attempts])
        else:
            notification.status = "dead_lettered"
