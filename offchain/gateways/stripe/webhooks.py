"""Stripe's webhook signature and events.

Source: Stripe's webhook documentation and its own library's routine, which looks at the age of a
stamp only; one from the future is refused here too.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from offchain.gateways.reading import is_storable, mapping
from offchain.gateways.signatures import Tolerance, verify_stamped
from offchain.gateways.stripe.wire import attempt_of, is_id
from offchain.gateways.types import SignatureRefusal, UnreadableWebhook, WebhookEvent

SIGNATURE_HEADER = "stripe-signature"
TOLERANCE = Tolerance(behind_s=300, ahead_s=60)
EVENT_ID_MAX = 255
PAYMENT_EVENTS: Final = (
    "payment_intent.created",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.amount_capturable_updated",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "charge.succeeded",
    "charge.refunded",
    "charge.refund.updated",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "charge.dispute.closed",
)
"""What may have changed a payment; Stripe filters its list by twenty names at most."""


def verify(
    headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], now: datetime
) -> SignatureRefusal | None:
    """Check a delivery; None means genuine and fresh.

    Args:
        headers: Request headers; names in any case.
        body: The raw body, before any parsing.
        secrets: Every active secret, ``whsec_`` included; one for each endpoint and rotation.
        now: The present; older than five minutes or a minute ahead of it is stale.
    """
    folded = {name.lower(): value for name, value in headers.items()}
    header = folded.get(SIGNATURE_HEADER)
    return verify_stamped(header, body, secrets=secrets, now=now, tolerance=TOLERANCE)


def read(body: bytes) -> WebhookEvent:
    """Read an event ``{id, type, account?, data: {object}}``.

    Raises:
        UnreadableWebhook: It is not JSON, or not an event.
    """
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise UnreadableWebhook("the body is not JSON, or is nested too deeply") from None
    if not isinstance(event, dict):
        raise UnreadableWebhook("the body is not an object")
    identifier, kind = event.get("id"), event.get("type")
    if not isinstance(identifier, str) or not identifier or not isinstance(kind, str):
        raise UnreadableWebhook("the event lacks id or type")
    if len(identifier) > EVENT_ID_MAX or not (is_storable(identifier) and is_storable(kind)):
        raise UnreadableWebhook("the event's id or type cannot be kept")
    payment = payment_of(event)
    attempt = None if payment is None else attempt_of(_object(event))
    return WebhookEvent(identifier, kind, payment, attempt)


def payment_of(event: Mapping[str, Any]) -> str | None:
    """Which of our payments an event is about: charges, refunds and disputes point at theirs.

    An event with ``account`` is about a connected account's own business; a payment it names is
    that account's and cannot be read with our key.
    """
    if event.get("account") is not None:
        return None
    kind, subject = str(event.get("type")), _object(event)
    found: object = None
    if kind.startswith("payment_intent."):
        found = subject.get("id")
    elif kind.startswith(("charge.", "refund.")):
        found = subject.get("payment_intent")
        found = mapping(found).get("id", found)
    return found if isinstance(found, str) and is_id(found, "pi") else None


def _object(event: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(mapping(event.get("data")).get("object"))
