"""The fake's HTTP surface: the gateway's own API and the control API beside it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Header, Request
from fastapi.responses import JSONResponse

from stack.fakes.crowdsplit.account_routes import account_routes
from stack.fakes.crowdsplit.accounts import Accounts
from stack.fakes.crowdsplit.books import Books
from stack.fakes.crowdsplit.claims import Claims
from stack.fakes.crowdsplit.controls import control_routes
from stack.fakes.crowdsplit.payment_routes import payment_routes
from stack.fakes.crowdsplit.payments import Payments
from stack.fakes.crowdsplit.routing import Desks, JsonBody, envelope
from stack.fakes.crowdsplit.transfers import Transfers
from stack.fakes.crowdsplit.webhook_routes import webhook_routes
from stack.fakes.crowdsplit.webhooks import Reporter
from stack.fakes.crowdsplit.words import Json, Refused
from stack.fakes.edge import CONTROL, FaultyEdge

API = "/api/v1"


def create_fake(books: Books) -> FaultyEdge:
    """Build the ASGI app over its memory; it delivers webhooks while it is served."""
    desks = _desks(books)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        desks.reporter.sender.start()
        yield
        desks.reporter.sender.stop()

    async def on_refused(_request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, Refused):
            raise error
        return JSONResponse(error.body(books.dialect), error.status)

    def fault_body(status: int, msg: str) -> Json:
        code = {404: "not_found", 429: "rate_limited"}.get(status, "internal_error")
        return Refused(status, code, msg).body(books.dialect)

    app = FastAPI(title="Fake CrowdSplit", lifespan=lifespan)
    app.add_exception_handler(Refused, on_refused)
    app.include_router(_open_routes(books), prefix=API)
    let_in = [Depends(_authorized(books))]
    for router in (payment_routes(desks), account_routes(desks), webhook_routes(desks)):
        app.include_router(router, prefix=API, dependencies=let_in)

    @app.get("/api/health")
    def health() -> Json:
        return {"status": "ok"}

    edge = FaultyEdge(app, books.clock, base_path=API, error_body=fault_body)
    app.include_router(control_routes(desks, edge), prefix=CONTROL)
    return edge


def _desks(books: Books) -> Desks:
    accounts = Accounts(books)
    payments = Payments(books, accounts)
    return Desks(
        books=books,
        accounts=accounts,
        payments=payments,
        claims=Claims(books, payments),
        transfers=Transfers(books, accounts),
        reporter=Reporter(books),
    )


def _open_routes(books: Books) -> APIRouter:
    router = APIRouter()

    @router.post("/merchant/token/grant")
    def grant(body: JsonBody) -> Json:
        return books.tokens.grant(body, books.switches.expires_in)  # flat: not in the envelope

    @router.post("/merchant/token/refresh")
    def refresh(body: JsonBody) -> Json:
        return envelope(books.tokens.refresh(body))

    return router


def _authorized(books: Books) -> Callable[[str], None]:
    def check(authorization: Annotated[str, Header()] = "") -> None:
        books.tokens.check(authorization)

    return check
