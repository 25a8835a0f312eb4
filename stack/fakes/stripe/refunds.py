"""Refunds of the fake Stripe: never more than is left, and sometimes failed afterwards."""

from typing import Literal

from stack.fakes.stripe import transfers
from stack.fakes.stripe.books import Books
from stack.fakes.stripe.cards import CARDS
from stack.fakes.stripe.forms import Fields
from stack.fakes.stripe.words import Json, invalid, missing_param, wrong_state

Outcome = Literal["succeeded", "failed"]
CREATE = ("amount", "charge", "metadata", "payment_intent", "reason", "reverse_transfer")
_GONE = frozenset({"failed", "canceled"})
_REASONS = ("duplicate", "fraudulent", "requested_by_customer")


def create(books: Books, fields: Fields) -> Json:
    """Give money back."""
    fields.allow(*CREATE)
    charge = _charge_of(books, fields)
    wanted = fields.integer("amount")
    reason = fields.one_of("reason", _REASONS)
    metadata, takes_back = fields.metadata(), fields.flag("reverse_transfer") is True
    if wanted is not None and wanted < 1:
        raise invalid("Invalid positive integer", param="amount")
    if takes_back and charge["transfer"] is None:
        raise invalid("This charge was not split.", param="reverse_transfer")
    left = _left(books, charge)
    amount = left if wanted is None else wanted
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise wrong_state("This charge took no money.", "charge_not_refundable")
    if left == 0:
        raise wrong_state("Charge has already been refunded.", "charge_already_refunded")
    if charge["disputed"]:
        raise wrong_state("Charge has been charged back.", "charge_disputed")
    if amount > left:
        raise wrong_state("Refund is greater than what is left of the charge.", "amount_too_large")
    return _make(books, charge, amount, reason=reason, metadata=metadata, takes_back=takes_back)


def refund_elsewhere(books: Books, intent_id: str, amount: int | None) -> Json:
    """Give money back as somebody at the dashboard does: without any metadata."""
    values = {"payment_intent": intent_id}
    return create(books, Fields(values if amount is None else {**values, "amount": str(amount)}))


def settle(books: Books, identifier: str, outcome: Outcome) -> Json:
    """Decide what becomes of a refund; one that succeeded may still fail."""
    refund = books.get("refund", identifier)
    if refund["status"] == outcome or refund["status"] in _GONE:
        return refund
    charge = books.get("charge", refund["charge"])
    refund["status"] = outcome
    if outcome == "failed":
        refund["failure_reason"] = "lost_or_stolen_card"
        books.earn(refund["currency"], refund["amount"])
        _sum_up(books, charge)
        books.emit("refund.failed", refund)
    books.emit("refund.updated", refund)
    books.emit("charge.refund.updated", refund)
    return refund


def _make(
    books: Books,
    charge: Json,
    amount: int,
    *,
    reason: str | None,
    metadata: dict[str, str],
    takes_back: bool,
) -> Json:
    card = CARDS[charge["payment_method"]]
    refund: Json = {
        "id": books.new_id("re"),
        "object": "refund",
        "amount": amount,
        "charge": charge["id"],
        "created": books.timestamp(),
        "currency": charge["currency"],
        "metadata": metadata,
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "status": "pending" if card.refunds == "wait" else "succeeded",
        "transfer_reversal": None,
    }
    if takes_back:
        refund["transfer_reversal"] = transfers.take_back(books, charge, amount)["id"]
    books.keep("refund", refund)
    books.earn(refund["currency"], -amount)
    _sum_up(books, charge)
    books.emit("refund.created", refund)
    books.emit("charge.refunded", charge)
    answer = dict(refund)
    if card.refunds == "fail_later":
        settle(books, refund["id"], "failed")
    return answer


def _sum_up(books: Books, charge: Json) -> None:
    given = charge["amount_captured"] - _left(books, charge)
    charge.update(amount_refunded=given, refunded=given == charge["amount_captured"])


def _left(books: Books, charge: Json) -> int:
    refunds = books.rows("refund", charge=charge["id"])
    given = sum(refund["amount"] for refund in refunds if refund["status"] not in _GONE)
    return int(charge["amount_captured"] - given)


def _charge_of(books: Books, fields: Fields) -> Json:
    charge, intent = fields.text("charge"), fields.text("payment_intent")
    if charge is not None:
        return books.get("charge", charge, param="charge")
    if intent is None:
        raise missing_param("charge")
    found = books.get("payment_intent", intent, param="payment_intent")["latest_charge"]
    if found is None:
        raise wrong_state(
            "This PaymentIntent does not have a successful charge to refund.",
            "payment_intent_unexpected_state",
        )
    return books.get("charge", found)
