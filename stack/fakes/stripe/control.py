"""``/__fake__/…``: what payers, banks and outages do, on demand. Not part of any Stripe."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import TypeAdapter

from stack.fakes.delivery import Chaos, Sender
from stack.fakes.edge import Fault, FaultyEdge
from stack.fakes.stripe import accounts, disputes, payments, refunds, transfers
from stack.fakes.stripe.books import AccountState, Books
from stack.fakes.stripe.forms import Fields
from stack.fakes.stripe.once import Once, Trouble
from stack.fakes.stripe.words import Json

JsonBody = Annotated[dict[str, Any], Body()]
OptionalBody = Annotated[dict[str, Any] | None, Body()]
Amount = Annotated[int | None, Body(embed=True)]
Name = Annotated[str | None, Body(embed=True)]


def control_routes(books: Books, once: Once, sender: Sender, edge: FaultyEdge) -> APIRouter:
    """Build every control."""
    router = APIRouter()
    router.include_router(_payer_routes(books))
    router.include_router(_account_routes(books))
    router.include_router(_outage_routes(books, once, sender, edge))
    return router


def _payer_routes(books: Books) -> APIRouter:
    router = APIRouter()

    @router.post("/payments/{identifier}/pay")
    def pay(identifier: str, amount: Amount = None, payment_method: Name = None) -> Json:
        with books.lock:
            return payments.pay(books, identifier, amount=amount, payment_method=payment_method)

    @router.post("/payments/{identifier}/fail")
    def fail(identifier: str, body: OptionalBody = None) -> Json:
        """Decline the card; with ``for_good`` the intent is canceled too."""
        with books.lock:
            intent = payments.decline(books, identifier)
            if (body or {}).get("for_good"):
                reason = Fields({"cancellation_reason": "abandoned"})
                payments.cancel(books, identifier, reason)
            return intent

    @router.post("/payments/{identifier}/process")
    def process(identifier: str) -> Json:
        with books.lock:
            return payments.process(books, identifier)

    @router.post("/payments/{identifier}/cancel")
    def cancel(identifier: str) -> Json:
        with books.lock:
            return payments.cancel(books, identifier, Fields({}))

    @router.post("/payments/{identifier}/refund")
    def refund(identifier: str, amount: Amount = None) -> Json:
        """As somebody at the dashboard does."""
        with books.lock:
            return refunds.refund_elsewhere(books, identifier, amount)

    @router.post("/payments/{identifier}/dispute")
    def dispute(
        identifier: str,
        outcome: Annotated[disputes.Outcome, Body(embed=True)],
        amount: Amount = None,
    ) -> Json:
        with books.lock:
            return disputes.dispute_payment(books, identifier, outcome, amount)

    @router.post("/refunds/{identifier}/settle")
    def settle(identifier: str, outcome: Annotated[refunds.Outcome, Body(embed=True)]) -> Json:
        with books.lock:
            return refunds.settle(books, identifier, outcome)

    @router.get("/totals")
    def totals() -> Json:
        with books.lock:
            return _totals(books)

    return router


def _account_routes(books: Books) -> APIRouter:
    router = APIRouter()

    @router.post("/accounts/{identifier}")
    def move_account(identifier: str, state: Annotated[AccountState, Body(embed=True)]) -> Json:
        with books.lock:
            return accounts.move_account(books, identifier, state)

    @router.post("/accounts")
    def new_accounts(state: Annotated[AccountState, Body(embed=True)]) -> Json:
        """How far accounts are from now on when they are opened."""
        books.new_accounts = state
        return {"state": state}

    @router.post("/transfers/{identifier}/reverse")
    def reverse(identifier: str, amount: Amount = None) -> Json:
        with books.lock:
            wanted = {} if amount is None else {"amount": str(amount)}
            return transfers.reverse(books, identifier, Fields(wanted))

    @router.post("/balance")
    def top_up(
        currency: Annotated[str, Body(embed=True)], amount: Annotated[int, Body(embed=True)]
    ) -> Json:
        with books.lock:
            books.earn(currency, amount)
            return accounts.balance(books)

    return router


def _outage_routes(books: Books, once: Once, sender: Sender, edge: FaultyEdge) -> APIRouter:
    router = APIRouter()

    @router.post("/webhooks")
    def chaos(body: JsonBody) -> Json:
        wanted = TypeAdapter(Chaos).validate_python(body)
        sender.set_chaos(wanted)
        return asdict(wanted)

    @router.post("/faults")
    def faults(body: JsonBody) -> Json:
        """What goes wrong around a call."""
        fault = TypeAdapter(Fault).validate_python(body)
        edge.faults.append(fault)
        return asdict(fault)

    @router.post("/troubles")
    def troubles(body: JsonBody) -> Json:
        """What goes wrong inside one, where the idempotency key remembers it."""
        trouble = TypeAdapter(Trouble).validate_python(body)
        once.trouble(trouble)
        return asdict(trouble)

    @router.delete("/faults")
    def calm() -> Json:
        edge.faults.clear()
        once.calm()
        sender.set_chaos(Chaos())
        return {}

    @router.post("/clock")
    def clock(body: JsonBody) -> Json:
        books.clock.advance(float(body["advance_s"]))
        return {"now": books.now().isoformat()}

    @router.get("/calls")
    def calls() -> Json:
        return {"calls": [asdict(call) for call in list(edge.calls)]}

    @router.get("/deliveries")
    def deliveries() -> Json:
        rows = [
            {"id": row.id, "event": row.event, "status": row.status, "attempts": row.attempts}
            for row in list(sender.notifications)
        ]
        return {"deliveries": rows}

    @router.post("/deliveries/{identifier}/resend")
    def resend(identifier: str) -> Json:
        return {"is_known": sender.replay(identifier)}

    return router


def _totals(books: Books) -> Json:
    """Every payment in short, and count and sum per status: for reconciliation."""
    by_status: dict[str, dict[str, int]] = {}
    rows = []
    for intent in books.rows("payment_intent"):
        total = by_status.setdefault(intent["status"], {"count": 0, "sum": 0, "paid_sum": 0})
        total["count"] += 1
        total["sum"] += intent["amount"]
        total["paid_sum"] += intent["amount_received"]
        charge = books.tables.get("charge", {}).get(intent["latest_charge"])
        rows.append(
            {
                "id": intent["id"],
                "status": intent["status"],
                "amount": intent["amount"],
                "paid_amount": intent["amount_received"],
                "refunded_amount": 0 if charge is None else charge["amount_refunded"],
                "currency": intent["currency"],
                "metadata": intent["metadata"],
            }
        )
    return {"payments": rows, "by_status": by_status}
