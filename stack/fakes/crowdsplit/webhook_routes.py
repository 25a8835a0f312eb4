"""Where webhooks go, what was sent, and sending it again."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from stack.fakes.crowdsplit.books import Books, Hook
from stack.fakes.crowdsplit.listing import answer_page
from stack.fakes.crowdsplit.routing import Desks, JsonBody, Key, envelope
from stack.fakes.crowdsplit.webhooks import Told, row_of
from stack.fakes.crowdsplit.words import Json, bare, conflict, invalid, not_found, wire


def webhook_routes(desks: Desks) -> APIRouter:
    """Build the router; notifications come first, for they look like the id of a webhook."""
    router = APIRouter()
    _add_notifications(router, desks)
    _add_registering(router, desks.books)
    _add_changing(router, desks.books)
    return router


def _shown(books: Books, hook: Hook) -> Json:
    return {
        "id": wire("whk", hook.endpoint.id, books.dialect),
        "url": hook.endpoint.url,
        "description": hook.description,
        "is_active": hook.is_active,
    }


def _find(books: Books, identifier: str) -> Hook:
    found = books.hooks.get(bare(identifier, "whk"))
    if found is None:
        raise not_found("webhook")
    return found


def _add_registering(router: APIRouter, books: Books) -> None:
    @router.post("/merchant/webhooks", status_code=HTTPStatus.CREATED)
    def register(body: JsonBody, key: Key = None) -> Json:
        def effect() -> Json:
            hook = books.register_endpoint(
                body.get("url"),
                description=body.get("description"),
                event_types=body.get("event_types"),
            )
            return {**_shown(books, hook), "secret": hook.endpoint.secret}

        return envelope(books.once("/merchant/webhooks", key, body, effect))

    @router.get("/merchant/webhooks")
    def list_webhooks(request: Request) -> JSONResponse:
        rows = [_shown(books, hook) for hook in reversed(books.hooks.values())]
        return answer_page(request, books, "webhook_list", rows, is_bare=True)


def _add_changing(router: APIRouter, books: Books) -> None:
    @router.get("/merchant/webhooks/{identifier}")
    def read_webhook(identifier: str) -> Json:
        return envelope(_shown(books, _find(books, identifier)))

    @router.put("/merchant/webhooks/{identifier}")
    def change(identifier: str, body: JsonBody) -> Json:
        with books.lock:
            hook = _find(books, identifier)
            url = body.get("url", hook.endpoint.url)
            if any(h is not hook and h.endpoint.url == url for h in books.hooks.values()):
                raise conflict("this url is registered")
            if not isinstance(url, str):
                raise invalid("url must be a string")
            hook.endpoint.url = url
            hook.description = body.get("description", hook.description)
            return envelope(_shown(books, hook))

    @router.delete("/merchant/webhooks/{identifier}")
    def unregister(identifier: str) -> Json:
        with books.lock:
            del books.hooks[_find(books, identifier).endpoint.id]
        return envelope({"success": True})

    @router.patch("/merchant/webhooks/{identifier}/toggle")
    def toggle(identifier: str) -> Json:
        hook = _find(books, identifier)
        hook.is_active = not hook.is_active
        return envelope(_shown(books, hook))


def _add_notifications(router: APIRouter, desks: Desks) -> None:
    books, reporter = desks.books, desks.reporter
    notifications = "/merchant/webhooks/notifications"

    def find(identifier: str) -> Told:
        wanted = bare(identifier, "evt")
        found = next((row for row in reporter.rows() if bare(row.id, "evt") == wanted), None)
        if found is None:
            raise not_found("notification")
        return found

    @router.get(notifications)
    def list_notifications(request: Request) -> JSONResponse:
        query = dict(request.query_params)
        rows = [row_of(told, books.dialect) for told in reporter.rows()]
        names = {"status", "event", "category"} if books.dialect == "gen3" else set()
        wanted = {name: query[name] for name in names if name in query}
        rows = [row for row in rows if all(row[name] == text for name, text in wanted.items())]
        reference = query.get("reference_id")
        if reference is not None:
            rows = [row for row in rows if row["data"]["id"] == reference]
        return answer_page(request, books, "notification_list", rows)

    @router.get(notifications + "/{identifier}")
    def read_notification(identifier: str) -> Json:
        return envelope(row_of(find(identifier), books.dialect))

    @router.post(notifications + "/{identifier}/replay", status_code=HTTPStatus.ACCEPTED)
    def replay(identifier: str) -> Json:
        told = find(identifier)
        if books.dialect == "gen2":
            raise not_found("route")
        reporter.sender.replay(told.id)
        return envelope(None)
