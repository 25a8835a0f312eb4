"""PaymentIntents of the fake Stripe, and what the payer does with them."""

from typing import Any, Final

from stack.fakes.stripe import charges
from stack.fakes.stripe.books import Books
from stack.fakes.stripe.cards import card_of
from stack.fakes.stripe.forms import Fields
from stack.fakes.stripe.words import Json, Refused, invalid, missing_param, not_found, wrong_state

CURRENCIES: Final = frozenset(
    {"ars", "aud", "brl", "cad", "clp", "cop", "eur", "gbp", "jpy", "kwd", "mxn", "usd", "zar"}
)
AMOUNT_MIN, AMOUNT_MAX = 50, 99_999_999
_NO_LONGER = "_no_longer_supported"
_OPEN = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})
CREATE: Final = (
    "allowed_payment_method_types",
    "amount",
    "automatic_payment_methods",
    "capture_method",
    "confirm",
    "confirmation_method",
    "currency",
    "customer",
    "description",
    "metadata",
    "on_behalf_of",
    "payment_method",
    "payment_method_options",
    "receipt_email",
    "return_url",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
    "transfer_group",
)


def create(books: Books, fields: Fields) -> Json:
    """Make an intent; with ``confirm`` charge it at once."""
    if "payment_method_types" in fields.values:
        param = "payment_method_types"
        raise invalid(f"{param} is not taken any more.", param=param, code=f"{param}{_NO_LONGER}")
    fields.allow(*CREATE)
    amount, currency = _amount(fields), _currency(fields)
    automatic = fields.child("automatic_payment_methods")
    is_automatic = automatic is not None and automatic.flag("enabled") is True
    types = fields.texts("allowed_payment_method_types")
    if is_automatic and types:
        raise invalid("Use automatic_payment_methods or allowed_payment_method_types, not both")
    customer = fields.text("customer")
    if customer is not None:
        books.get("customer", customer, param="customer")
    method = fields.text("payment_method")
    if method is not None:
        card_of(method)
    capture = fields.one_of("capture_method", ("automatic", "automatic_async", "manual"))
    identifier = books.new_id("pi")
    intent: Json = {
        "id": identifier,
        "object": "payment_intent",
        "allowed_payment_method_types": types or None,
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "automatic_payment_methods": {"enabled": True} if is_automatic or not types else None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": capture or "automatic_async",
        "client_secret": f"{identifier}_secret_{books.new_id('x')[2:]}",
        "confirmation_method": "automatic",
        "created": books.timestamp(),
        "currency": currency,
        "customer": customer,
        "description": fields.text("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": fields.metadata(),
        "next_action": None,
        "payment_method": method,
        "payment_method_types": types or ["card"],
        "processing": None,
        "status": "requires_payment_method" if method is None else "requires_confirmation",
        "transfer_data": _transfer_data(books, fields, amount),
        "transfer_group": fields.text("transfer_group"),
    }
    books.keep("payment_intent", intent)
    books.emit("payment_intent.created", intent)
    if fields.flag("confirm"):
        _charge(books, intent, return_url=fields.text("return_url"))
    return intent


def confirm(books: Books, identifier: str, fields: Fields) -> Json:
    """Charge its payment method, or the one that is given now."""
    fields.allow("payment_method", "payment_method_options", "return_url", "off_session")
    intent = books.get("payment_intent", identifier)
    _need(intent, _OPEN, "confirm")
    method = fields.text("payment_method")
    if method is not None:
        card_of(method)
        intent["payment_method"] = method
    _charge(books, intent, return_url=fields.text("return_url"))
    return intent


def capture(books: Books, identifier: str, fields: Fields) -> Json:
    """Take what was authorized, or a part of it; the rest is released."""
    fields.allow("amount_to_capture", "metadata")
    intent = books.get("payment_intent", identifier)
    _need(intent, frozenset({"requires_capture"}), "capture")
    wanted = fields.integer("amount_to_capture")
    amount = intent["amount_capturable"] if wanted is None else wanted
    if not 1 <= amount <= intent["amount_capturable"]:
        raise invalid("That much cannot be captured.", param="amount_to_capture")
    charges.capture(books, intent, amount)
    return intent


def cancel(books: Books, identifier: str, fields: Fields) -> Json:
    """End an intent that has not been paid; nothing can pay it afterwards."""
    fields.allow("cancellation_reason")
    intent = books.get("payment_intent", identifier)
    _need(intent, _OPEN | {"requires_capture", "processing"}, "cancel")
    intent.update(
        status="canceled",
        canceled_at=books.timestamp(),
        cancellation_reason=fields.text("cancellation_reason"),
        amount_capturable=0,
        next_action=None,
    )
    books.emit("payment_intent.canceled", intent)
    return intent


def pay(books: Books, identifier: str, *, amount: int | None, payment_method: str | None) -> Json:
    """What a payer does in the browser: give a card and pass every check.

    Args:
        books: The memory.
        identifier: The intent.
        amount: What arrives instead of what was asked for.
        payment_method: A magic card; the plain one when None.
    """
    intent = books.get("payment_intent", identifier)
    if intent["status"] == "succeeded":
        return intent
    _need(intent, _OPEN | {"processing"}, "confirm")
    intent["payment_method"] = payment_method or intent["payment_method"] or "pm_card_visa"
    charges.charge(books, intent, card_of(intent["payment_method"]), amount=amount)
    return intent


def decline(books: Books, identifier: str) -> Json:
    """The payer's card is refused; the intent stays open for another one."""
    intent = books.get("payment_intent", identifier)
    _need(intent, _OPEN | {"processing"}, "confirm")
    intent["payment_method"] = "pm_card_chargeDeclined"
    charges.decline(books, intent, card_of(intent["payment_method"]))
    return intent


def process(books: Books, identifier: str) -> Json:
    """The payment is under way, as bank debits are for days."""
    intent = books.get("payment_intent", identifier)
    _need(intent, _OPEN, "confirm")
    intent.update(status="processing", next_action=None)
    books.emit("payment_intent.processing", intent)
    return intent


def _charge(books: Books, intent: Json, *, return_url: str | None) -> None:
    """Charge the intent's card: authenticate first where it asks for that, or be declined."""
    method = intent["payment_method"]
    if method is None:
        raise wrong_state(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            "payment_intent_unexpected_state",
            payment_intent=dict(intent),
        )
    card = card_of(method)
    if card.decline is not None:
        charges.decline(books, intent, card)
        error = intent["last_payment_error"]
        raise Refused(
            402,
            error["message"],
            kind="card_error",
            is_executed=True,
            code=error["code"],
            decline_code=error.get("decline_code"),
            charge=error["charge"],
            payment_intent=dict(intent),
        )
    if card.needs_authentication:
        intent.update(status="requires_action", next_action=_authentication(intent, return_url))
        books.emit("payment_intent.requires_action", intent)
        return
    charges.charge(books, intent, card)


def _authentication(intent: Json, return_url: str | None) -> Json:
    if return_url is None:
        return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
    url = f"https://hooks.stripe.com/3d_secure_2/hosted?payment_intent={intent['id']}"
    return {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}}


