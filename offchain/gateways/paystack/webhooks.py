"""Paystack's webhook signature and envelope.

Source: Paystack documentation. The signature is the lower-case hex of HMAC-SHA512 over the raw
body under the secret API key, in ``x-paystack-signature``. There is no timestamp: a replay is
genuine for ever, and only the event's key, the same on every delivery, makes it harmless.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from offchain.gateways.paystack.wire import attempt_of, is_reference, read_metadata
from offchain.gateways.types import SignatureRefusal, UnreadableWebhook, WebhookEvent

SIGNATURE_HEADER: Final = "x-paystack-signature"
EVENT_MAX = 100
_DIGEST = re.compile(r"[0-9a-f]{128}", re.ASCII)


def verify(
    headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str]
) -> SignatureRefusal | None:
    """Check a delivery; None means genuine.

    Args:
        headers: Request headers; names in any case.
        body: The raw body, before any parsing.
        secrets: Every active secret API key: two while one is rotated.
    """
    folded = {name.lower(): value for name, value in headers.items()}
    given = folded.get(SIGNATURE_HEADER)
    if given is None:
        return "unsigned"
    if _DIGEST.fullmatch(given.strip()) is None:
        return "malformed"
    expected = [hmac.new(s.encode(), body, hashlib.sha512).hexdigest() for s in secrets]
    # Every one is compared, so that the time taken does not tell which one matched.
    matches = [hmac.compare_digest(good, given.strip()) for good in expected]
    return None if any(matches) else "forged"


def read(body: bytes) -> WebhookEvent:
    """Read the envelope ``{event, data}``.

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
    event, data = envelope.get("event"), envelope.get("data")
    if not isinstance(event, str) or not 0 < len(event) <= EVENT_MAX or not event.isprintable():
        raise UnreadableWebhook("the envelope names no event that can be kept")
    fields = data if isinstance(data, dict) else {}
    reference, metadata = _payment(event.lower(), fields)
    return WebhookEvent(
        event_key=event_key(event, fields, body),
        event=event,
        provider_payment_id=reference,
        attempt_id=None if reference is None else attempt_of(reference, metadata),
    )


def event_key(event: str, data: Mapping[str, Any], body: bytes) -> str:
    """The event's key, equal on every delivery: Paystack gives its events no id.

    It is made of what tells one event from the next: event, number, reference and status. Refund
    events have neither number nor reference, and two refunds would share a key; there the whole
    body stands in, which the sender repeats as it was.
    """
    identity = [data.get("id"), data.get("reference")]
    if identity == [None, None]:
        signed = event.encode() + b"|" + body
    else:
        signed = "|".join(map(str, [event, *identity, data.get("status")])).encode()
    return hashlib.sha256(signed).hexdigest()


def _payment(event: str, data: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any]]:
    """The reference and metadata of the payment an event is about: claims point at theirs."""
    transaction = data.get("transaction")
    of_claim: Mapping[str, Any] = transaction if isinstance(transaction, Mapping) else {}
    found: object = None
    metadata: object = None
    if event.startswith(("refund.", "charge.dispute.")):
        found = of_claim.get("reference") or data.get("transaction_reference")
        metadata = of_claim.get("metadata")
    elif event.startswith("charge."):
        found, metadata = data.get("reference"), data.get("metadata")
    is_named = isinstance(found, str) and is_reference(found)
    return (str(found) if is_named else None), read_metadata(metadata)
