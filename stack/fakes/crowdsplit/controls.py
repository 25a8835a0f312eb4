"""The control API: what a test or the demo does to the fake that no merchant can."""

from collections.abc import Sequence
from dataclasses import asdict

from fastapi import APIRouter
from pydantic import TypeAdapter

from stack.fakes.crowdsplit.books import Switches
from stack.fakes.crowdsplit.records import Payment
from stack.fakes.crowdsplit.routing import Desks, JsonBody, OptionalBody
from stack.fakes.crowdsplit.words import Json, instant_of, invalid
from stack.fakes.delivery import Chaos
from stack.fakes.edge import Fault, FaultyEdge

_IN_SWITCHES = ("twin_events", "dialect")
"""Said with the webhooks' chaos, kept with the switches."""


def control_routes(desks: Desks, edge: FaultyEdge) -> APIRouter:
    """Build the router."""
    router = APIRouter()
    _add_payments(router, desks)
    _add_others(router, desks)
    _add_trouble(router, desks, edge)
    _add_views(router, desks, edge)
    return router


def _add_payments(router: APIRouter, desks: Desks) -> None:
    books, payments = desks.books, desks.payments

    @router.post("/payments/{identifier}/pay")
    def pay(identifier: str, body: OptionalBody = None) -> Json:
        given = body or {}
        at = given.get("at")
        paid = payments.pay(
            identifier,
            given.get("amount"),
            end_to_end_id=given.get("e2e"),
            at=None if at is None else instant_of(at),
        )
        return paid.document(books.dialect)

    @router.post("/payments/{identifier}/fail")
    def fail(identifier: str) -> Json:
        return payments.fail(identifier).document(books.dialect)

    @router.post("/payments/{identifier}/reverse")
    def reverse(identifier: str) -> Json:
        return payments.reverse(identifier).document(books.dialect)

    @router.post("/payments/{identifier}/fraud")
    def fraud(identifier: str, body: JsonBody) -> Json:
        decided = payments.decide_fraud(identifier, approve=body["decision"] == "approve")
        return decided.document(books.dialect)

    @router.post("/payments/{identifier}/refund")
    def refund(identifier: str, body: OptionalBody = None) -> Json:
        return desks.claims.refund(identifier, body or {})

    @router.post("/payments/{identifier}/dispute")
    def dispute(identifier: str, body: JsonBody) -> Json:
        outcome = body["outcome"]
        if outcome not in {"open", "won", "lost"}:
            raise invalid("outcome must be open, won or lost")
        return desks.claims.dispute(identifier, outcome).document(books.dialect)


def _add_others(router: APIRouter, desks: Desks) -> None:
    books = desks.books

    @router.post("/refunds/{identifier}")
    def settle_refund(identifier: str, body: JsonBody) -> Json:
        refund = desks.claims.settle_refund(identifier, succeeds=bool(body["succeeds"]))
        return refund.document(books.dialect)

    @router.post("/transfers/{identifier}")
    def settle_transfer(identifier: str, body: JsonBody) -> Json:
        transfer = desks.transfers.settle(identifier, succeeds=bool(body["succeeds"]))
        return transfer.document(books.dialect)

    @router.post("/customers/{identifier}/registration")
    def registration(identifier: str, body: JsonBody) -> Json:
        return desks.accounts.decide(identifier, str(body["status"])).document(books.dialect)


def _add_trouble(router: APIRouter, desks: Desks, edge: FaultyEdge) -> None:
    books, sender = desks.books, desks.reporter.sender

    @router.post("/webhooks")
    def chaos(body: JsonBody) -> Json:
        switches = {name: body.pop(name) for name in _IN_SWITCHES if name in body}
        books.switch(**_switches(switches))
        wanted = TypeAdapter(Chaos).validate_python(body)
        sender.set_chaos(wanted)
        return {**asdict(wanted), **switches}

    @router.post("/switches")
    def switch(body: JsonBody) -> Json:
        return asdict(books.switch(**_switches(body)))

    @router.post("/faults")
    def faults(body: JsonBody) -> Json:
        fault = TypeAdapter(Fault).validate_python(body)
        edge.faults.append(fault)
        return asdict(fault)

    @router.delete("/faults")
    def calm() -> Json:
        edge.faults.clear()
        sender.set_chaos(Chaos())
        books.reset()
        return {}

    @router.post("/clock")
    def clock(body: JsonBody) -> Json:
        books.clock.advance(float(body["advance_s"]))
        return {"now": books.now().isoformat()}

    @router.post("/tokens/forget")
    def forget_tokens() -> Json:
        books.tokens.forget()
        return {"grants": books.tokens.grants}


def _switches(body: Json) -> Json:
    """Only known switches, with values they can have."""
    TypeAdapter(Switches).validate_python(body)
    return body


def _add_views(router: APIRouter, desks: Desks, edge: FaultyEdge) -> None:
    @router.get("/calls")
    def calls() -> Json:
        grants = desks.books.tokens.grants
        return {"calls": [asdict(call) for call in list(edge.calls)], "grants": grants}

    @router.get("/totals")
    def totals() -> Json:
        return _totals(desks.payments.all())


def _totals(payments: Sequence[Payment]) -> Json:
    """Every payment in short, and count and sum per status: for reconciliation."""
    by_status: dict[str, dict[str, int]] = {}
    for payment in payments:
        total = by_status.setdefault(payment.status, {"count": 0, "sum": 0, "paid_sum": 0})
        total["count"] += 1
        total["sum"] += payment.source["amount"]
        total["paid_sum"] += payment.paid_amount or 0
    rows = [
        {
            "id": f"pay_{payment.id}",
            "status": payment.status,
            "amount": payment.source["amount"],
            "paid_amount": payment.paid_amount,
            "refunded_amount": payment.refunded,
            "currency": payment.source["currency"],
            "metadata": payment.metadata,
        }
        for payment in payments
    ]
    return {"payments": rows, "by_status": by_status}
