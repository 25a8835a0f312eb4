"""The fake's HTTP surface: the gateway's own API and the control API beside it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, Header, Request
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter

from stack.fakes.crowdsplit.books import (
    PAGE_DEFAULT,
    PAGE_MAX,
    Books,
    Payment,
)
from stack.fakes.crowdsplit.delivery import Chaos, Sender
from stack.fakes.crowdsplit.faults import API, Fault, FaultyEdge
from stack.fakes.crowdsplit.words import Refused, bare, invalid, not_found

JsonBody = Annotated[dict[str, Any], Body()]
OptionalBody = Annotated[dict[str, Any] | None, Body()]
Key = Annotated[str | None, Header(alias="Idempotency-Key")]
Json = dict[str, Any]


def create_fake(books: Books, sender: Sender) -> FaultyEdge:
    """Build the ASGI app over its memory; it runs the sender while it is served."""
    books.listener = sender.send

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        sender.start()
        yield
        sender.stop()

    async def on_refused(_request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, Refused):
            raise error
        return JSONResponse(error.body, error.status)

    app = FastAPI(title="Fake CrowdSplit", lifespan=lifespan)
    app.add_exception_handler(Refused, on_refused)
    app.include_router(_open_routes(books), prefix=API)
    for router in (_payment_routes(books), _webhook_routes(books, sender)):
        app.include_router(router, prefix=API)

    @app.get("/api/health")
    def health() -> Json:
        return {"status": "ok"}

    edge = FaultyEdge(app, books)
    app.include_router(_control_routes(books, sender, edge), prefix="/__fake__")
    return edge


def _envelope(data: object, msg: str = "success") -> Json:
    return {"msg": msg, "data": data}


def _open_routes(books: Books) -> APIRouter:
    router = APIRouter()

    @router.post("/merchant/token/grant")
    def grant(body: JsonBody) -> Json:
        return books.grant(body)  # flat: not in the envelope

    return router


def _authorized(books: Books) -> APIRouter:
    def check(authorization: Annotated[str, Header()] = "") -> None:
        books.check_token(authorization)

    return APIRouter(dependencies=[Depends(check)])


def _payment_routes(books: Books) -> APIRouter:
    router = _authorized(books)

    @router.post("/customers", status_code=HTTPStatus.CREATED)
    def create_customer(body: JsonBody, key: Key = None) -> Json:
        effect = books.once("/customers", key, body, lambda: books.create_customer(body))
        return _envelope(effect)

    @router.post("/payments", status_code=HTTPStatus.CREATED)
    def create_payment(body: JsonBody, key: Key = None) -> Json:
        effect = books.once("/payments", key, body, lambda: books.create_payment(body))
        return _envelope(effect)

    @router.get("/transactions")
    def list_transactions(request: Request) -> Json:
        rows = books.payments(request.query_params)
        limit, offset = _page(request)
        page = [row.document() for row in rows[offset : offset + limit]]
        has_more = offset + limit < len(rows)
        return _envelope({"count": len(rows), "transaction_list": page, "has_more": has_more})

    @router.get("/transactions/{identifier}")
    @router.get("/payments/{identifier}")
    def read_payment(identifier: str) -> Json:
        return _envelope(books.payment(identifier).document())

    @router.post("/payments/{identifier}/cancel")
    def cancel(identifier: str, key: Key = None) -> Json:
        path = f"/payments/{identifier}/cancel"
        return _envelope(books.once(path, key, {}, lambda: books.cancel(identifier).document()))

    @router.post("/payments/{identifier}/refund")
    def refund(identifier: str, body: OptionalBody = None, key: Key = None) -> Json:
        wanted = body or {}
        amount = wanted.get("amount")
        path = f"/payments/{identifier}/refund"
        return _envelope(books.once(path, key, wanted, lambda: books.refund(identifier, amount)))

    @router.post("/payments/{identifier}/sandbox/paid")
    def sandbox_paid(identifier: str) -> Json:
        return _envelope(books.pay(identifier, None).document())

    return router


def _page(request: Request) -> tuple[int, int]:
    try:
        limit = int(request.query_params.get("limit", PAGE_DEFAULT))
        offset = int(request.query_params.get("offset", 0))
    except ValueError:
        raise invalid("limit and offset must be integers") from None
    return max(1, min(limit, PAGE_MAX)), max(0, offset)


def _webhook_routes(books: Books, sender: Sender) -> APIRouter:
    router = _authorized(books)

    @router.post("/merchant/webhooks", status_code=HTTPStatus.CREATED)
    def register(body: JsonBody) -> Json:
        url = body.get("url")
        if not isinstance(url, str) or not url.startswith("http"):
            raise invalid("url is required")
        made = books.register_endpoint(url)
        return _envelope({"id": f"whk_{made.id}", "url": url, "secret": made.secret})

    @router.delete("/merchant/webhooks/{identifier}")
    def unregister(identifier: str) -> Json:
        if books.endpoints.pop(bare(identifier, "whk"), None) is None:
            raise not_found("webhook")
        return _envelope(None)

    @router.get("/merchant/webhooks")
    def list_webhooks() -> Json:
        rows = [{"id": f"whk_{e.id}", "url": e.url} for e in books.endpoints.values()]
        return _envelope({"count": len(rows), "webhook_list": rows})

    @router.get("/merchant/webhooks/notifications")
    def notifications(request: Request) -> Json:
        wanted = request.query_params.get("status")
        rows = [
            {
                "id": row.id,
                "event": row.event,
                "category": row.category,
                "is_acknowledged": row.status == "delivered",
                "status": row.status,
                "delivery_attempts": row.attempts,
            }
            for row in list(sender.notifications)
            if wanted in {None, row.status}
        ]
        return _envelope({"count": len(rows), "notification_list": rows})

    @router.post("/merchant/webhooks/notifications/{identifier}/replay", status_code=202)
    def replay(identifier: str) -> Json:
        if not sender.replay(identifier):
            raise not_found("notification")
        return _envelope(None)

    return router


def _control_routes(books: Books, sender: Sender, edge: FaultyEdge) -> APIRouter:
    router = APIRouter()

    @router.post("/payments/{identifier}/pay")
    def pay(identifier: str, body: OptionalBody = None) -> Json:
        return books.pay(identifier, (body or {}).get("amount")).document()

    @router.post("/payments/{identifier}/fail")
    def fail(identifier: str) -> Json:
        return books.move(identifier, "payment.failed", status="failed").document()

    @router.post("/webhooks")
    def chaos(body: JsonBody) -> Json:
        wanted = TypeAdapter(Chaos).validate_python(body)
        sender.set_chaos(wanted)
        return asdict(wanted)

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
        books.advance(float(body["advance_s"]))
        return {"now": books.now().isoformat()}

    @router.post("/tokens/forget")
    def forget_tokens() -> Json:
        books.forget_tokens()
        return {"grants": books.token_grants}

    @router.get("/calls")
    def calls() -> Json:
        return {"calls": [asdict(c) for c in list(edge.calls)], "grants": books.token_grants}

    @router.get("/totals")
    def totals() -> Json:
        return _totals(books.payments({}))

    return router


def _totals(payments: list[Payment]) -> Json:
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
            "refunded_amount": sum(part for _, part in payment.refunds),
            "currency": payment.source["currency"],
            "metadata": payment.metadata,
        }
        for payment in payments
    ]
    return {"payments": rows, "by_status": by_status}
