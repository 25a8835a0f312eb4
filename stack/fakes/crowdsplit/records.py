"""What the fake gateway keeps, and how each generation shows it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from stack.fakes.crowdsplit.words import Dialect, Json, wire

PROVIDER = "pagar_me"


@dataclass(slots=True, kw_only=True)
class Record:
    """What every resource has."""

    id: str
    status: str
    created_at: datetime
    updated_at: datetime
    version: int = 1

    def dates(self, dialect: Dialect) -> Json:
        """Members that every resource shows."""
        shown: Json = {
            "status": self.status,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
        }
        return shown if dialect == "gen2" else {**shown, "version": self.version}


@dataclass(slots=True, kw_only=True)
class Payment(Record):
    """One payment as the gateway knows it."""

    source: dict[str, Any]
    metadata: dict[str, str]
    allocations: list[Json] = field(default_factory=list)
    sub_status: str | None = None
    confirm: bool = True
    paid_amount: int | None = None
    qr_code: str | None = None
    end_to_end_id: str | None = None
    recommendation: str | None = None
    """What Konduto said of a card."""
    total_installments: int | None = None
    settlement_date: datetime | None = None
    refunds: list["Refund"] = field(default_factory=list)
    disputes: list["Dispute"] = field(default_factory=list)

    @property
    def refunded(self) -> int:
        """What was or is being given back."""
        return sum(refund.amount for refund in self.refunds if refund.status != "failed")

    def document(self, dialect: Dialect) -> Json:
        """The payment as the gateway shows it; the QR code lies where PagarMe puts it."""
        shown: Json = {
            "id": wire("pay", self.id, dialect),
            "sub_status": self.sub_status,
            "type": "payment",
            "provider": PROVIDER,
            "source": self.source,
            "confirm": self.confirm,
            "total_installments": self.total_installments,
            "installments": self._installments(),
            "metadata": self.metadata,
            "settlement_date": _iso(self.settlement_date),
            "provider_response": {"charges": [self._charge()]},
            **self.dates(dialect),
        }
        if self.allocations:
            shown["allocations"] = self.allocations
        if dialect == "gen3":
            shown["refund_ids"] = [wire("ref", r.id, dialect) for r in self.refunds]
            shown["dispute_ids"] = [wire("dis", d.id, dialect) for d in self.disputes]
            shown["fee"] = None
        return shown

    def _charge(self) -> Json:
        transaction: Json = {"qr_code": self.qr_code}
        if self.qr_code is not None:
            transaction["qr_code_url"] = f"https://pix.example.org/qr/{self.id}.png"
            transaction["expires_at"] = self.source["payment_method"]["expiry_date"]
        if self.end_to_end_id is not None:
            transaction["end_to_end_id"] = self.end_to_end_id
        if self.recommendation is not None:
            transaction["antifraud_response"] = {
                "provider_name": "konduto",
                "status": self.recommendation,
            }
        charge: Json = {"last_transaction": transaction}
        if self.paid_amount is not None:
            charge["paid_amount"] = self.paid_amount
        return charge

    def _installments(self) -> list[Json]:
        """The parts that a card pays in; the first takes what does not divide."""
        count = self.total_installments or 0
        if self.paid_amount is None or count < 1:
            return []
        part, rest = divmod(self.paid_amount, count)
        return [
            {
                "uid": f"{self.id}-{number}",
                "amount": part + (rest if number == 1 else 0),
                "settlement_date": None,
                "status": "pending",
                "sequence": number,
            }
            for number in range(1, count + 1)
        ]


@dataclass(slots=True, kw_only=True)
class Refund(Record):
    """Money on its way back."""

    payment: Payment
    amount: int
    metadata: dict[str, str]

    def document(self, dialect: Dialect) -> Json:
        """The refund as a transaction."""
        return {
            "id": wire("ref", self.id, dialect),
            "type": "refund",
            "provider": PROVIDER,
            "reference_transaction_id": wire("pay", self.payment.id, dialect),
            "source": {"amount": self.amount, "currency": self.payment.source["currency"]},
            "metadata": self.metadata,
            **self.dates(dialect),
        }


@dataclass(slots=True, kw_only=True)
class Dispute(Record):
    """A payment that its payer contests."""

    payment: Payment
    evidence_due_by: datetime
    evidences: list[Json] = field(default_factory=list)

    def document(self, dialect: Dialect) -> Json:
        """The dispute, which does not say over how much it is."""
        payment = self.payment
        return {
            "id": wire("dis", self.id, dialect),
            "evidence_due_by": self.evidence_due_by.isoformat(),
            "evidences": self.evidences,
            "payment": {
                "id": wire("pay", payment.id, dialect),
                "type": "payment",
                "status": payment.status,
            },
            **self.dates(dialect),
        }


@dataclass(slots=True, kw_only=True)
class Transfer(Record):
    """Money to a receiver."""

    source: Json
    destination: Json | None
    metadata: dict[str, str]

    def document(self, dialect: Dialect) -> Json:
        """The transfer as a transaction."""
        return {
            "id": wire("tr", self.id, dialect),
            "type": "transfer",
            "provider": PROVIDER,
            "source": self.source,
            "destination": self.destination,
            "metadata": self.metadata,
            **self.dates(dialect),
        }


Transaction = Payment | Refund | Transfer


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
