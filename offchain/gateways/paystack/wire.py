"""Paystack's words to ours and back: pure.

Source: Paystack OpenAPI and its published samples. Amounts are in the subunit of the currency
(kobo, pesewas, cents), which is our minor unit; currencies are upper case there and lower case
here. A payment is named by its reference, which is ours: the attempt's id.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from offchain.gateways.choosing import PLATFORM_ACCOUNT
from offchain.gateways.errors import GatewayUnavailable
from offchain.gateways.types import FiatEffect, Method, NewPayment, Observation, Part

NAME: Final = "paystack"
METADATA_ATTEMPT: Final = "lastro_attempt_id"
METADATA_OURS: Final = "lastro_"
ABANDONED_AFTER: Final = timedelta(hours=24)
"""``abandoned`` is what Paystack calls every payment nobody has paid yet, even a second after it
was created; only when it stayed so for this long is nobody on the page any more."""
CHANNELS: Final[Mapping[Method, tuple[str, ...]]] = {
    "card": ("card",),
    "bank": ("bank", "bank_transfer"),
    "ussd": ("ussd",),
}
"""What the hosted page offers for each method."""

_REFERENCE = re.compile(r"(?=.*[A-Za-z0-9])[A-Za-z0-9._=-]{1,100}", re.ASCII)
"""Ours have no underscores, Paystack's own have; dots alone would be a step in a path."""
_AMOUNT_MAX = 2**63 - 1
"""What our columns hold: any amount up to it can at least be kept as a mismatch."""
_TEXT_MAX = 200
_URL_MAX = 2000
_EFFECTS: Final[Mapping[str, FiatEffect]] = {
    "pending": "awaiting",
    "ongoing": "awaiting",
    "processing": "processing",
    "queued": "processing",
    "success": "captured",
    "reversed": "captured",  # it came in first; what went back since is in the refunds and disputes
    "failed": "failed",
}


def reference_of(attempt_id: UUID) -> str:
    """Our name of a payment there."""
    return str(attempt_id)


def is_reference(text: str) -> bool:
    """Whether a text can be a reference, and nothing else in a path."""
    return _REFERENCE.fullmatch(text) is not None


def own_uuid(value: object) -> UUID | None:
    """Read a UUID as we write it, or None when it is something else."""
    try:
        read = UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return read if str(read) == value else None


def initialize_body(new: NewPayment) -> dict[str, Any]:
    """The body of ``POST /transaction/initialize``."""
    body: dict[str, Any] = {
        # Paystack wants an address and mails receipts to it: this one names nobody.
        "email": f"{new.backer_id}@backers.invalid",
        "amount": new.amount.minor,
        "currency": new.amount.currency.upper(),
        "reference": reference_of(new.attempt_id),
        "channels": list(CHANNELS[new.method]),
        "metadata": {**new.metadata, METADATA_ATTEMPT: str(new.attempt_id)},
    }
    if new.return_url is not None:
        body["callback_url"] = new.return_url
    split = split_of(new.parts)
    if split is not None:
        body["split"] = split
    return body


def split_of(parts: Sequence[Part]) -> dict[str, Any] | None:
    """The dynamic split of a charge; None when all of it is the platform's.

    Shares are flat, in minor units, one per subaccount (``ACCT_…``). The platform's part is not
    named to Paystack: it is what the shares leave. Paystack takes its fee from that part, or, where
    the platform keeps nothing, from all receivers in proportion.
    """
    shares = [part for part in parts if part.account_id != PLATFORM_ACCOUNT]
    if not shares:
        return None
    return {
        "type": "flat",
        "bearer_type": "account" if len(shares) < len(parts) else "all-proportional",
        "subaccounts": [{"subaccount": part.account_id, "share": part.minor} for part in shares],
    }


def read_initialized(data: Mapping[str, Any], new: NewPayment) -> Observation | None:
    """Read the answer to a create; None when it is not about this payment."""
    url = data.get("authorization_url")
    if data.get("reference") != reference_of(new.attempt_id) or not _is_url(url):
        return None
    return Observation(
        provider_payment_id=reference_of(new.attempt_id),
        attempt_id=new.attempt_id,
        effect="awaiting",
        provider_status="initialized",
        amount_minor=new.amount.minor,
        received_minor=None,
        currency=new.amount.currency,
        authorization_url=url,
        metadata=dict(new.metadata),
    )


