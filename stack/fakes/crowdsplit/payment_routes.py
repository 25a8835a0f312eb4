"""Payments, their refunds and disputes, transactions, transfers."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from stack.fakes.crowdsplit.listing import answer_page, documents, matching, transactions
from stack.fakes.crowdsplit.records import Payment
from stack.fakes.crowdsplit.routing import Desks, JsonBody, Key, OptionalBody, envelope
from stack.fakes.crowdsplit.words import Json, invalid


def payment_routes(desks: Desks) -> APIRouter:
    """Build the router."""
    router = APIRouter()
    _add_payments(router, desks)
    _add_steps(router, desks)
    _add_transactions(router, desks)
    _add_disputes(router, desks)
    return router


def _add_payments(router: APIRouter, desks: Desks) -> None:
    books, payments = desks.books, desks.payments

    @router.post("/payments", status_code=HTTPStatus.CREATED)
    def create_payment(body: JsonBody, key: Key = None) -> Json:
        return envelope(books.once("/payments", key, body, lambda: payments.create(body)))

    @router.post("/payments/{identifier}/refund")
    def refund(identifier: str, body: OptionalBody = None, key: Key = None) -> Json:
        wanted = body or {}
        path = f"/payments/{identifier}/refund"
        effect = books.once(path, key, wanted, lambda: desks.claims.refund(identifier, wanted))
        return envelope(effect)

    @router.post("/transfer", status_code=HTTPStatus.CREATED)
    def transfer(body: JsonBody, key: Key = None) -> Json:
        return envelope(books.once("/transfer", key, body, lambda: desks.transfers.create(body)))

    @router.post("/transfer/webhook")
    def settle_transfer(body: JsonBody) -> Json:
        status = str(body.get("status", "")).lower()
        if status not in {"succeeded", "failed"}:
            raise invalid("status must be succeeded or failed")
        identifier = str(body.get("transfer_id", ""))
        settled = desks.transfers.settle(identifier, succeeds=status == "succeeded")
        return envelope(settled.document(books.dialect))


def _add_steps(router: APIRouter, desks: Desks) -> None:
    payments = desks.payments
    steps: dict[str, Callable[[str], Payment]] = {
        "confirm": payments.confirm,
        "capture": payments.capture,
        "cancel": payments.cancel,
        "sandbox/paid": lambda identifier: payments.pay(identifier, None),
        "sandbox/settle": payments.settle,
    }
    for name, step in steps.items():
        path = f"/payments/{{identifier}}/{name}"
        router.add_api_route(path, _step(desks, name, step), methods=["POST"])


def _step(desks: Desks, name: str, step: Callable[[str], Payment]) -> Callable[..., Json]:
    books = desks.books

    def move(identifier: str, key: Key = None) -> Json:
        path = f"/payments/{identifier}/{name}"
        effect = books.once(path, key, {}, lambda: step(identifier).document(books.dialect))
        return envelope(effect)

    return move


def _add_transactions(router: APIRouter, desks: Desks) -> None:
    books = desks.books

    @router.get("/transactions")
    def list_transactions(request: Request) -> JSONResponse:
        rows = transactions(books, request.query_params)
        return answer_page(request, books, "transaction_list", documents(books, rows))

    @router.get("/transactions/{identifier}")
    def read_transaction(identifier: str) -> Json:
        return envelope(books.transaction(identifier).document(books.dialect))

    @router.get("/payments/{identifier}")
    def read_payment(identifier: str) -> Json:
        return envelope(desks.payments.find(identifier).document(books.dialect))

    @router.patch("/transactions/{identifier}/settle")
    def settle(identifier: str, body: JsonBody) -> Json:
        if str(body.get("status", "")).upper() != "SETTLED":
            raise invalid("status must be SETTLED")
        desks.payments.settle(identifier)
        return envelope(None)


def _add_disputes(router: APIRouter, desks: Desks) -> None:
    books = desks.books

    @router.get("/disputes")
    def list_disputes(request: Request) -> JSONResponse:
        with books.lock:
            rows = list(reversed(books.disputes.values()))
        found = matching(books, request.query_params, rows)
        return answer_page(request, books, "dispute_list", documents(books, found))

    def answer(identifier: str, step: str, body: OptionalBody = None) -> Json:
        if step not in {"evidence", "submit", "close"}:
            raise invalid("no such step")
        return envelope(desks.claims.answer(identifier, step, body or {}).document(books.dialect))

    router.add_api_route("/disputes/{identifier}/{step}", answer, methods=["PUT"])
