"""The fake's HTTP surface: the gateway's own API, its hosted page, and the control API."""

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from stack.fakes.edge import CONTROL, FaultyEdge
from stack.fakes.paystack.books import Books
from stack.fakes.paystack.claims import Claims
from stack.fakes.paystack.control import control_routes
from stack.fakes.paystack.fields import Fields
from stack.fakes.paystack.page import checkout_page, return_address
from stack.fakes.paystack.receiver_routes import receiver_routes, split_routes
from stack.fakes.paystack.receivers import Receivers
from stack.fakes.paystack.transfers import Transfers
from stack.fakes.paystack.webhooks import make_sender
from stack.fakes.paystack.words import Json, Refused, ok, paged


def create_fake(books: Books) -> FaultyEdge:
    """Build the ASGI app over its memory; it delivers webhooks while it is served."""
    sender, claims, receivers = make_sender(books), Claims(books), Receivers(books)
    transfers = Transfers(books, receivers)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        sender.start()
        yield
        sender.stop()

    async def on_refused(_request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, Refused):
            raise error
        return JSONResponse(error.body, error.status)

    app = FastAPI(title="Fake Paystack", lifespan=lifespan)
    app.add_exception_handler(Refused, on_refused)
    authorized = [Depends(_key_check(books))]
    for router in (
        _transaction_routes(books),
        _claim_routes(claims),
        _transfer_routes(books, transfers),
        receiver_routes(books, receivers),
        split_routes(books, receivers),
    ):
        app.include_router(router, dependencies=authorized)
    app.include_router(_page_routes(books))
    edge = FaultyEdge(app, books.clock, base_path="", error_body=_fault_body)
    control = control_routes(books, claims, transfers, sender=sender, edge=edge)
    app.include_router(control, prefix=CONTROL)
    return edge


def _fault_body(status: int, message: str) -> Json:
    code = {404: "not_found", 429: "rate_limited"}.get(status, "unknown")
    return Refused(message, code, status=status, kind="api_error").body


def _key_check(books: Books) -> Any:  # noqa: ANN401 - FastAPI takes any callable
    def check(authorization: Annotated[str, Header()] = "") -> None:
        if not authorization:
            raise Refused(
                "No Authorization Header was found", "missing_key", status=HTTPStatus.UNAUTHORIZED
            )
        given = authorization.removeprefix("Bearer ").encode()
        if not hmac.compare_digest(given, books.secret_key.encode()):
            raise Refused("Invalid key", "invalid_Key", status=HTTPStatus.UNAUTHORIZED)

    return check


def _transaction_routes(books: Books) -> APIRouter:
    router = APIRouter(prefix="/transaction")

    @router.post("/initialize")
    def initialize(request: Request, fields: Fields) -> Json:
        made = books.initialize(fields)
        return ok(
            "Authorization URL created",
            {
                "authorization_url": f"{request.base_url}checkout/{made.access_code}",
                "access_code": made.access_code,
                "reference": made.reference,
            },
        )

    @router.get("/verify/{reference}")
    def verify(reference: str) -> Json:
        return ok("Verification successful", books.transaction(reference).document())

    @router.get("")
    def list_transactions(request: Request) -> Json:
        rows = [row.document() for row in books.listed(request.query_params)]
        return paged("Transactions retrieved", rows, request.query_params)

    @router.get("/{number}")
    def fetch(number: str) -> Json:
        return ok("Transaction retrieved", books.by_number(number).document())

    return router


def _claim_routes(claims: Claims) -> APIRouter:
    router = APIRouter()

    @router.post("/refund")
    def create_refund(fields: Fields) -> Json:
        made = claims.refund(fields)
        shown = {**made.document(), "transaction": made.transaction.document()}
        return ok("Refund has been queued for processing", shown)

    @router.get("/refund")
    def list_refunds(request: Request) -> Json:
        rows = [row.document() for row in claims.listed_refunds(request.query_params)]
        return paged("Refunds retrieved", rows, request.query_params)

    @router.get("/refund/{identifier}")
    def fetch_refund(identifier: str) -> Json:
        return ok("Refund retrieved", claims.found_refund(identifier).document())

    @router.post("/refund/retry_with_customer_details/{identifier}")
    def retry_refund(identifier: str, fields: Fields) -> Json:
        made = claims.retry_refund(identifier, fields)
        return ok("Refund retried and has been queued for processing", made.document())

    @router.get("/dispute")
    def list_disputes(request: Request) -> Json:
        rows = [row.document() for row in claims.listed_disputes(request.query_params)]
        return paged("Disputes retrieved", rows, request.query_params)

    @router.get("/dispute/{identifier}")
    def fetch_dispute(identifier: str) -> Json:
        return ok("Dispute retrieved", claims.found_dispute(identifier).document())

    @router.get("/dispute/transaction/{number}")
    def disputes_of(number: str) -> Json:
        rows = claims.listed_disputes({"transaction": number})
        return ok("Dispute retrieved successfully", [row.document() for row in rows])

    @router.put("/dispute/{identifier}/resolve")
    def resolve(identifier: str, fields: Fields) -> Json:
        return ok("Dispute successfully resolved", claims.resolve(identifier, fields).document())

    return router


def _transfer_routes(books: Books, transfers: Transfers) -> APIRouter:
    router = APIRouter()

    @router.post("/transfer")
    def transfer(fields: Fields) -> Json:
        made = transfers.transfer(fields)
        told = "Transfer requires OTP to continue" if made.status == "otp" else "Transfer queued"
        return ok(told, {**made.document(), "recipient": made.recipient["id"]})

    @router.post("/transfer/bulk")
    def transfer_all(fields: Fields) -> Json:
        made = transfers.transfer_all(fields)
        return ok(f"{len(made)} transfers queued.", [row.document() for row in made])

    @router.post("/transfer/finalize_transfer")
    def finalize(fields: Fields) -> Json:
        return ok("Transfer has been queued", transfers.finalize(fields).document())

    @router.get("/transfer")
    def list_transfers(request: Request) -> Json:
        rows = [row.document() for row in reversed(list(transfers.transfers.values()))]
        return paged("Transfers retrieved", rows, request.query_params)

    @router.get("/transfer/verify/{reference}")
    def verify(reference: str) -> Json:
        return ok("Transfer retrieved", transfers.by_reference(reference).document())

    @router.get("/transfer/{name}")
    def fetch(name: str) -> Json:
        return ok("Transfer retrieved", transfers.by_code(name).document())

    @router.get("/balance")
    def balance() -> Json:
        rows = [{"currency": name, "balance": held} for name, held in books.balances.items()]
        return ok("Balances retrieved", rows)

    return router


def _page_routes(books: Books) -> APIRouter:
    router = APIRouter(prefix="/checkout")

    @router.get("/{code}")
    def show(code: str) -> HTMLResponse:
        return HTMLResponse(checkout_page(books.open_page(code)))

    @router.post("/{code}")
    def act(code: str, fields: Fields) -> Response:
        found = books.by_access_code(code)
        if fields.get("action") == "pay":
            books.pay(found.reference)
        elif found.status != "failed":
            books.move(found.reference, "failed")
        address = return_address(found)
        if address is None:
            return HTMLResponse(checkout_page(found))
        return RedirectResponse(address, HTTPStatus.SEE_OTHER)

    return router
