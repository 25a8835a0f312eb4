"""The desk of transfers: capped, decided at once or by the control API."""

from collections.abc import Mapping
from typing import Any

from stack.fakes.crowdsplit.accounts import Accounts
from stack.fakes.crowdsplit.books import Books
from stack.fakes.crowdsplit.records import PROVIDER, Transfer
from stack.fakes.crowdsplit.words import (
    Json,
    amount_of,
    bare,
    invalid,
    metadata_of,
    not_found,
    required,
    wrong_state,
)


class Transfers:
    """Every method is one atomic step."""

    def __init__(self, books: Books, accounts: Accounts) -> None:
        self._books = books
        self._accounts = accounts

    def create(self, body: Mapping[str, Any]) -> Json:
        """Begin to move money; how it ends is told later."""
        books = self._books
        source = required(body, "source")
        if body.get("provider") != PROVIDER or source.get("currency") != "brl":
            raise invalid("provider must be pagar_me and source.currency brl")
        amount = amount_of(source.get("amount"), "source.amount")
        cap = books.switches.transfer_cap_minor
        if amount > cap:
            raise invalid(f"a transfer is of at most {cap}", reason="amount_above_limit")
        with books.lock:
            transfer = Transfer(
                **books.new_record(),
                status="created",
                source=dict(source),
                destination=self._destination(body),
                metadata=metadata_of(body),
            )
            books.transactions[transfer.id] = transfer
            answer = transfer.document(books.dialect)
            if books.switches.transfers == "automatic":
                self._end(transfer, succeeds=True)
            return answer

    def _destination(self, body: Mapping[str, Any]) -> Json | None:
        """A receiver whom the provider approved, and where his money goes."""
        if body.get("destination") is None:
            return None
        destination = required(body, "destination")
        identifier = str(required(destination, "customer").get("id", ""))
        registration = self._accounts.customer(identifier).registration
        if registration is None or registration.status != "APPROVED":
            raise invalid("the receiver is not approved")
        method = destination.get("payment_method")
        if isinstance(method, Mapping) and "id" in method:
            self._accounts.method(identifier, str(method["id"]))
        return dict(destination)

    def settle(self, identifier: str, *, succeeds: bool) -> Transfer:
        """Decide a transfer."""
        with self._books.lock:
            transfer = self._books.transactions.get(bare(identifier, "tr"))
            if not isinstance(transfer, Transfer):
                raise not_found("transfer")
            if transfer.status != "created":
                raise wrong_state("this transfer is decided")
            self._end(transfer, succeeds=succeeds)
            return transfer

    def _end(self, transfer: Transfer, *, succeeds: bool) -> None:
        status = "succeeded" if succeeds else "failed"
        self._books.move(transfer, f"transfer.{status}", status=status)
