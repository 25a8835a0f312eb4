"""CrowdSplit's words to ours and back: pure, tolerant of both id dialects and of extra fields.

Source: Oak payments SDK types and CrowdSplit OpenAPI. Where the QR code stands in a reply is not
specified, so known names are searched at any depth and only a valid BR Code is believed.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any
from uuid import UUID

from offchain.gateways.brcode import is_br_code
from offchain.gateways.errors import GatewayUnavailable
from offchain.gateways.types import ClaimEffect, FiatEffect, NewPayment, Observation

METADATA_ATTEMPT = "lastro_attempt_id"
_PIX_NAMES = ("qr_code", "pix_string", "emv", "brcode")
_DEPTH_MAX = 8
_VERSION_MAX = 2**31 - 1
_AMOUNT_MAX = 2**63 - 1
"""What our columns hold: any amount up to it can at least be kept as a mismatch."""
_TEXT_MAX = 200
_EFFECTS: dict[str, FiatEffect] = {
    "created": "awaiting",
    "initiated": "awaiting",
    "awaiting_confirmation": "awaiting",
    "processing": "processing",
    "captured": "captured",
    "succeeded": "captured",
    "canceled_after_completion": "captured",
    "failed": "failed",
    "canceled": "canceled",
    "cancelled": "canceled",
}
_AUTHORIZED = frozenset({"authorized", "awaiting_capture", "fraud_check_pending"})


def bare_id(text: str) -> str:
    """Drop a prefix such as ``pay_`` from an id that is otherwise a UUID; lower its case."""
    _, separator, rest = text.partition("_")
    candidate = rest if separator else text
    return str(UUID(candidate)) if own_uuid(candidate) is not None else text


def own_uuid(value: object) -> UUID | None:
    """Read a UUID, or None when it is something else."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def is_storable(text: str) -> bool:
    """Whether Postgres can hold a text: it holds neither NUL nor lone surrogates."""
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)


def payment_body(new: NewPayment, *, customer_id: str) -> dict[str, Any]:
    """The body of ``POST /payments``."""
    source: dict[str, Any] = {
        "amount": new.amount.minor,
        "currency": new.amount.currency,
        "customer": {"id": customer_id},
        "payment_method": {"type": new.method},
    }
    body: dict[str, Any] = {
        "provider": "pagar_me",
        "source": source,
        "confirm": True,
        "metadata": {METADATA_ATTEMPT: str(new.attempt_id)},
    }
    if new.expires_at is not None:
        expiry = new.expires_at.astimezone(UTC).isoformat(timespec="seconds")
        source["payment_method"]["expiry_date"] = expiry.replace("+00:00", "Z")
    if new.card is not None:
        source["payment_method"]["card_token"] = new.card.token
        source["capture_method"] = "automatic"
        source["fraud_check"] = {
            "enabled": True,
            "provider": "konduto",
            "config": {"sequence": "fraud_before_auth", "threshold": "medium"},
            "data": {
                "last_four_digits": new.card.last_four,
                "card_expiration_date": new.card.expiration,
                "card_holder_name": new.card.holder_name,
            },
        }
        body["total_installments"] = new.card.installments
    return body


def read_payment(data: Mapping[str, Any]) -> Observation | None:
    """Read a payment or transaction; None when it is not one.

    Raises:
        GatewayUnavailable: It is one, but holds what no payment can: nothing of it is believed.
    """
    identifier = data.get("id")
    if not isinstance(identifier, str) or own_uuid(bare_id(identifier)) is None:
        return None
    source = _mapping(data.get("source"))
    status = _word(data.get("status"))
    sub_status = _word(data.get("sub_status") or data.get("subStatus"))
    provider_response = data.get("provider_response")
    currency = source.get("currency")
    return Observation(
        provider_payment_id=bare_id(identifier),
        attempt_id=attempt_of_payment(data),
        effect=_effect(status, sub_status),
        provider_status=f"{status}/{sub_status}" if sub_status else status,
        amount_minor=_integer(source.get("amount"), _AMOUNT_MAX),
        received_minor=_first_integer(provider_response, "paid_amount"),
        currency=_word(currency) if isinstance(currency, str) else None,
        claim=_claim(status, data),
        pix_code=_pix_code(data),
        version=_integer(data.get("version"), _VERSION_MAX),
    )


def attempt_of_payment(data: object) -> UUID | None:
    """Read our name of a payment out of its metadata; None when it has none."""
    return own_uuid(_mapping(_mapping(data).get("metadata")).get(METADATA_ATTEMPT))


def error_code(body: object) -> str:
    """The gateway's own code of a refusal, or empty."""
    code = _mapping(body).get("error_code")
    return code[:_TEXT_MAX] if isinstance(code, str) and is_storable(code) else ""


def _effect(status: str, sub_status: str) -> FiatEffect:
    effect = _EFFECTS.get(status, "unknown")
    if effect in {"awaiting", "processing"} and sub_status in _AUTHORIZED:
        return "authorized"
    return effect


def _claim(status: str, data: Mapping[str, Any]) -> ClaimEffect:
    if data.get("dispute_ids"):
        return "disputed"
    if status == "canceled_after_completion":
        return "refunded"
    return "refund_pending" if data.get("refund_ids") else "none"


def _pix_code(data: Mapping[str, Any]) -> str | None:
    for name in _PIX_NAMES:
        for value in _values(data, name, _DEPTH_MAX):
            if isinstance(value, str) and is_br_code(value):
                return value
    return None


def _first_integer(node: object, name: str) -> int | None:
    found = (_integer(value, _AMOUNT_MAX) for value in _values(node, name, _DEPTH_MAX))
    return next((value for value in found if value is not None), None)


def _values(node: object, name: str, depth: int) -> Iterator[object]:
    """Every value under ``name``, nearest to the root first within each branch."""
    if depth == 0:
        return
    if isinstance(node, Mapping):
        if name in node:
            yield node[name]
        for child in node.values():
            yield from _values(child, name, depth - 1)
    elif isinstance(node, list):
        for child in node:
            yield from _values(child, name, depth - 1)


def _integer(value: object, largest: int) -> int | None:
    """An integer, None when it is something else; never one that our columns cannot hold."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    if abs(value) > largest:
        # Dropping it would let a payment pass whose paid amount is absurd.
        raise GatewayUnavailable("the gateway names a number out of range")
    return value


def _word(value: object) -> str:
    """A status or currency, lower case; empty when absent."""
    word = str(value or "").lower()
    if len(word) > _TEXT_MAX or not is_storable(word):
        raise GatewayUnavailable("the gateway names a word that cannot be kept")
    return word


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
