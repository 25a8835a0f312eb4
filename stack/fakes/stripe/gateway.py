"""The fake's HTTP surface: Stripe's own API; the control API is beside it."""

import base64
import binascii
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from stack.fakes.edge import CONTROL, FaultyEdge
from stack.fakes.stripe import accounts, disputes, payments, refunds, transfers, webhooks
from stack.fakes.stripe.books import API_VERSION, EVENTS_KEPT, LIST, Books, Table, page
from stack.fakes.stripe.cards import refuse_numbers
from stack.fakes.stripe.control import control_routes
from stack.fakes.stripe.forms import Fields, nested
from stack.fakes.stripe.once import Answer, Once
from stack.fakes.stripe.words import Json, Refused, invalid

API = "/v1"
FORM = "application/x-www-form-urlencoded"

Effect = Callable[[Books, Fields, str], Json]
"""What a call does: given its parameters and the id in its path, empty when there is none."""

_WRITES: Final[dict[str, Effect]] = {
    "/payment_intents": lambda books, fields, _: payments.create(books, fields),
    "/payment_intents/{id}/confirm": lambda books, fields, id_: payments.confirm(
        books, id_, fields
    ),
    "/payment_intents/{id}/capture": lambda books, fields, id_: payments.capture(
        books, id_, fields
    ),
    "/payment_intents/{id}/cancel": lambda books, fields, id_: payments.cancel(books, id_, fields),
    "/refunds": lambda books, fields, _: refunds.create(books, fields),
    "/disputes/{id}": lambda books, fields, id_: disputes.update(books, id_, fields),
    "/disputes/{id}/close": lambda books, fields, id_: disputes.close(books, id_, fields),
    "/customers": lambda books, fields, _: accounts.create_customer(books, fields),
    "/accounts": lambda books, fields, _: accounts.create_account(books, fields),
    "/transfers": lambda books, fields, _: transfers.create(books, fields),
    "/transfers/{id}/reversals": lambda books, fields, id_: transfers.reverse(books, id_, fields),
    "/webhook_endpoints": lambda books, fields, _: webhooks.create(books, fields),
}
_LISTS: Final[dict[str, tuple[Table, tuple[str, ...]]]] = {
    "/payment_intents": ("payment_intent", ("customer",)),
    "/charges": ("charge", ("customer", "payment_intent", "transfer_group")),
    "/refunds": ("refund", ("charge", "payment_intent")),
    "/disputes": ("dispute", ("charge", "payment_intent")),
    "/customers": ("customer", ("email",)),
    "/accounts": ("account", ()),
    "/transfers": ("transfer", ("destination", "transfer_group")),
    "/webhook_endpoints": ("webhook_endpoint", ()),
}
"""Every list, with the members it can be filtered by."""


class Call:
    """One call with its parameters, authorized."""

    def __init__(self, request: Request, fields: Fields) -> None:
        self.fields = fields
        self.path = request.url.path.removeprefix(API)
        self.key = request.headers.get("Idempotency-Key")
        self.id = str(request.path_params.get("id", ""))
        self.site = str(request.base_url).rstrip("/")


def create_fake(books: Books) -> FaultyEdge:
    """Build the ASGI app over its memory; it delivers webhooks while it is served."""
    sender = webhooks.make_sender(books)
    once = Once(books)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        sender.start()
        yield
        sender.stop()

    async def on_refused(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):  # no such path, or not by this method
            message = f"Unrecognized request URL ({request.method}: {request.url.path})."
            error = Refused(error.status_code, message)
        if not isinstance(error, Refused):
            raise error
        return _respond(books, request, Answer(error.status, error.body))

    app = FastAPI(title="Fake Stripe", lifespan=lifespan)
    app.add_exception_handler(Refused, on_refused)
    app.add_exception_handler(HTTPException, on_refused)
    app.include_router(_write_routes(books, once), prefix=API)
    app.include_router(_read_routes(books), prefix=API)

    @app.get("/setup/e/{account}/{_token}")
    def onboard(account: str, _token: str) -> Response:
        """What a receiver's browser does with an onboarding link."""
        with books.lock:
            accounts.move_account(books, account, "active")
        return RedirectResponse("https://connect.stripe.com/setup/complete", status_code=303)

    edge = FaultyEdge(app, books.clock, base_path=API, error_body=_fault_body)
    app.include_router(control_routes(books, once, sender, edge), prefix=CONTROL)
    return edge


def _fault_body(_status: int, message: str) -> Json:
    return {"error": {"message": message, "type": "api_error"}}