def read_transaction(data: Mapping[str, Any], *, now: datetime) -> Observation | None:
    """Read a transaction, without its refunds and disputes; None when it is not one.

    Args:
        data: The transaction as Paystack shows it.
        now: The present, to tell a payment nobody wants from one just being made.

    Raises:
        GatewayUnavailable: It is one, but holds what no payment can: nothing of it is believed.
    """
    reference = data.get("reference")
    if not isinstance(reference, str) or not is_reference(reference):
        return None
    status = word(data.get("status"))
    effect = _effect(status, read_instant(data.get("created_at") or data.get("createdAt")), now)
    amount = read_minor(data.get("amount"))
    asked = read_minor(data.get("requested_amount"))
    metadata = read_metadata(data.get("metadata"))
    return Observation(
        provider_payment_id=reference,
        attempt_id=attempt_of(reference, metadata),
        effect=effect,
        provider_status=status,
        amount_minor=amount if asked is None else asked,
        received_minor=amount if effect == "captured" else None,
        currency=word(data.get("currency")) or None,
        metadata={
            key: value
            for key, value in metadata.items()
            if isinstance(value, str) and not key.startswith(METADATA_OURS)
        },
    )


def _effect(status: str, created_at: datetime | None, now: datetime) -> FiatEffect:
    if status == "abandoned":
        is_old = created_at is not None and now - created_at >= ABANDONED_AFTER
        return "failed" if is_old else "awaiting"
    return _EFFECTS.get(status, "unknown")


def attempt_of(reference: str, metadata: Mapping[str, Any]) -> UUID | None:
    """Whose payment it is: the reference says it, unless the metadata says otherwise.

    With the public key anybody can make a payment that names any attempt in its metadata; only we
    make one under the attempt's own reference.
    """
    attempt_id = own_uuid(reference)
    told = metadata.get(METADATA_ATTEMPT, reference)
    return attempt_id if told == reference else None


def read_metadata(value: object) -> Mapping[str, Any]:
    """Read metadata, which comes as an object, as its JSON text, or as an empty text."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return {}
    return value if isinstance(value, Mapping) else {}


def read_minor(value: object) -> int | None:
    """Read an amount, a number or its digits; None when it is something else.

    Raises:
        GatewayUnavailable: Our columns cannot hold it; leaving it out could let a wrong sum pass.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value) if len(value) <= len(str(_AMOUNT_MAX)) else _AMOUNT_MAX + 1
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    if abs(value) > _AMOUNT_MAX:
        raise GatewayUnavailable(f"{NAME} names an amount out of range")
    return value


def read_instant(value: object) -> datetime | None:
    """Read a time, in UTC where it does not say; None when it is none."""
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if instant is None:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def write_instant(instant: datetime) -> str:
    """A time as Paystack's filters take it."""
    text = instant.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def word(value: object) -> str:
    """A status, resolution or currency in lower case; empty when absent.

    Raises:
        GatewayUnavailable: It is nothing that can be kept.
    """
    text = value.lower() if isinstance(value, str) else ""
    if len(text) > _TEXT_MAX or not text.isprintable():
        raise GatewayUnavailable(f"{NAME} names a word that cannot be kept")
    return text


def error_code(body: object) -> str:
    """Paystack's own code of a refusal, or empty."""
    code = _mapping(body).get("code")
    return code[:_TEXT_MAX] if isinstance(code, str) and code.isprintable() else ""


def is_duplicate(body: object) -> bool:
    """Whether a refusal says that the reference is taken; older answers carry no code."""
    code, message = error_code(body).lower(), _message(body)
    return (
        code in {"duplicate_reference", "duplicate_transfer_reference"}
        or "duplicate transaction reference" in message
        or "reference already exists" in message
    )


def is_unknown(body: object) -> bool:
    """Whether a refusal says that there is no such thing; it comes as 400 as well as 404."""
    return error_code(body).lower().endswith("not_found") or "not found" in _message(body)


def _message(body: object) -> str:
    message = _mapping(body).get("message")
    return message.lower() if isinstance(message, str) else ""


def _is_url(value: object) -> bool:
    return (
        isinstance(value, str)
        and value.startswith(("https://", "http://"))
        and len(value) <= _URL_MAX
        and value.isprintable()
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
