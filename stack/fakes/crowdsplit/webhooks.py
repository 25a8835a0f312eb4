"""The fake's webhooks: envelope, signature and schedules.

Third generation: seven deliveries at 0, 30 s, 5 min, 30 min, 2 h, 8 h and 24 h, then dead-lettered.
Second: four, each n-th retry n times five minutes after the failure before, then left alone.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stack.fakes.crowdsplit.books import Books
from stack.fakes.crowdsplit.words import Dialect, Json, wire
from stack.fakes.delivery import Notification, Sender, Signing

SCHEDULES_S: dict[Dialect, tuple[float, ...]] = {
    "gen2": (0, 300, 600, 900),
    "gen3": (0, 30, 300, 1800, 7200, 28_800, 86_400),
}
BODY_MAX = 256 * 1024
_TWIN = "transaction.updated"


@dataclass(frozen=True, slots=True)
class Told:
    """One event as it was reported."""

    id: str
    event: str
    data: Json
    at: datetime
    sent: tuple[Notification, ...]
    """One for each endpoint."""

    @property
    def status(self) -> str:
        """What became of it as a whole."""
        statuses = {notification.status for notification in self.sent}
        if statuses <= {"delivered"}:
            return "delivered"
        return "pending" if "pending" in statuses else "dead_lettered"


class Reporter:
    """Turns what happens into events, and keeps what became of them."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self.told: list[Told] = []
        self.sender = Sender(books.clock, schedule_s=SCHEDULES_S[books.dialect], sign=self._sign)
        books.listener = self.report

    def report(self, event: str, data: Json) -> None:
        """Send an event to every endpoint that wants it."""
        self._send(event, data)
        if self._books.switches.twin_events and event.startswith("payment."):
            self._send(_TWIN, data)

    def _send(self, event: str, data: Json) -> None:
        books = self._books
        endpoints = [hook.endpoint for hook in books.hooks.values() if hook.wants(event)]
        if not endpoints:
            return
        identifier = wire("evt", books.new_id(), books.dialect)
        self.sender.schedule_s = SCHEDULES_S[books.dialect]
        before = len(self.sender.notifications)
        self.sender.send(event, envelope(identifier, event, data), endpoints, event_id=identifier)
        # Nobody else sends: whoever reports holds the books' lock.
        sent = tuple(self.sender.notifications[before:])
        if not any(notification.status == "dropped" for notification in sent):
            self.told.append(Told(identifier, event, data, books.now(), sent))

    def _sign(self, body: bytes, signing: Signing) -> dict[str, str]:
        """The headers; the second generation repeats the event's id there."""
        headers = sign(body, signing)
        if self._books.dialect == "gen2":
            headers["CrowdSplit-Notification-Id"] = json.loads(body)["id"]
        return headers

    def rows(self) -> list[Told]:
        """Every event, newest first."""
        with self._books.lock:
            return list(reversed(self.told))


def row_of(told: Told, dialect: Dialect) -> Json:
    """An event as the list of notifications shows it."""
    shown: Json = {
        "id": told.id,
        "event": told.event,
        "category": category_of(told.event),
        "is_acknowledged": told.status == "delivered",
        "data": told.data,
        "created_at": told.at.isoformat(),
    }
    if dialect == "gen2":
        return shown
    return {
        **shown,
        "status": told.status,
        "endpoints": [wire("whk", n.endpoint.id, dialect) for n in told.sent],
        "delivery_attempts": sum(n.attempts for n in told.sent),
    }


def category_of(event: str) -> str:
    """The category that the gateway files an event under."""
    if event.startswith("payment.dispute"):
        return "dispute_lifecycle"
    return f"{event.split('.', maxsplit=1)[0]}_lifecycle"


def envelope(identifier: str, event: str, data: dict[str, Any]) -> bytes:
    """The body of an event; one that grows too large loses the provider's answer."""
    document = {
        "id": identifier,
        "api_version": "v1",
        "event": event,
        "category": category_of(event),
        "data": data,
    }
    body = _dump(document)
    if len(body) <= BODY_MAX:
        return body
    cut = {"truncated": True, "version": "v1", "size_bytes": len(body)}
    return _dump({**document, "data": {**data, "provider_response": cut}})


def _dump(document: Json) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def sign(body: bytes, signing: Signing) -> dict[str, str]:
    """The headers of one delivery."""
    signed = f"{signing.timestamp}.".encode() + body
    digest = hmac.new(signing.secret.encode(), signed, hashlib.sha256).hexdigest()
    if signing.is_forged:
        digest = digest[::-1]
    return {
        "CrowdSplit-Signature": f"t={signing.timestamp},v1={digest}",
        "CrowdSplit-Timestamp": str(signing.timestamp),
    }
