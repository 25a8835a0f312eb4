"""Transfers of the fake: taken at once, decided later."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from stack.fakes.paystack.books import Books
from stack.fakes.paystack.receivers import Receivers
from stack.fakes.paystack.words import (
    DOMAIN,
    INTEGRATION,
    Json,
    Refused,
    amount_of,
    currency_of,
    invalid,
    not_found,
    stamp,
)

OTP = "123456"
TRANSFER_STATES = frozenset(
    {"pending", "received", "processing", "success", "failed", "reversed", "abandoned", "blocked"}
)
_EVENTS = frozenset({"success", "failed", "reversed"})
_MOVED = frozenset({"pending", "otp", "received", "processing", "success"})
"""States in which the money has left the balance, or is held for it."""
_REFERENCE = re.compile(r"[a-z0-9_-]{16,50}")


@dataclass(slots=True)
class Transfer:
    """One transfer."""

    id: int
    code: str
    reference: str
    amount: int
    currency: str
    recipient: Json
    reason: str
    created_at: datetime
    updated_at: datetime
    status: str

    def document(self) -> Json:
        """The transfer as the API and its events show it."""
        return {
            "id": self.id,
            "integration": INTEGRATION,
            "domain": DOMAIN,
            "amount": self.amount,
            "currency": self.currency,
            "source": "balance",
            "source_details": None,
            "reason": self.reason,
            "recipient": self.recipient,
            "status": self.status,
            "failures": None,
            "transfer_code": self.code,
            "reference": self.reference,
            "titan_code": None,
            "transferred_at": stamp(self.updated_at) if self.status == "success" else None,
            "createdAt": stamp(self.created_at),
            "updatedAt": stamp(self.updated_at),
        }


class Transfers:
    """Money going out. Every public method is one atomic step of the books."""

    def __init__(self, books: Books, receivers: Receivers) -> None:
        self._books = books
        self._receivers = receivers
        self.is_otp_required = False
        self.transfers: dict[str, Transfer] = {}
        """By reference, oldest first."""

    def transfer(self, fields: Mapping[str, Any]) -> Transfer:
        """Move money from the balance; a reference moves it once and for ever."""
        with self._books.lock:
            reference = fields.get("reference") or self._books.new_code("trf_") + "_auto"
            if not isinstance(reference, str) or _REFERENCE.fullmatch(reference) is None:
                raise invalid("Your reference contains illegal special characters")
            if fields.get("source") != "balance":
                raise invalid("Source must be balance")
            amount, currency = amount_of(fields), currency_of(fields)
            # First: the money that a reference moved may be what its repetition lacks.
            self._require_balance(amount, currency)
            if reference in self.transfers:
                raise Refused(
                    "Please provide a unique reference. Reference already exists on a transfer",
                    "duplicate_transfer_reference",
                    next_step="Create a new reference for the new transfer",
                )
            recipient = self._receivers.payable(str(fields.get("recipient")))
            self._books.balances[currency] -= amount
            now = self._books.now()
            made = Transfer(
                id=self._books.new_number(),
                code=self._books.new_code("TRF_"),
                reference=reference,
                amount=amount,
                currency=currency,
                recipient=recipient,
                reason=str(fields.get("reason") or ""),
                created_at=now,
                updated_at=now,
                status="otp" if self.is_otp_required else "pending",
            )
            self.transfers[reference] = made
            return made

    def _require_balance(self, amount: int, currency: str) -> None:
        if amount > self._books.balances[currency]:
            raise Refused(
                "Your balance is not enough to fulfil this request",
                "insufficient_balance",
                kind="api_error",
                next_step="Topup your Paystack Balance and try again",
            )

    def transfer_all(self, fields: Mapping[str, Any]) -> list[Transfer]:
        """A bulk transfer: every row like one of its own; OTP must be off."""
        rows = fields.get("transfers")
        if self.is_otp_required:
            raise invalid("You need to disable the OTP requirement to use this feature.")
        if not isinstance(rows, list) or not rows:
            raise invalid("transfers is required")
        shared = {name: fields[name] for name in ("source", "currency") if name in fields}
        return [self.transfer({**shared, **row}) for row in rows]

    def finalize(self, fields: Mapping[str, Any]) -> Transfer:
        """Give the code that a transfer waits for."""
        with self._books.lock:
            found = self.by_code(str(fields.get("transfer_code")))
            if found.status != "otp":
                raise invalid("Transfer is not currently awaiting OTP", "transfer_not_awaiting_otp")
            if str(fields.get("otp")) != OTP:
                raise invalid("OTP is invalid", "invalid_otp")
            found.status, found.updated_at = "pending", self._books.now()
            return found

    def settle(self, reference: str, status: str) -> Transfer:
        """Decide a transfer; one that does not arrive gives the money back to the balance."""
        with self._books.lock:
            found = self.by_reference(reference)
            if status not in TRANSFER_STATES:
                raise invalid(f"A transfer is never {status}", "invalid_status")
            was_moved, is_moved = found.status in _MOVED, status in _MOVED
            self._books.balances[found.currency] += found.amount * (was_moved - is_moved)
            found.status, found.updated_at = status, self._books.now()
            if status in _EVENTS:
                self._books.listener(f"transfer.{status}", found.document())
            return found

    def by_reference(self, reference: str) -> Transfer:
        """Look a transfer up by its reference, as verify does."""
        found = self.transfers.get(reference)
        if found is None:
            raise not_found("Transfer")
        return found

    def by_code(self, name: str) -> Transfer:
        """Look a transfer up by code or number, as fetch does."""
        for row in list(self.transfers.values()):
            if name in {row.code, str(row.id)}:
                return row
        raise Refused(
            "Transfer ID/code specified is invalid.",
            "transfer_not_found",
            status=HTTPStatus.NOT_FOUND,
        )
