"""Stripe's words to ours and back: pure, tolerant of extra fields.

Source: Stripe's API reference and the types of its own Python library (16.1.0) for
``API_VERSION``. Ids keep their prefix: it is part of them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from offchain.gateways.choosing import PLATFORM_ACCOUNT
from offchain.gateways.errors import GatewayUnavailable
from offchain.gateways.reading import (
    TEXT_MAX,
    code,
    integer,
    is_storable,
    mapping,
    own_uuid,
    word,
)
from offchain.gateways.types import (
    AccountState,
    DisputeSeen,
    DisputeState,
    FiatEffect,
    NewPayment,
    Observation,
    RefundSeen,
    RefundState,
    TransferSeen,
)
from offchain.money import Currency

NAME = "stripe"
API_VERSION = "2026-10-28.endive"
HEADERS: Final[Mapping[str, str]] = {"Stripe-Version": API_VERSION}
"""Sent with every call: without it an answer has the shape that the account was opened with."""
CURRENCIES_TAKEN: Final = frozenset(map(Currency, ("brl", "eur", "usd")))
"""What a platform account there can charge in, of those that have hundredths."""
RESERVED = "lastro_"
METADATA_ATTEMPT = "lastro_attempt_id"
METADATA_REFUND = "lastro_refund_id"
METADATA_TRANSFER = "lastro_transfer_id"
METADATA_ACCOUNT = "lastro_account_ref"

_EFFECTS: Final[dict[str, FiatEffect]] = {
    # A declined card leads back here: the payer may try another one, so nothing has failed yet.
    "requires_payment_method": "awaiting",
    "requires_confirmation": "awaiting",
    "requires_action": "awaiting",
    "processing": "processing",
    "requires_capture": "authorized",
    "succeeded": "captured",
    "canceled": "canceled",
}
_REFUNDS: Final[dict[str, RefundState]] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "failed",
}
_DISPUTES: Final[dict[str, DisputeState]] = {
    "won": "won",
    "warning_closed": "won",
    "prevented": "won",  # settled by a refund, which is listed as one
    "lost": "lost",
}


def is_id(text: object, prefix: str) -> bool:
    """Whether it is an id of theirs: nothing else belongs in a path or a column."""
    return isinstance(text, str) and bool(re.fullmatch(rf"{prefix}_[A-Za-z0-9_]{{1,200}}", text))


def form(fields: Mapping[str, Any]) -> dict[str, str]:
    """Nested fields as Stripe takes them: ``a[b]=1``, ``c[0]=x``; None is left out."""
    return dict(_pairs(fields.items(), "{}"))


def _pairs(items: Iterable[tuple[Any, Any]], name: str) -> Iterator[tuple[str, str]]:
    for key, value in items:
        here = name.format(key)
        if isinstance(value, Mapping):
            yield from _pairs(value.items(), here + "[{}]")
        elif isinstance(value, list | tuple):
            yield from _pairs(enumerate(value), here + "[{}]")
        elif isinstance(value, bool):
            yield here, str(value).lower()
        elif value is not None:
            yield here, str(value)


def unfit(new: NewPayment) -> str | None:
    """Why a payment is not for this gateway; None when it is."""
    if new.amount.currency not in CURRENCIES_TAKEN:
        # Stripe counts some currencies in whole units and some in thousandths; an amount in
        # hundredths would be charged a hundredfold.
        return "currency_not_taken"
    if new.method != "card":
        return "method_not_taken"
    if new.card is not None:
        # The payer's browser gives the card to Stripe's own script, never to us.
        return "card_not_taken"
    if not all(is_id(account, "acct") for account in _shares(new)):
        return "unknown_receiver"
    return None


def payment_fields(new: NewPayment) -> dict[str, Any]:
    """The fields of ``POST /v1/payment_intents``.

    One connected receiver beside the platform: a destination charge, which Stripe splits itself and
    whose refunds can take the receiver's share back. Several: the whole charge stays with the
    platform, and each receiver is paid by a transfer of its own (``transfer``) from there.
    """
    fields: dict[str, Any] = {
        "amount": new.amount.minor,
        "currency": new.amount.currency,
        # Not automatic_payment_methods: it would offer whatever the account has switched on, also
        # methods that pay days later, where a card was asked for. Wallets count as cards.
        # (payment_method_types, which said the same, is refused since version 2026-09-30.)
        "allowed_payment_method_types": ["card"],
        "metadata": {**new.metadata, METADATA_ATTEMPT: str(new.attempt_id)},
    }
    shares = _shares(new)
    if len(shares) == 1:
        [(account, minor)] = shares.items()
        fields["transfer_data"] = {"destination": account, "amount": minor}
    elif shares:
        fields["transfer_group"] = f"pay:{new.attempt_id}"
    return fields


def _shares(new: NewPayment) -> dict[str, int]:
    """What each connected receiver gets."""
    shares: dict[str, int] = {}
    for part in new.parts:
        if part.account_id != PLATFORM_ACCOUNT:
            shares[part.account_id] = shares.get(part.account_id, 0) + part.minor
    return shares


def read_intent(
    intent: Mapping[str, Any],
    *,
    refunds: Sequence[RefundSeen] = (),
    disputes: Sequence[DisputeSeen] = (),
) -> Observation | None:
    """Read a PaymentIntent; None when it is not one.

    Raises:
        GatewayUnavailable: It is one, but holds what none can: nothing of it is believed.
    """
    identifier = intent.get("id")
    if not isinstance(identifier, str) or not is_id(identifier, "pi"):
        return None
    status = word(intent.get("status"))
    error = mapping(intent.get("last_payment_error"))
    reason = code(error.get("decline_code")) or code(error.get("code"))
    effect = _EFFECTS.get(status, "unknown")
    if effect == "canceled" and error:
        effect = "failed"
    return Observation(
        provider_payment_id=identifier,
        attempt_id=attempt_of(intent),
        effect=effect,
        provider_status=f"{status}/{reason}" if reason else status,
        amount_minor=integer(intent.get("amount")),
        received_minor=integer(intent.get("amount_received")),
        currency=word(intent.get("currency")) or None,
        refunds=tuple(refunds),
        disputes=tuple(disputes),
        client_secret=_short_text(intent.get("client_secret")),
        metadata=_own_words(intent),
    )


def attempt_of(document: Mapping[str, Any]) -> UUID | None:
    """Our name of a payment, out of the metadata of it or of its charge."""
    return own_uuid(mapping(document.get("metadata")).get(METADATA_ATTEMPT))


def read_refund(refund: Mapping[str, Any]) -> RefundSeen:
    """Read a refund.

    Raises:
        GatewayUnavailable: It is none.
    """
    return RefundSeen(
        provider_refund_id=_identifier(refund),
        refund_id=own_uuid(mapping(refund.get("metadata")).get(METADATA_REFUND)),
        # Unknown words are pending: neither given nor kept.
        state=_REFUNDS.get(word(refund.get("status")), "pending"),
        minor=_amount(refund, "amount"),
    )


def read_dispute(dispute: Mapping[str, Any]) -> DisputeSeen:
    """Read a dispute, or the inquiry that comes before one.

    Raises:
        GatewayUnavailable: It is none.
    """
    return DisputeSeen(
        provider_dispute_id=_identifier(dispute),
        # Inquiries, appeals and unknown words are open: the money is not safe.
        state=_DISPUTES.get(word(dispute.get("status")), "open"),
        minor=_amount(dispute, "amount"),
    )


def read_transfer(transfer: Mapping[str, Any]) -> TransferSeen:
    """Read a transfer: done at once, and failed when all of it was reversed.

    Its amount is what is left with the receiver.

    Raises:
        GatewayUnavailable: It is none.
    """
    is_reversed = transfer.get("reversed") is True
    left = _amount(transfer, "amount") - (integer(transfer.get("amount_reversed")) or 0)
    return TransferSeen(
        provider_transfer_id=_identifier(transfer),
        transfer_id=own_uuid(mapping(transfer.get("metadata")).get(METADATA_TRANSFER)),
        state="failed" if is_reversed else "succeeded",
        minor=left,
        currency=word(transfer.get("currency")),
    )


def account_state(account: Mapping[str, Any]) -> AccountState:
    """How far a connected account is."""
    requirements = mapping(account.get("requirements"))
    disabled = word(requirements.get("disabled_reason"))
    if disabled.startswith("rejected"):
        return "rejected"
    transfers = word(mapping(account.get("capabilities")).get("transfers"))
    # An account that only receives transfers never has charges enabled.
    can_receive = account.get("charges_enabled") is True or transfers == "active"
    if can_receive and account.get("payouts_enabled") is True:
        return "active"
    is_submitted = account.get("details_submitted") is True
    if is_submitted and (requirements.get("past_due") or requirements.get("currently_due")):
        return "restricted"
    return "pending"


def asks_for_more(account: Mapping[str, Any]) -> bool:
    """Whether the receiver itself must still tell something."""
    requirements = mapping(account.get("requirements"))
    is_asked = bool(requirements.get("currently_due") or requirements.get("past_due"))
    return is_asked or account.get("details_submitted") is not True


def is_key_taken(status: int, body: object) -> bool:
    """Whether an answer is about another call with this idempotency key, not about this one."""
    kind = mapping(mapping(body).get("error")).get("type")
    return status == HTTPStatus.CONFLICT or kind == "idempotency_error"


def error_code(body: object) -> str:
    """Stripe's own code of a refusal, or its type where it has no code."""
    error = mapping(mapping(body).get("error"))
    return code(error.get("code")) or code(error.get("type"))


def _own_words(intent: Mapping[str, Any]) -> dict[str, str]:
    return {
        key: value
        for key, value in mapping(intent.get("metadata")).items()
        if isinstance(value, str)
        and not key.startswith(RESERVED)
        and is_storable(key)
        and is_storable(value)
    }


def _short_text(value: object) -> str | None:
    is_usable = isinstance(value, str) and len(value) <= TEXT_MAX and is_storable(value)
    return value if isinstance(value, str) and is_usable else None


def _identifier(document: Mapping[str, Any]) -> str:
    identifier = document.get("id")
    if not isinstance(identifier, str) or not is_id(identifier, "[a-z]+"):
        raise GatewayUnavailable(f"{NAME} answered without the object that was asked for")
    return identifier


def _amount(document: Mapping[str, Any], name: str) -> int:
    amount = integer(document.get(name))
    if amount is None:
        raise GatewayUnavailable(f"{NAME} names an object without its amount")
    return amount
