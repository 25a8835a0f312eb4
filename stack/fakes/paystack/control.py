"""The control API: what drives the fake, and what it has seen."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import TypeAdapter

from stack.fakes.delivery import Chaos, Sender
from stack.fakes.edge import Fault, FaultyEdge
from stack.fakes.paystack.books import Books
from stack.fakes.paystack.claims import Claims
from stack.fakes.paystack.transactions import Transaction
from stack.fakes.paystack.transfers import Transfers
from stack.fakes.paystack.words import Json, instant_of

JsonBody = Annotated[dict[str, Any], Body()]
OptionalBody = Annotated[dict[str, Any] | None, Body()]


def control_routes(
    books: Books, claims: Claims, transfers: Transfers, *, sender: Sender, edge: FaultyEdge
) -> APIRouter:
    """Every control."""
    router = APIRouter()
    router.include_router(_payment_controls(books, claims, transfers))
    router.include_router(_trouble_controls(books, sender, edge))
    return router


def _payment_controls(books: Books, claims: Claims, transfers: Transfers) -> APIRouter:
    router = APIRouter()

    @router.post("/payments/{reference}/pay")
    def pay(reference: str, body: OptionalBody = None) -> Json:
        wanted = body or {}
        at = wanted.get("at")
        return books.pay(
            reference, wanted.get("amount"), None if at is None else instant_of(at, "at")
        ).document()

    @router.post("/payments/{reference}/fail")
    def fail(reference: str) -> Json:
        return books.move(reference, "failed").document()

    @router.post("/payments/{reference}/refund")
    def refund(reference: str, body: OptionalBody = None) -> Json:
        return claims.refund({"transaction": reference, **(body or {})}).document()

    @router.post("/payments/{reference}/dispute")
    def dispute(reference: str, body: JsonBody) -> Json:
        outcome = str(body.get("outcome", "open"))
        return claims.dispute(reference, outcome, body.get("amount")).document()

    @router.post("/refunds/{identifier}/settle")
    def settle_refund(identifier: str, body: JsonBody) -> Json:
        return claims.settle_refund(identifier, str(body["status"])).document()

    @router.post("/transfers/{reference}/settle")
    def settle_transfer(reference: str, body: JsonBody) -> Json:
        return transfers.settle(reference, str(body["status"])).document()

    @router.post("/otp")
    def otp(body: JsonBody) -> Json:
        transfers.is_otp_required = bool(body["required"])
        return {"required": transfers.is_otp_required}

    @router.post("/balance")
    def balance(body: JsonBody) -> Json:
        books.balances[str(body["currency"])] = int(body["minor"])
        return dict(books.balances)

    @router.get("/totals")
    def totals() -> Json:
        return _totals(books, claims)

    return router


def _trouble_controls(books: Books, sender: Sender, edge: FaultyEdge) -> APIRouter:
    router = APIRouter()

    @router.get("/health")
    def health() -> Json:
        return {"status": "ok"}

    @router.post("/webhooks")
    def chaos(body: JsonBody) -> Json:
        wanted = TypeAdapter(Chaos).validate_python(body)
        sender.set_chaos(wanted)
        return asdict(wanted)

    @router.post("/webhook_url")
    def webhook_url(body: JsonBody) -> Json:
        books.register(body.get("url"))
        return body

    @router.get("/notifications")
    def notifications() -> Json:
        rows = [
            {"id": row.id, "event": row.event, "status": row.status, "attempts": row.attempts}
            for row in list(sender.notifications)
        ]
        return {"notifications": rows}

    @router.post("/faults")
    def faults(body: JsonBody) -> Json:
        fault = TypeAdapter(Fault).validate_python(body)
        edge.faults.append(fault)
        return asdict(fault)

    @router.delete("/faults")
    def calm() -> Json:
        edge.faults.clear()
        sender.set_chaos(Chaos())
        return {}

    @router.post("/clock")
    def clock(body: JsonBody) -> Json:
        books.clock.advance(float(body["advance_s"]))
        return {"now": books.now().isoformat()}

    @router.get("/calls")
    def calls() -> Json:
        return {"calls": [asdict(call) for call in list(edge.calls)]}

    return router


def _totals(books: Books, claims: Claims) -> Json:
    """Every payment in short, and count and sum per status: for reconciliation."""
    rows = books.listed({})
    by_status: dict[str, dict[str, int]] = {}
    for row in rows:
        total = by_status.setdefault(row.status, {"count": 0, "sum": 0, "paid_sum": 0})
        total["count"] += 1
        total["sum"] += row.asked
        total["paid_sum"] += row.paid or 0
    return {"payments": [_short(row, claims) for row in rows], "by_status": by_status}


def _short(row: Transaction, claims: Claims) -> Json:
    refunded = [
        refund.amount
        for refund in claims.listed_refunds({"transaction": row.reference})
        if refund.status == "processed"
    ]
    return {
        "id": row.reference,
        "status": row.status,
        "amount": row.asked,
        "paid_amount": row.paid,
        "refunded_amount": sum(refunded),
        "currency": row.currency.lower(),
        "metadata": row.metadata,
    }
