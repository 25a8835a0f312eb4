"""The fake's API about receivers."""

from http import HTTPStatus

from fastapi import APIRouter, Request

from stack.fakes.paystack.books import Books
from stack.fakes.paystack.fields import Fields
from stack.fakes.paystack.receivers import Receivers
from stack.fakes.paystack.words import Json, ok, paged


def receiver_routes(books: Books, receivers: Receivers) -> APIRouter:
    """Recipients and subaccounts."""
    router = APIRouter()

    @router.post("/transferrecipient", status_code=HTTPStatus.CREATED)
    def create_recipient(fields: Fields) -> Json:
        return ok("Transfer recipient created successfully", receivers.create_recipient(fields))

    @router.get("/transferrecipient")
    def list_recipients(request: Request) -> Json:
        rows = list(receivers.recipients.values())
        return paged("Recipients retrieved", rows, request.query_params)

    @router.get("/transferrecipient/{name}")
    def fetch_recipient(name: str) -> Json:
        return ok("Recipient retrieved", receivers.recipient(name))

    @router.delete("/transferrecipient/{name}")
    def delete_recipient(name: str) -> Json:
        receivers.delete_recipient(name)
        return ok("Transfer recipient set as inactive", None)

    @router.post("/subaccount", status_code=HTTPStatus.CREATED)
    def create_subaccount(fields: Fields) -> Json:
        return ok("Subaccount created", receivers.create_subaccount(fields))

    @router.get("/subaccount")
    def list_subaccounts(request: Request) -> Json:
        rows = list(books.subaccounts.values())
        return paged("Subaccounts retrieved", rows, request.query_params)

    @router.get("/subaccount/{name}")
    def fetch_subaccount(name: str) -> Json:
        return ok("Subaccount retrieved", receivers.subaccount(name))

    @router.put("/subaccount/{name}")
    def update_subaccount(name: str, fields: Fields) -> Json:
        return ok("Subaccount updated", receivers.update_subaccount(name, fields))

    return router


def split_routes(books: Books, receivers: Receivers) -> APIRouter:
    """Splits kept under a code, and the settlements that were paid out."""
    router = APIRouter()

    @router.post("/split")
    def create_split(fields: Fields) -> Json:
        return ok("Split created", receivers.create_split(fields))

    @router.get("/split")
    def list_splits(request: Request) -> Json:
        return paged("Split retrieved", list(books.splits.values()), request.query_params)

    @router.get("/split/{name}")
    def fetch_split(name: str) -> Json:
        return ok("Split retrieved", receivers.split(name))

    @router.get("/settlement")
    def list_settlements(request: Request) -> Json:
        rows = [
            {name: value for name, value in row.items() if name != "transactions"}
            for row in books.settlements()
        ]
        return paged("Settlements retrieved", rows, request.query_params)

    @router.get("/settlement/{number}/transaction")
    @router.get("/settlement/{number}/transactions")
    def settled_transactions(request: Request, number: str) -> Json:
        rows = [row for row in books.settlements() if str(row["id"]) == number]
        found = rows[0]["transactions"] if rows else []
        return paged("Transactions retrieved", found, request.query_params)

    return router
