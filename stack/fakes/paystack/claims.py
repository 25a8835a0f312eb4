"""Refunds and disputes of the fake: made at once, decided later."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from stack.fakes.paystack.books import Books
from stack.fakes.paystack.transactions import Transaction
from stack.fakes.paystack.words import (
    DOMAIN,
    INTEGRATION,
    Json,
    Refused,
    amount_of,
    in_window,
    integer_of,
    invalid,
    not_found,
    stamp,
)

REFUND_STATES = frozenset({"pending", "processing", "processed", "failed", "needs-attention"})
RESOLUTIONS = {"lost": "merchant-accepted", "won": "declined"}
EXPECTED_AFTER = timedelta(days=10)
EVIDENCE_DUE_AFTER = timedelta(days=2)


@dataclass(slots=True)
class Refund:
    """One refund."""

    id: int
    transaction: Transaction
    amount: int
    customer_note: str
    merchant_note: str
    created_at: datetime
    updated_at: datetime
    dispute: int | None = None
    status: str = "pending"
    refunded_at: datetime | None = None

    def document(self) -> Json:
        """The refund as list and fetch show it: its transaction by number only."""
        return {
            "integration": INTEGRATION,
            "transaction": self.transaction.id,
            "dispute": self.dispute,
            "settlement": None,
            "id": self.id,
            "domain": DOMAIN,
            "currency": self.transaction.currency,
            "amount": self.amount,
            "status": self.status,
            "refunded_at": stamp(self.refunded_at),
            "refunded_by": "operator@merchant.example",
            "customer_note": self.customer_note,
            "merchant_note": self.merchant_note,
            "deducted_amount": self.amount if self.status == "processed" else 0,
            "fully_deducted": self.status == "processed",
            "expected_at": stamp(self.created_at + EXPECTED_AFTER),
            "createdAt": stamp(self.created_at),
            "updatedAt": stamp(self.updated_at),
        }

    def event(self) -> Json:
        """The refund as its events show it: with neither its number nor a reference of its own."""
        is_done = self.status == "processed"
        return {
            "status": self.status,
            "transaction_reference": self.transaction.reference,
            "refund_reference": f"13{self.id}" if is_done else None,
            "amount": str(self.amount),
            "currency": self.transaction.currency,
            "processor": "instant-transfer",
            "customer": {"first_name": None, "last_name": None, "email": self.transaction.email},
            "integration": INTEGRATION,
            "domain": DOMAIN,
        }


@dataclass(slots=True)
class Dispute:
    """One dispute."""

    id: int
    transaction: Transaction
    amount: int
    created_at: datetime
    updated_at: datetime
    status: str = "awaiting-merchant-feedback"
    resolution: str | None = None

    def document(self) -> Json:
        """The dispute as the API and its events show it."""
        is_done = self.status == "resolved"
        return {
            "id": self.id,
            "refund_amount": self.amount,
            "currency": self.transaction.currency,
            "status": self.status,
            "resolution": self.resolution,
            "domain": DOMAIN,
            "transaction": self.transaction.document(),
            "transaction_reference": None,
            "category": "chargeback",
            "customer": self.transaction.document()["customer"],
            "bin": "408408",
            "last4": "4081",
            "dueAt": stamp(self.created_at + EVIDENCE_DUE_AFTER),
            "resolvedAt": stamp(self.updated_at) if is_done else None,
            "evidence": None,
            "attachments": None,
            "note": None,
            "history": [],
            "messages": [],
            "createdAt": stamp(self.created_at),
            "updatedAt": stamp(self.updated_at),
        }


class Claims:
    """What backers want back. Every public method is one atomic step of the books."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self.refunds: dict[int, Refund] = {}
        self.disputes: dict[int, Dispute] = {}

    def refund(self, fields: Mapping[str, Any]) -> Refund:
        """Queue a refund: never more than was paid, and only while the balance covers it."""
        with self._books.lock:
            transaction = self._books.named(fields.get("transaction"))
            left = (transaction.paid or 0) - self._asked_back(transaction)
            wanted = amount_of(fields) if fields.get("amount") is not None else left
            if transaction.paid is None:
                raise invalid("Transaction has not been paid", "transaction_not_successful")
            if left == 0:
                raise invalid("Transaction has been fully reversed", "transaction_reversed")
            if fields.get("currency") not in {None, transaction.currency}:
                raise invalid("Currency does not match the transaction", "invalid_currency")
            if wanted > left:
                raise invalid(
                    "Refund amount cannot be greater than transaction amount", "invalid_amount"
                )
            if wanted > self._books.balances[transaction.currency]:
                raise Refused(
                    "Insufficient balance to fulfill this refund. Please top up.",
                    "insufficient_balance",
                    kind="api_error",
                )
            made = self._make_refund(transaction, wanted, fields)
            self._books.listener("refund.pending", made.event())
            return made

    def _make_refund(
        self, transaction: Transaction, amount: int, fields: Mapping[str, Any]
    ) -> Refund:
        now = self._books.now()
        note = f"Refund for transaction {transaction.reference}"
        made = Refund(
            id=self._books.new_number(),
            transaction=transaction,
            amount=amount,
            customer_note=str(fields.get("customer_note") or note),
            merchant_note=str(
                fields.get("merchant_note") or f"{note} by operator@merchant.example"
            ),
            created_at=now,
            updated_at=now,
        )
        self.refunds[made.id] = made
        self._books.balances[transaction.currency] -= amount
        return made

    def settle_refund(self, identifier: str, status: str) -> Refund:
        """Move a refund on, or undo one that was processed."""
        with self._books.lock:
            refund = self.found_refund(identifier)
            if status not in REFUND_STATES:
                raise invalid(f"A refund is never {status}", "invalid_status")
            self._move_refund(refund, status)
            self._books.listener(f"refund.{status}", refund.event())
            return refund

    def retry_refund(self, identifier: str, fields: Mapping[str, Any]) -> Refund:
        """Give the bank details that a refund which needs attention waits for."""
        details = fields.get("refund_account_details")
        if not isinstance(details, Mapping) or not details.get("account_number"):
            raise invalid("refund_account_details is required")
        with self._books.lock:
            if self.found_refund(identifier).status != "needs-attention":
                raise invalid("Refund does not need attention", "invalid_status")
            return self.settle_refund(identifier, "processing")

    def _move_refund(self, refund: Refund, status: str) -> None:
        transaction = refund.transaction
        was_given, is_given = refund.status != "failed", status != "failed"
        self._books.balances[transaction.currency] += refund.amount * (was_given - is_given)
        refund.status, refund.updated_at = status, self._books.now()
        refund.refunded_at = self._books.now() if status == "processed" else None
        given = sum(row.amount for row in self._of(transaction) if row.status == "processed")
        transaction.status = "reversed" if given >= (transaction.paid or 0) else "success"

    def found_refund(self, identifier: str) -> Refund:
        """Look a refund up by its number."""
        found = self.refunds.get(int(identifier)) if identifier.isdecimal() else None
        if found is None:
            raise not_found("Refund")
        return found

    def listed_refunds(self, query: Mapping[str, str]) -> list[Refund]:
        """All that match the filters, newest first."""
        with self._books.lock:
            rows = list(self.refunds.values())
        wanted = query.get("transaction")
        return [
            row
            for row in in_window(rows, query, lambda row: row.created_at)
            if wanted in {None, str(row.transaction.id), row.transaction.reference}
            and query.get("currency") in {None, row.transaction.currency}
        ]

    def _of(self, transaction: Transaction) -> list[Refund]:
        return [row for row in self.refunds.values() if row.transaction is transaction]

    def _asked_back(self, transaction: Transaction) -> int:
        return sum(row.amount for row in self._of(transaction) if row.status != "failed")

    def dispute(self, reference: str, outcome: str, amount: int | None = None) -> Dispute:
        """Open a dispute of a paid transaction, or decide the one there is, as often as wanted."""
        with self._books.lock:
            transaction = self._books.transaction(reference)
            if transaction.paid is None:
                raise invalid("Transaction has not been paid", "transaction_not_successful")
            known = next((d for d in self.disputes.values() if d.transaction is transaction), None)
            if known is None:
                now = self._books.now()
                known = Dispute(
                    self._books.new_number(), transaction, amount or transaction.paid, now, now
                )
                self.disputes[known.id] = known
                self._books.listener("charge.dispute.create", known.document())
            if outcome in RESOLUTIONS:
                self._resolve(known, RESOLUTIONS[outcome])
            return known

    def resolve(self, identifier: str, fields: Mapping[str, Any]) -> Dispute:
        """What the merchant answers: accept it, or decline it."""
        resolution = fields.get("resolution")
        with self._books.lock:
            found = self.found_dispute(identifier)
            if resolution not in RESOLUTIONS.values():
                raise invalid("resolution must be merchant-accepted or declined")
            found.amount = integer_of(fields.get("refund_amount")) or found.amount
            self._resolve(found, str(resolution))
            return found

    def _resolve(self, dispute: Dispute, resolution: str) -> None:
        """Decide it; money that was lost goes back as a refund which belongs to the dispute."""
        dispute.status, dispute.resolution = "resolved", resolution
        dispute.updated_at = self._books.now()
        mine = [row for row in self.refunds.values() if row.dispute == dispute.id]
        if resolution == "declined":
            for row in mine:
                self._move_refund(row, "failed")
        elif not any(row.status == "processed" for row in mine):
            made = self._make_refund(dispute.transaction, dispute.amount, {})
            made.dispute = dispute.id
            self._move_refund(made, "processed")
        self._books.listener("charge.dispute.resolve", dispute.document())

    def found_dispute(self, identifier: str) -> Dispute:
        """Look a dispute up by its number."""
        found = self.disputes.get(int(identifier)) if identifier.isdecimal() else None
        if found is None:
            raise not_found("Dispute")
        return found

    def listed_disputes(self, query: Mapping[str, str]) -> list[Dispute]:
        """All that match the filters, newest first."""
        with self._books.lock:
            rows = list(self.disputes.values())
        return [
            row
            for row in in_window(rows, query, lambda row: row.created_at)
            if query.get("status") in {None, row.status}
            and query.get("transaction") in {None, str(row.transaction.id)}
        ]
