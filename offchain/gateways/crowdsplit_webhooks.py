"""CrowdSplit's webhook signature and envelope.

Source: Oak payments SDK and webhook documentation. Signed bytes are ``t`` in ASCII, a dot and the
raw body; HMAC-SHA256 under the secret's UTF-8; lower-case hex. A bare digest of the body, which the
SDK also takes, can be replayed for ever and is refused here.
"""

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from offchain.gateways.crowdsplit_wire import attempt_of_payment, bare_id, is_storable
from offchain.gateways.types import SignatureRefusal, UnreadableWebhook, WebhookEvent

TOLERANCE_S = 300
STAMP_DIGITS_MAX = 12
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
    header = next((folded[name] for name in SIGNATURE_HEADERS if name in folded), None)
    if header is None:
        return "unsigned"
    fields = list(_fields(header))
    stamps = {value for key, value in fields if key == "t"}
    signatures = [value for key, value in fields if key == "v1"]
    stamp = stamps.pop() if len(stamps) == 1 else ""
    if not signatures or not (stamp.isascii() and stamp.isdigit()):
        return "malformed"
    if len(stamp) > STAMP_DIGITS_MAX:
        return "malformed"
    if folded.get(TIMESTAMP_HEADER, stamp).strip() != stamp:
        return "malformed"
    if abs(now.timestamp() - int(stamp)) > TOLERANCE_S:
        return "stale"
    signed = stamp.encode() + b"." + body
    expected = [hmac.new(s.encode(), signed, hashlib.sha256).hexdigest() for s in secrets]
    # Every pair is compared, so that the time taken does not tell which one matched.
    matches = [
        hmac.compare_digest(good.encode(), given.encode())
        for good in expected
        for given in signatures
    ]
    return None if any(matches) else "forged"


def _fields(header: str) -> Iterator[tuple[str, str]]:
    for part in header.split(","):
        key, _, value = part.partition("=")
        yield key.strip(), value.strip()


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
    data = envelope.get("data")
    payment = _payment_id(event.lower(), data) if isinstance(data, dict) else None
    return WebhookEvent(bare_id(identifier), event, payment, attempt_of_payment(data))


def _payment_id(event: str, data: dict[str, Any]) -> str | None:
    """Which payment an event is about: refunds and disputes point at theirs."""
    found: object = None
    if event.startswith(("payment.dispute.", "dispute.")):
        payment = data.get("payment")
        found = payment.get("id") if isinstance(payment, dict) else None
    elif event.startswith(("payment.refund.", "refund.")):
        found = data.get("reference_transaction_id")
    elif event.startswith(("payment.", "transaction.")):
        found = data.get("id")
    return bare_id(found) if isinstance(found, str) and found else None
