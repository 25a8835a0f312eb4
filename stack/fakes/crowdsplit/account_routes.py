"""Customers, their registration at the provider, and their payment methods."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from stack.fakes.crowdsplit.listing import answer_page, documents
from stack.fakes.crowdsplit.records import PROVIDER
from stack.fakes.crowdsplit.routing import Desks, JsonBody, Key, envelope
from stack.fakes.crowdsplit.words import Json, invalid


def account_routes(desks: Desks) -> APIRouter:
    """Build the router."""
    router = APIRouter()
    _add_customers(router, desks)
    _add_registrations(router, desks)
    _add_methods(router, desks)
    return router


def _add_customers(router: APIRouter, desks: Desks) -> None:
    books, accounts = desks.books, desks.accounts

    @router.post("/customers", status_code=HTTPStatus.CREATED)
    def create_customer(body: JsonBody, key: Key = None) -> Json:
        return envelope(books.once("/customers", key, body, lambda: accounts.create(body)))

    @router.get("/customers")
    def list_customers(request: Request) -> JSONResponse:
        rows = documents(books, accounts.customers(request.query_params))
        return answer_page(request, books, "customer_list", rows)

    @router.get("/customers/{identifier}")
    def read_customer(identifier: str) -> Json:
        return envelope(accounts.customer(identifier).document(books.dialect))

    @router.put("/customers/{identifier}")
    def change_customer(identifier: str, body: JsonBody) -> Json:
        return envelope(accounts.change(identifier, body))


def _add_registrations(router: APIRouter, desks: Desks) -> None:
    books, accounts = desks.books, desks.accounts

    @router.get("/provider-registration/schema")
    def schema(provider: str) -> Json:
        if provider != PROVIDER:
            raise invalid("provider is not known")
        words = {"account_type": {"type": "string", "enum": ["individual", "company"]}}
        return envelope({"type": "object", "required": ["account_type"], "properties": words})

    @router.post("/provider-registration/{identifier}/submit")
    def submit(identifier: str, body: JsonBody, key: Key = None) -> Json:
        path = f"/provider-registration/{identifier}"
        effect = books.once(path, key, body, lambda: accounts.submit(identifier, body))
        return envelope(effect["rows"])

    @router.get("/provider-registration/{identifier}/status")
    def status(identifier: str) -> Json:
        found = accounts.customer(identifier).registration
        return envelope([] if found is None else [found.document(books.dialect)])


def _add_methods(router: APIRouter, desks: Desks) -> None:
    books, accounts = desks.books, desks.accounts
    methods = "/customers/{identifier}/payment_methods"

    @router.post(methods, status_code=HTTPStatus.CREATED)
    def add_method(identifier: str, body: JsonBody, key: Key = None) -> Json:
        path = f"/customers/{identifier}/payment_methods"
        effect = books.once(path, key, body, lambda: accounts.add_method(identifier, body))
        return envelope(effect)

    @router.get(methods)
    def list_methods(identifier: str, type: str = "", status: str = "") -> Json:  # noqa: A002
        found = reversed(accounts.customer(identifier).methods.values())
        rows = [
            row for row in found if type in {"", row.terms["type"]} and status in {"", row.status}
        ]
        return envelope(documents(books, rows))

    @router.get(methods + "/{method_id}")
    def read_method(identifier: str, method_id: str) -> Json:
        return envelope(accounts.method(identifier, method_id).document(books.dialect))

    @router.delete(methods + "/{method_id}")
    def remove_method(identifier: str, method_id: str) -> Json:
        accounts.remove_method(identifier, method_id)
        return envelope(None, "payment method deleted")
