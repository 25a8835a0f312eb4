"""Disputes of the fake Stripe, and the inquiries that come before them."""

from typing import Any, Literal

from stack.fakes.stripe.books import Books
from stack.fakes.stripe.forms import Fields
from stack.fakes.stripe.words import Json, wrong_state

Outcome = Literal["open", "won", "lost"]
EVIDENCE_DAYS = 7
_DAY_S = 86_400
_ENDED = frozenset({"won", "lost", "warning_closed"})


def open_dispute(
    books: Books, charge: Json, *, amount: int | None = None, is_inquiry: bool = False
) -> Json:
    """The payer's bank asks for the money back; an inquiry only asks about it."""
    dispute: Json = {
        "id": books.new_id("du"),
        "object": "dispute",
        "amount": charge["amount_captured"] if amount is None else amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": books.timestamp(),
        "currency": charge["currency"],
        "evidence": {"uncategorized_text": None},
        "evidence_details": {
            "due_by": books.timestamp() + EVIDENCE_DAYS * _DAY_S,
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": is_inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": "fraudulent",
        "status": "warning_needs_response" if is_inquiry else "needs_response",
    }
    books.keep("dispute", dispute)
    if not is_inquiry:
        charge["disputed"] = True
        _move_money(books, dispute, -dispute["amount"])
    books.emit("charge.dispute.created", dispute)
    if not is_inquiry:
        books.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def decide(books: Books, identifier: str, outcome: Literal["won", "lost"]) -> Json:
    """The bank decides; a lost one may be won afterwards all the same."""
    dispute = books.get("dispute", identifier)
    is_inquiry = dispute["status"].startswith("warning")
    word = "warning_closed" if is_inquiry and outcome == "won" else outcome
    if dispute["status"] == word:
        return dispute
    if is_inquiry and outcome == "lost":  # it became a dispute first
        _move_money(books, dispute, -dispute["amount"])
        books.emit("charge.dispute.funds_withdrawn", dispute)
    dispute["status"] = word
    if word == "won":
        _move_money(books, dispute, dispute["amount"])
        books.emit("charge.dispute.funds_reinstated", dispute)
    books.emit("charge.dispute.closed", dispute)
    return dispute


def dispute_payment(books: Books, intent_id: str, outcome: Outcome, amount: int | None) -> Json:
    """Dispute a payment, or decide the dispute there is."""
    intent = books.get("payment_intent", intent_id)
    if intent["latest_charge"] is None:
        raise wrong_state("There is no charge to dispute.", "charge_not_disputable")
    known = books.rows("dispute", payment_intent=intent_id)
    dispute = (
        known[0]
        if known
        else open_dispute(books, books.get("charge", intent["latest_charge"]), amount=amount)
    )
    return dispute if outcome == "open" else decide(books, dispute["id"], outcome)


def update(books: Books, identifier: str, fields: Fields) -> Json:
    """Send evidence; the test texts decide at once, as at the real one."""
    fields.allow("evidence", "metadata", "submit")
    dispute = books.get("dispute", identifier)
    if dispute["status"] in _ENDED:
        raise wrong_state("This dispute is already closed.", "dispute_closed")
    evidence = fields.child("evidence")
    text = None if evidence is None else evidence.text("uncategorized_text")
    if text is not None:
        dispute["evidence"]["uncategorized_text"] = text
        dispute["evidence_details"].update(has_evidence=True, submission_count=1)
    if text == "winning_evidence":
        return decide(books, identifier, "won")
    if text == "losing_evidence":
        return decide(books, identifier, "lost")
    if text is not None:
        is_inquiry = dispute["status"].startswith("warning")
        dispute["status"] = "warning_under_review" if is_inquiry else "under_review"
        books.emit("charge.dispute.updated", dispute)
    return dispute


def close(books: Books, identifier: str, fields: Fields) -> Json:
    """Give in: the dispute is lost."""
    fields.allow()
    if books.get("dispute", identifier)["status"] in _ENDED:
        raise wrong_state("This dispute is already closed.", "dispute_closed")
    return decide(books, identifier, "lost")


def _move_money(books: Books, dispute: Json, amount: int) -> None:
    moved: dict[str, Any] = {
        "id": books.new_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "currency": dispute["currency"],
        "fee": 0,
        "net": amount,
        "type": "adjustment",
    }
    dispute["balance_transactions"].append(moved)
    books.earn(dispute["currency"], amount)
