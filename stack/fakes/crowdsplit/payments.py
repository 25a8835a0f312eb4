"""The desk of payments: create, confirm, capture, cancel, and what the control API does to them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from stack.fakes.crowdsplit import cards
from stack.fakes.crowdsplit.accounts import Accounts
from stack.fakes.crowdsplit.books import Books
from stack.fakes.crowdsplit.checks import check_card, check_pix, check_source, check_split
from stack.fakes.crowdsplit.records import Payment
from stack.fakes.crowdsplit.words import (
    Json,
    bare,
    br_code,
    invalid,
    metadata_of,
    not_found,
    required,
    wrong_state,
)

PAID: Final = frozenset({"captured", "succeeded"})
_OPEN: Final = frozenset({"initiated", "awaiting_confirmation", "processing"})


class Payments:
    """Every method is one atomic step."""

    def __init__(self, books: Books, accounts: Accounts) -> None:
        self._books = books
        self._accounts = accounts

    def create(self, body: Mapping[str, Any]) -> Json:
        """Make a payment by PIX or card."""
        books = self._books
        with books.lock:
            check_source(body)
            source = dict(required(body, "source"))
            method = dict(required(source, "payment_method"))
            self._accounts.customer(str(required(source, "customer").get("id", "")))
            if method.get("type") == "pix":
                check_pix(source, method, books.now())
            elif method.get("type") == "card":
                check_card(body, source, method)
            else:
                raise invalid("payment_method.type must be pix or card")
            allocations = check_split(body)
            for part in allocations:
                self._check_receiver(part["receiver"])
            payment = Payment(
                **books.new_record(),
                status="initiated",
                source={**source, "currency": str(source["currency"]).lower()},
                metadata=metadata_of(body),
                allocations=allocations,
                confirm=body.get("confirm") is not False,
                total_installments=body.get("total_installments"),
            )
            books.transactions[payment.id] = payment
            if payment.confirm:
                _begin(payment)
                books.tell(f"payment.{payment.status}", payment)
            return payment.document(books.dialect)

    def _check_receiver(self, receiver: Mapping[str, Any]) -> None:
        """Money is split only among ourselves and those whom the provider approved."""
        if receiver["type"] == "platform":
            return
        customer = self._accounts.customer(str(receiver.get("id", "")))
        if customer.registration is None or customer.registration.status != "APPROVED":
            raise invalid("a receiver of the split is not approved")

    def find(self, identifier: str) -> Payment:
        """Look a payment up by either form of its id."""
        found = self._books.transactions.get(bare(identifier, "pay"))
        if not isinstance(found, Payment):
            raise not_found("transaction")
        return found

    def all(self) -> list[Payment]:
        """Every payment, newest first."""
        with self._books.lock:
            rows = list(self._books.transactions.values())
        return [row for row in reversed(rows) if isinstance(row, Payment)]

    def confirm(self, identifier: str) -> Payment:
        """Begin what was created without ``confirm``."""
        with self._books.lock:
            payment = self.find(identifier)
            if payment.status != "initiated":
                raise wrong_state("only an initiated payment is confirmed")
            _begin(payment)
            self._books.move(payment, f"payment.{payment.status}", confirm=True)
            return payment

    def capture(self, identifier: str) -> Payment:
        """Take the money of an authorized card."""
        with self._books.lock:
            payment = self.find(identifier)
            if payment.sub_status != "awaiting_capture":
                raise wrong_state("only an authorized payment is captured")
            cards.capture(payment)
            self._books.move(payment, "payment.captured")
            return payment

    def cancel(self, identifier: str) -> Payment:
        """Cancel what is not complete."""
        with self._books.lock:
            payment = self.find(identifier)
            if payment.status not in _OPEN:
                raise wrong_state("only an open payment is cancelled")
            self._books.move(payment, "payment.cancelled", status="canceled", sub_status=None)
            return payment

    def settle(self, identifier: str) -> Payment:
        """Let the money of a captured payment become payable."""
        with self._books.lock:
            payment = self.find(identifier)
            if payment.status not in PAID:
                raise wrong_state("only a captured payment is settled")
            changes = {"status": "succeeded", "settlement_date": self._books.now()}
            self._books.move(payment, "payment.succeeded", "transaction.sc_updated", **changes)
            return payment

    def pay(
        self,
        identifier: str,
        amount: int | None,
        *,
        end_to_end_id: str | None = None,
        at: datetime | None = None,
    ) -> Payment:
        """Take the money, whatever the state, as a real PIX may; twice pays once."""
        with self._books.lock:
            payment = self.find(identifier)
            if payment.status in PAID:
                return payment
            paid = payment.source["amount"] if amount is None else amount
            paid_at = (at or self._books.now()).strftime("%Y%m%d%H%M")
            changes = {
                "status": "captured",
                "sub_status": "captured",
                "source": {**payment.source, "amount": paid},
                "paid_amount": paid,
                "end_to_end_id": end_to_end_id
                or f"E00000000{paid_at}{payment.id.replace('-', '')[:11]}",
            }
            self._books.move(payment, "payment.captured", **changes)
            return payment

    def fail(self, identifier: str) -> Payment:
        """Let it fail."""
        payment = self.find(identifier)
        self._books.move(payment, "payment.failed", status="failed")
        return payment

    def reverse(self, identifier: str) -> Payment:
        """Take a captured payment back as a whole, without a refund of its own."""
        payment = self.find(identifier)
        self._books.move(payment, "payment.updated", status="canceled_after_completion")
        return payment

    def decide_fraud(self, identifier: str, *, approve: bool) -> Payment:
        """Let the person whom Konduto asked decide."""
        with self._books.lock:
            payment = self.find(identifier)
            if payment.sub_status != "fraud_check_pending":
                raise wrong_state("nobody was asked about this payment")
            payment.recommendation = "approve" if approve else "decline"
            cards.decide(payment)
            self._books.move(payment, f"payment.{payment.status}")
            return payment


def _begin(payment: Payment) -> None:
    if payment.source["payment_method"]["type"] == "pix":
        payment.status, payment.qr_code = "awaiting_confirmation", br_code(payment.id)
    else:
        cards.begin(payment)
