"""Transactions as the fake remembers them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from stack.fakes.paystack.words import DOMAIN, Json, stamp

FEE_PER_MILLE = 15


@dataclass(slots=True)
class Transaction:
    """One transaction."""

    id: int
    reference: str
    access_code: str
    asked: int
    currency: str
    email: str
    metadata: Any
    """As it was sent: an object, a text, or an empty text."""
    channels: list[str]
    callback_url: str | None
    split: Json
    created_at: datetime
    status: str = "abandoned"
    """What Paystack calls it until somebody opens its page."""
    paid: int | None = None
    paid_at: datetime | None = None
    gateway_response: str = "The transaction was not completed"
    shares: Json = field(default_factory=dict)
    """What each subaccount gets of it."""

    @property
    def fees(self) -> int | None:
        """What Paystack keeps; None until it is paid."""
        return None if self.paid is None else self.paid * FEE_PER_MILLE // 1000

    @property
    def channel(self) -> str:
        """How it is paid: the first way that was asked for."""
        return self.channels[0] if self.channels else "card"

    def document(self) -> Json:
        """The transaction as verify, fetch, list and events show it."""
        return {
            "id": self.id,
            "domain": DOMAIN,
            "status": self.status,
            "reference": self.reference,
            "amount": self.asked if self.paid is None else self.paid,
            "requested_amount": self.asked,
            "message": None,
            "gateway_response": self.gateway_response,
            "paid_at": stamp(self.paid_at),
            "created_at": stamp(self.created_at),
            "channel": self.channel,
            "currency": self.currency,
            "ip_address": None,
            "metadata": self.metadata,
            "log": None,
            "fees": self.fees,
            "fees_split": None,
            "authorization": self._authorization(),
            "customer": {
                "id": self.id,
                "first_name": None,
                "last_name": None,
                "email": self.email,
                "customer_code": f"CUS_{self.id}",
                "phone": None,
                "metadata": None,
                "risk_action": "default",
            },
            "plan": None,
            "split": self.split,
            "order_id": None,
            "paidAt": stamp(self.paid_at),
            "createdAt": stamp(self.created_at),
        }

    def _authorization(self) -> Json:
        if self.paid is None:
            return {}
        return {
            "authorization_code": f"AUTH_{self.access_code[:10]}",
            "bin": "408408",
            "last4": "4081",
            "exp_month": "12",
            "exp_year": "2030",
            "channel": self.channel,
            "card_type": "visa ",
            "bank": "TEST BANK",
            "country_code": "NG",
            "brand": "visa",
            "reusable": False,
        }
