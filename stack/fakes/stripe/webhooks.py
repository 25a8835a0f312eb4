"""The fake's webhook endpoints, its signature and its schedule.

Stripe documents retries "for up to three days with an exponential back off" and no spacing; this is
what its users observe: 5 min, 30 min, 2 h, 4 h, 8 h and 16 h after the first delivery, then daily.
"""

import hashlib
import hmac
import json
from typing import Final

from stack.fakes.delivery import Endpoint, Sender, Signing
from stack.fakes.stripe.books import API_VERSION, Books
from stack.fakes.stripe.forms import Fields
from stack.fakes.stripe.words import Json, Refused, invalid

SCHEDULE_S: Final = (0, 300, 1500, 5400, 7200, 14_400, 28_800, 86_400, 86_400)
ENDPOINTS_MAX = 16
ALL = ["*"]
CREATE = ("api_version", "connect", "description", "enabled_events", "metadata", "url")


def make_sender(books: Books) -> Sender:
    """Make what delivers the books' events, and have them reported to it."""
    sender = Sender(books.clock, schedule_s=SCHEDULE_S, sign=sign)

    def report(event: Json) -> None:
        wanting = _endpoints_for(books, event)
        sender.send(event["type"], body_of(event), wanting, event_id=event["id"])

    books.listener = report
    return sender


def register(books: Books, url: str, *, enabled_events: list[str], connect: bool = False) -> Json:
    """Register an endpoint, for our own events or for those of connected accounts."""
    if len(books.tables.get("webhook_endpoint", {})) >= ENDPOINTS_MAX:
        raise Refused(400, "You have reached the maximum of 16 webhook endpoints.")
    identifier = books.new_id("we")
    books.endpoint_secrets[identifier] = books.preset_secret or f"whsec_{books.new_id('x')[2:]}"
    return books.keep(
        "webhook_endpoint",
        {
            "id": identifier,
            "object": "webhook_endpoint",
            "api_version": API_VERSION,
            "application": None if not connect else "ca_connected",
            "created": books.timestamp(),
            "description": None,
            "enabled_events": enabled_events,
            "livemode": False,
            "metadata": {},
            "status": "enabled",
            "url": url,
        },
    )


def create(books: Books, fields: Fields) -> Json:
    """Register an endpoint; its secret is in this answer only."""
    fields.allow(*CREATE)
    url, events = fields.required("url"), fields.texts("enabled_events")
    if not url.startswith(("http://", "https://")):
        raise invalid("Not a valid URL", param="url", code="url_invalid")
    if not events:
        raise invalid("Missing required param: enabled_events.", param="enabled_events")
    made = register(books, url, enabled_events=events, connect=fields.flag("connect") is True)
    made.update(description=fields.text("description"), metadata=fields.metadata())
    return {**made, "secret": books.endpoint_secrets[made["id"]]}


def delete(books: Books, identifier: str) -> Json:
    """Forget an endpoint."""
    books.get("webhook_endpoint", identifier)
    del books.tables["webhook_endpoint"][identifier]
    return {"id": identifier, "object": "webhook_endpoint", "deleted": True}


def body_of(event: Json) -> bytes:
    """The body of a delivery: pretty-printed, as Stripe's are."""
    return json.dumps(event, ensure_ascii=False, indent=2).encode()


def sign(body: bytes, signing: Signing) -> dict[str, str]:
    """The headers of one delivery; ``v0`` is there only to be passed over."""
    signed = f"{signing.timestamp}.".encode() + body
    digest = hmac.new(signing.secret.encode(), signed, hashlib.sha256).hexdigest()
    weak = hashlib.sha256(signed).hexdigest()
    if signing.is_forged:
        digest = digest[::-1]
    return {
        "Stripe-Signature": f"t={signing.timestamp},v1={digest},v0={weak}",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }


def _endpoints_for(books: Books, event: Json) -> list[Endpoint]:
    is_connected = "account" in event
    return [
        Endpoint(row["id"], row["url"], books.endpoint_secrets[row["id"]])
        for row in books.tables.get("webhook_endpoint", {}).values()
        if (row["application"] is not None) == is_connected
        and (row["enabled_events"] == ALL or event["type"] in row["enabled_events"])
    ]
