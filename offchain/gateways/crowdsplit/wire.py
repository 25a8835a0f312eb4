"""CrowdSplit's words to ours and back: pure, tolerant of both id dialects and of extra fields.

Source: Oak payments SDK types and CrowdSplit OpenAPI. Where the QR code stands in a reply is not
specified, so known names are searched at any depth and only a valid BR Code is believed.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal
from uuid import UUID

from offchain.gateways.brcode import is_br_code
from offchain.gateways.choosing import PLATFORM_ACCOUNT
from offchain.gateways.reading import code, integer, is_storable, mapping, own_uuid, word
from offchain.gateways.types import Card, FiatEffect, NewPayment, Observation, Part

Dialect = Literal["gen2", "gen3"]
"""Generation of the gateway's contract; what is read is understood in either."""
PROVIDER: Final = "pagar_me"
CURRENCY: Final = "brl"
RESERVED: Final = "lastro_"
"""Metadata of ours starts so, the pledge's own never."""
METADATA_ATTEMPT: Final = "lastro_attempt_id"
MONEY_IN: Final = frozenset({"captured", "succeeded", "canceled_after_completion"})
"""Statuses of a payment whose money has arrived."""
TAKEN_BACK: Final = "canceled_after_completion"
_PIX_NAMES = ("qr_code", "pix_string", "emv", "brcode")
_DEPTH_MAX = 8
_VERSION_MAX = 2**31 - 1
_EFFECTS: dict[str, FiatEffect] = {
    "created": "awaiting",
    "initiated": "awaiting",
    "awaiting_confirmation": "awaiting",
    "processing": "processing",
    "captured": "captured",
    "succeeded": "captured",
    TAKEN_BACK: "captured",
    "failed": "failed",
    "canceled": "canceled",
    "cancelled": "canceled",
}
_AUTHORIZED = frozenset({"authorized", "awaiting_capture", "fraud_check_pending"})


def bare_id(text: str) -> str:
    """Drop a prefix such as ``pay_`` from an id that is otherwise a UUID; lower its case."""
    _, separator, rest = text.partition("_")
    candidate = rest if separator else text
    found = own_uuid(candidate)
    return text if found is None else str(found)


def path_id(text: str) -> str | None:
    """An id as it may stand in a path; None when it is none of theirs."""
    found = own_uuid(bare_id(text))
    return None if found is None else str(found)


def instant(value: object) -> datetime | None:
    """Read an ISO date, UTC where it names no zone; None when it is something else."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo is not None else found.replace(tzinfo=UTC)


def wire_time(moment: datetime) -> str:
    """A moment as the gateway writes it."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def payment_body(new: NewPayment, *, customer_id: str) -> dict[str, Any]:
    """The body of ``POST /payments``."""
    method: dict[str, Any] = {"type": new.method}
    source: dict[str, Any] = {
        "amount": new.amount.minor,
        "currency": new.amount.currency,
        "customer": {"id": customer_id},
        "payment_method": method,
    }
    body: dict[str, Any] = {
        "provider": PROVIDER,
        "source": source,
        "confirm": True,
        "metadata": {**new.metadata, METADATA_ATTEMPT: str(new.attempt_id)},
    }
    if new.expires_at is not None:
        method["expiry_date"] = wire_time(new.expires_at)
    if new.card is not None:
        method["card_token"] = new.card.token
        source["capture_method"] = "automatic"
        source["fraud_check"] = _fraud_check(new.card)
        body["total_installments"] = new.card.installments
    if new.parts:
        body["allocations"] = [
            {
                "type": "fixed",
                "receiver": _receiver(part),
                "amount": part.minor,
            }
            for part in new.parts
        ]
    return body


def _receiver(part: Part) -> dict[str, str]:
    """Who gets a part: ourselves, or an account that the provider approved."""
    if part.account_id == PLATFORM_ACCOUNT:
        return {"type": "platform"}
    return {"type": "connected_account", "id": part.account_id}


def _fraud_check(card: Card) -> dict[str, Any]:
    """Konduto looks first: a card that it declines is never authorized."""
    return {
        "enabled": True,
        "provider": "konduto",
        "config": {"sequence": "fraud_before_auth", "threshold": "medium"},
        "data": {
            "last_four_digits": card.last_four,
            "card_expiration_date": card.expiration,
            "card_holder_name": card.holder_name,
        },
    }


def read_payment(data: Mapping[str, Any]) -> Observation | None:
    """Read a payment or transaction, without what was given back; None when it is not a payment.

    Raises:
        GatewayUnavailable: It is one, but holds what no payment can: nothing of it is believed.
    """
    identifier = data.get("id")
    if not isinstance(identifier, str) or path_id(identifier) is None:
        return None
    if word(data.get("type")) not in {"", "payment"}:
        return None
    source = mapping(data.get("source"))
    status = word(data.get("status"))
    sub_status = word(data.get("sub_status") or data.get("subStatus"))
    currency = source.get("currency")
    return Observation(
        provider_payment_id=bare_id(identifier),
        attempt_id=attempt_of_payment(data),
        effect=_effect(status, sub_status),
        provider_status=f"{status}/{sub_status}" if sub_status else status,
        amount_minor=integer(source.get("amount")),
        received_minor=_first_integer(data.get("provider_response"), "paid_amount"),
        currency=word(currency) if isinstance(currency, str) else None,
        pix_code=_pix_code(data),
        version=integer(data.get("version"), largest=_VERSION_MAX),
        metadata=_own_words(data),
    )


def attempt_of_payment(data: object) -> UUID | None:
    """Read our name of a payment out of its metadata; None when it has none."""
    return own_uuid(mapping(mapping(data).get("metadata")).get(METADATA_ATTEMPT))


def error_code(body: object) -> str:
    """The gateway's own code of a refusal, or empty."""
    return code(mapping(body).get("error_code"))


def _own_words(data: Mapping[str, Any]) -> dict[str, str]:
    """The pledge's metadata as far as it can be kept."""
    return {
        name: value
        for name, value in mapping(data.get("metadata")).items()
        if not name.startswith(RESERVED)
        and isinstance(value, str)
        and is_storable(name)
        and is_storable(value)
    }


def _effect(status: str, sub_status: str) -> FiatEffect:
    effect = _EFFECTS.get(status, "unknown")
    if effect in {"awaiting", "processing"} and sub_status in _AUTHORIZED:
        return "authorized"
    return effect


def _pix_code(data: Mapping[str, Any]) -> str | None:
    for name in _PIX_NAMES:
        for value in values(data, name):
            if isinstance(value, str) and is_br_code(value):
                return value
    return None


def _first_integer(node: object, name: str) -> int | None:
    found = (integer(value) for value in values(node, name))
    return next((value for value in found if value is not None), None)


def values(node: object, name: str, depth: int = _DEPTH_MAX) -> Iterator[object]:
    """Every value under ``name``, nearest to the root first within each branch."""
    if depth == 0:
        return
    if isinstance(node, Mapping):
        if name in node:
            yield node[name]
        for child in node.values():
            yield from values(child, name, depth - 1)
    elif isinstance(node, list):
        for child in node:
            yield from values(child, name, depth - 1)
