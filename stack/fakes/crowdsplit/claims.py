"""The desk of refunds and disputes."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Literal

from stack.fakes.crowdsplit.books import Books
from stack.fakes.crowdsplit.payments import PAID, Payments
from stack.fakes.crowdsplit.records import PROVIDER, Dispute, Refund
from stack.fakes.crowdsplit.words import (
    Json,
    amount_of,
    bare,
    metadata_of,
    not_found,
    wire,
    wrong_state,
)

Outcome = Literal["open", "won", "lost"]
_EVIDENCE_DAYS = timedelta(days=7)
_ENDS: Final = {
    "won": ("payment.dispute.closed", "payment.dispute.funds_reinstated"),
    "lost": ("payment.dispute.closed",),
}


class Claims:
    """Every method is one atomic step."""

    def __init__(self, books: Books, payments: Payments) -> None:
        self._books = books
        self._payments = payments

    def refund(self, identifier: str, body: Mapping[str, Any]) -> Json:
        """Begin to give money back, never more than was paid; how it ends is told later."""
        books = self._books
        with books.lock:
            payment = self._payments.find(identifier)
            left = (payment.paid_amount or 0) - payment.refunded
            asked = body.get("amount")
            amount = left if asked is None else amount_of(asked, "amount")
            if payment.status not in PAID or not 1 <= amount <= left:
                raise wrong_state("that much cannot be refunded")
            refund = Refund(
                **books.new_record(),
                status="created",
                payment=payment,
                amount=amount,
                metadata=metadata_of(body),
            )
            books.transactions[refund.id] = refund
            books.move(payment, "payment.updated", refunds=[*payment.refunds, refund])
            books.tell("payment.refund.created", refund)
            answer = {
                "id": wire("ref", refund.id, books.dialect),
                "status": "created",
                "type": "refund",
                "amount": amount,
                "provider": PROVIDER,
            }
            if books.switches.refunds == "automatic":
                self._end(refund, succeeds=True)
            return answer

    def settle_refund(self, identifier: str, *, succeeds: bool) -> Refund:
        """Decide a refund, or undo one that had succeeded."""
        with self._books.lock:
            refund = self._books.transactions.get(bare(identifier, "ref"))
            if not isinstance(refund, Refund):
                raise not_found("refund")
            self._end(refund, succeeds=succeeds)
            return refund

    def _end(self, refund: Refund, *, succeeds: bool) -> None:
        if succeeds:
            self._books.move(refund, "refund.succeeded", status="succeeded")
            self._books.tell("payment.refunded", refund.payment)
        else:
            self._books.move(refund, "refund.failed", "payment.refund.failed", status="failed")

    def dispute(self, identifier: str, outcome: Outcome) -> Dispute:
        """Dispute a payment, or decide the dispute there is."""
        books = self._books
        with books.lock:
            payment = self._payments.find(identifier)
            dispute = payment.disputes[-1] if payment.disputes else self._open(identifier)
            if outcome != "open":
                books.move(dispute, *_ENDS[outcome], status=outcome)
            return dispute

    def _open(self, identifier: str) -> Dispute:
        books = self._books
        payment = self._payments.find(identifier)
        if payment.status not in PAID:
            raise wrong_state("only a paid payment is disputed")
        dispute = Dispute(
            **books.new_record(),
            status="needs_response",
            payment=payment,
            evidence_due_by=books.now() + _EVIDENCE_DAYS,
        )
        books.disputes[dispute.id] = dispute
        books.move(payment, disputes=[*payment.disputes, dispute])
        books.tell("payment.disputed", dispute)
        books.tell("payment.dispute.funds_withdrawn", dispute)
        return dispute

    def answer(self, identifier: str, step: str, body: Mapping[str, Any]) -> Dispute:
        """Add evidence to a dispute, submit it, or close it, which accepts the loss."""
        books = self._books
        with books.lock:
            dispute = books.disputes.get(bare(identifier, "dis"))
            if dispute is None:
                raise not_found("dispute")
            if dispute.status in {"won", "lost"}:
                raise wrong_state("this dispute is decided")
            if step == "evidence":
                added = [*body.get("file_evidences", []), *body.get("text_evidences", [])]
                evidences = [*dispute.evidences, *added]
                books.move(dispute, "payment.dispute.updated", evidences=evidences)
            elif step == "submit":
                books.move(dispute, "payment.dispute.updated", status="under_review")
            else:
                books.move(dispute, *_ENDS["lost"], status="lost")
            return dispute
