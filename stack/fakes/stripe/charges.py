"""Charges of the fake Stripe: what happens when an intent's card is charged."""

from stack.fakes.stripe import disputes, transfers
from stack.fakes.stripe.books import Books
from stack.fakes.stripe.cards import Card, decline_of
from stack.fakes.stripe.words import Json


def charge(books: Books, intent: Json, card: Card, *, amount: int | None = None) -> None:
    """Charge with success: captured at once, or authorized where the intent says ``manual``."""
    paid = intent["amount"] if amount is None else amount
    made = _make(books, intent, card, status="succeeded", paid=True)
    intent.update(latest_charge=made["id"], last_payment_error=None, next_action=None)
    if intent["capture_method"] == "manual":
        intent.update(status="requires_capture", amount_capturable=paid)
        books.emit("charge.succeeded", made)
        books.emit("payment_intent.amount_capturable_updated", intent)
        return
    _settle(books, intent, made, paid)
    # The same fact twice, under two ids: what Stripe does too.
    books.emit("charge.succeeded", made)
    books.emit("payment_intent.succeeded", intent)
    if card.disputes is not None:
        disputes.open_dispute(books, made, is_inquiry=card.disputes == "inquiry")


def capture(books: Books, intent: Json, amount: int) -> None:
    """Take what was authorized."""
    made = books.get("charge", intent["latest_charge"])
    _settle(books, intent, made, amount)
    books.emit("charge.captured", made)
    books.emit("payment_intent.succeeded", intent)


def decline(books: Books, intent: Json, card: Card) -> None:
    """Be refused: the intent goes back to where another card may be given."""
    made = _make(books, intent, card, status="failed", paid=False)
    error = decline_of(card, made["id"])
    made.update(failure_code=error["code"], failure_message=error["message"])
    intent.update(
        status="requires_payment_method",
        latest_charge=made["id"],
        last_payment_error=error,
        payment_method=None,
        next_action=None,
    )
    books.emit("charge.failed", made)
    books.emit("payment_intent.payment_failed", intent)


def _settle(books: Books, intent: Json, made: Json, amount: int) -> None:
    made.update(captured=True, amount_captured=amount)
    intent.update(status="succeeded", amount_received=amount, amount_capturable=0)
    books.earn(made["currency"], amount)
    split = intent["transfer_data"]
    if split is not None:
        share = min(split.get("amount", amount), amount)
        made["transfer"] = transfers.split_off(books, made, split["destination"], share)["id"]


def _make(books: Books, intent: Json, card: Card, *, status: str, paid: bool) -> Json:
    made: Json = {
        "id": books.new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "captured": False,
        "created": books.timestamp(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "paid": paid,
        "payment_intent": intent["id"],
        "payment_method": intent["payment_method"],
        "payment_method_details": {
            "type": "card",
            "card": {"brand": "visa", "last4": card.last_four, "exp_month": 12, "exp_year": 2034},
        },
        "refunded": False,
        "status": status,
        "transfer": None,
        "transfer_data": intent["transfer_data"],
        "transfer_group": intent["transfer_group"],
    }
    return books.keep("charge", made)