def _respond(books: Books, request: Request, answer: Answer) -> Response:
    headers = {
        "Request-Id": books.new_id("req"),
        "Stripe-Version": request.headers.get("Stripe-Version", API_VERSION),
    }
    key = request.headers.get("Idempotency-Key")
    if key is not None:
        headers["Idempotency-Key"] = key
    if answer.is_replay:
        headers["Idempotent-Replayed"] = "true"
    if answer.status >= 500:  # noqa: PLR2004 - a server's trouble, and stored: repeating is in vain
        headers["Stripe-Should-Retry"] = "false"
    return JSONResponse(answer.body, answer.status, headers)


def _calls(books: Books) -> Callable[[Request], object]:
    async def read(request: Request) -> Call:
        _check_key(books, request.headers.get("Authorization", ""))
        text = request.url.query
        if request.method == "POST":
            raw = await request.body()
            if raw and not request.headers.get("Content-Type", "").startswith(FORM):
                raise invalid(f"Invalid request (check that your POST content type is {FORM}).")
            text = raw.decode(errors="replace")
        fields = Fields(nested(parse_qsl(text, keep_blank_values=True)))
        refuse_numbers(fields.values)
        return Call(request, fields)

    return read


def _check_key(books: Books, authorization: str) -> None:
    """Take the secret key as a bearer token, or as the user of Basic authentication."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            given = ""
    if not given:
        raise Refused(401, "You did not provide an API key.")
    if given != books.secret_key:
        raise Refused(401, f"Invalid API Key provided: {given[:7]}****")


def _write_routes(books: Books, once: Once) -> APIRouter:
    router = APIRouter()
    take = Depends(_calls(books))

    def add(path: str, effect: Effect) -> None:
        def endpoint(request: Request, call: Annotated[Call, take]) -> Response:
            def run() -> Json:
                return books.shown(effect(books, call.fields, call.id), call.fields)

            answer = once.answer(call.path, call.key, call.fields.values, run)
            return _respond(books, request, answer)

        router.add_api_route(path, endpoint, methods=["POST"])

    for path, effect in _WRITES.items():
        add(path, effect)

    @router.post("/account_links")
    def create_link(request: Request, call: Annotated[Call, take]) -> Response:
        def run() -> Json:
            return accounts.create_link(books, call.fields, site=call.site)

        answer = once.answer(call.path, call.key, call.fields.values, run)
        return _respond(books, request, answer)

    def delete_endpoint(request: Request, call: Annotated[Call, take]) -> Response:
        with books.lock:
            return _respond(books, request, Answer(200, webhooks.delete(books, call.id)))

    router.add_api_route("/webhook_endpoints/{id}", delete_endpoint, methods=["DELETE"])
    return router


def _read_routes(books: Books) -> APIRouter:
    router = APIRouter()
    take = Depends(_calls(books))

    def add(path: str, read: Callable[[Call], Json]) -> None:
        def endpoint(request: Request, call: Annotated[Call, take]) -> Response:
            with books.lock:
                body = books.shown(read(call), call.fields)
            return _respond(books, request, Answer(200, body))

        router.add_api_route(path, endpoint, methods=["GET"])

    for path, (table, filters) in _LISTS.items():
        add(path, _lister(books, path, table, filters))
        add(path + "/{id}", _getter(books, table))
    add("/events", lambda call: _events(books, call.fields))
    add("/events/{id}", _getter(books, "event"))
    add("/balance", lambda _call: accounts.balance(books))
    add(
        "/transfers/{id}/reversals",
        lambda call: page(
            transfers.reversals(books, call.id), call.fields, f"/v1/transfers/{call.id}/reversals"
        ),
    )
    return router


def _getter(books: Books, table: Table) -> Callable[[Call], Json]:
    def read(call: Call) -> Json:
        call.fields.allow()
        return books.get(table, call.id)

    return read


def _lister(
    books: Books, path: str, table: Table, filters: tuple[str, ...]
) -> Callable[[Call], Json]:
    def read(call: Call) -> Json:
        call.fields.allow(*LIST, *filters)
        rows = books.rows(table, **{name: call.fields.text(name) for name in filters})
        return page(rows, call.fields, API + path)

    return read


def _events(books: Books, fields: Fields) -> Json:
    """Events of the last thirty days; a type may end in ``*``."""
    fields.allow(*LIST, "delivery_success", "type", "types")
    kind, kinds = fields.text("type"), fields.texts("types")
    if kind is not None and kinds:
        raise invalid("Use either type or types", param="types")
    if len(kinds) > 20:  # noqa: PLR2004 - as documented
        raise invalid("types has 20 names at most.", param="types")
    oldest = int((books.now() - EVENTS_KEPT).timestamp())

    def is_wanted(event: Json) -> bool:
        name = str(event["type"])
        if kind is not None and kind.endswith("*"):
            return name.startswith(kind[:-1])
        return name in (kinds or [kind or name])

    rows = [
        row
        for row in books.rows("event")
        if row["created"] >= oldest and "account" not in row and is_wanted(row)
    ]
    return page(rows, fields, API + "/events")
