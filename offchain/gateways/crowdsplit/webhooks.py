"""CrowdSplit's webhook signature and envelope.

Source: Oak payments SDK and webhook documentation. Signed bytes are ``t`` in ASCII, a dot and the
raw body (``offchain.gateways.signatures``). A bare digest of the body, which the SDK also takes,
can be replayed for ever and is refused here.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from offchain.gateways.crowdsplit.wire import attempt_of_payment, bare_id, path_id
from offchain.gateways.reading import is_storable, mapping
from offchain.gateways.signatures import Tolerance, verify_stamped
from offchain.gateways.types import SignatureRefusal, UnreadableWebhook, WebhookEvent

TOLERANCE = Tolerance(behind_s=300, ahead_s=300)
EVENT_ID_MAX = 255
SIGNATURE_HEADERS = ("crowdsplit-signature", "x-oak-signature")
TIMESTAMP_HEADER = "crowdsplit-timestamp"
NOTIFICATION_HEADER = "crowdsplit-notification-id"


def verify(
    headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], now: datetime
) -> SignatureRefusal | None:
    """Check a delivery; None means genuine and fresh.

    Args:
        headers: Request headers; names in any case.
        body: The raw body, before any parsing.
        secrets: Every active secret: two while one is rotated.
        now: The present; signatures older or newer than five minutes are stale.
    """
    folded = {name.lower(): value for name, value in headers.items()}
    return verify_stamped(
        next((folded[name] for name in SIGNATURE_HEADERS if name in folded), None),
        body,
        secrets=secrets,
        now=now,
        tolerance=TOLERANCE,
        stamp_again=folded.get(TIMESTAMP_HEADER),
    )


def read(body: bytes) -> WebhookEvent:
    """Read the envelope ``{id, event, category, data}``.

    Raises:
        UnreadableWebhook: It is not JSON, or not such an envelope.
    """
    try:
        # orjson bounds the depth itself; the standard library's scanner leans on the interpreter's
        # recursion limit, and a process that raised it dies of a few thousand brackets.
        envelope = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise UnreadableWebhook("the body is not JSON, or is nested too deeply") from None
    if not isinstance(envelope, dict):
        raise UnreadableWebhook("the body is not an object")
    identifier, event = envelope.get("id"), envelope.get("event")
    if not isinstance(identifier, str) or not identifier or not isinstance(event, str):
        raise UnreadableWebhook("the envelope lacks id or event")
    if len(identifier) > EVENT_ID_MAX or not (is_storable(identifier) and is_storable(event)):
        raise UnreadableWebhook("the envelope's id or event cannot be kept")
    data = mapping(envelope.get("data"))
    payment = payment_of_event(event, data)
    return WebhookEvent(bare_id(identifier), event, payment, attempt_of_payment(data))


def payment_of_event(event: str, data: Mapping[str, Any]) -> str | None:
    """Which payment an event is about: refunds and disputes point at theirs."""
    named = mapping(data.get("payment")).get("id") or data.get("reference_transaction_id")
    about = event.lower()
    is_of_payment = about.startswith(("payment.", "transaction."))
    if not named and is_of_payment and _kind(data) in {"", "payment"}:
        named = data.get("id")
    is_claim = about.startswith(("refund.", "dispute."))
    if not isinstance(named, str) or not (is_of_payment or is_claim):
        return None
    return path_id(named)


def _kind(data: Mapping[str, Any]) -> str:
    kind = data.get("type")
    return kind.lower() if isinstance(kind, str) else ""