def _need(intent: Json, statuses: frozenset[str], verb: str) -> None:
    if intent["status"] not in statuses:
        raise wrong_state(
            f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}.",
            "payment_intent_unexpected_state",
            payment_intent=dict(intent),
        )


def _amount(fields: Fields) -> int:
    amount = fields.integer("amount")
    if amount is None:
        raise missing_param("amount")
    if amount < AMOUNT_MIN:
        raise invalid("Amount is too small.", param="amount", code="amount_too_small")
    if amount > AMOUNT_MAX:
        raise invalid("Amount is too large.", param="amount", code="amount_too_large")
    return amount


def _currency(fields: Fields) -> str:
    currency = fields.required("currency").lower()
    if currency not in CURRENCIES:
        raise invalid(f"Invalid currency: {currency}.", param="currency")
    return currency


def _transfer_data(books: Books, fields: Fields, amount: int) -> dict[str, Any] | None:
    given = fields.child("transfer_data")
    if given is None:
        return None
    given.allow("amount", "destination")
    destination = given.required("destination")
    if destination not in books.tables.get("account", {}):
        raise not_found("destination", destination, param="transfer_data[destination]")
    part = given.integer("amount")
    if part is not None and not 1 <= part <= amount:
        raise invalid("The transfer exceeds the charge.", param="transfer_data[amount]")
    found: dict[str, Any] = {"destination": destination}
    return found if part is None else {**found, "amount": part}
