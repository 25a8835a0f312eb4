"""The words every gateway is translated into, and the protocol of an adapter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from offchain.money import Money

Method = Literal["pix", "card"]
FiatEffect = Literal[
    "awaiting", "processing", "authorized", "captured", "failed", "canceled", "unknown"
]
"""What a gateway says about the money; ``unknown`` means keep what is known."""
ClaimEffect = Literal["none", "refund_pending", "refunded", "disputed"]
"""Whether somebody wants the money back, as far as a payment itself shows."""
SignatureRefusal = Literal["unsigned", "malformed", "stale", "forged"]


@dataclass(frozen=True, slots=True)
class Card:
    """A card as a gateway's token; the number itself never reaches us."""

    token: str = field(repr=False)
    installments: int
    holder_name: str = field(repr=False)
    last_four: str = field(repr=False)
    expiration: str = field(repr=False)
    """``MM/YYYY``."""


@dataclass(frozen=True, slots=True)
class NewPayment:
    """A payment to create. Equal fields and key on every try, whatever was lost before."""

    attempt_id: UUID
    """Our name of it: idempotency key and metadata."""
    backer_id: UUID
    method: Method
    amount: Money
    created_at: datetime
    expires_at: datetime | None
    """Until when a PIX code can be paid; None for cards."""
    card: Card | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What a gateway said about one payment when asked."""

    provider_payment_id: str
    """Bare id, without the gateway's prefix."""
    attempt_id: UUID | None
    """Our name of it, echoed from the metadata; None when the gateway lost it."""
    effect: FiatEffect
    provider_status: str
    """The gateway's own word, for the evidence."""
    amount_minor: int | None
    """What it was asked for or, where the gateway shows only that, what was paid."""
    received_minor: int | None
    """What was paid, where the gateway says so."""
    currency: str | None
    """Lower case."""
    claim: ClaimEffect = "none"
    pix_code: str | None = None
    """Copia e cola with a valid checksum."""
    version: int | None = None


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """A verified notification: a hint which payment to read again."""

    event_key: str
    """The sender's id of the event, equal on every delivery."""
    event: str
    provider_payment_id: str | None
    """None: about something else than a payment."""
    attempt_id: UUID | None


class UnreadableWebhook(ValueError):  # noqa: N818 - reads as a state
    """A signed body that is not an event."""


class Gateway(Protocol):
    """One payment gateway. Calls block, are bounded in time, and are safe to repeat."""

    @property
    def name(self) -> str:
        """Its name in URLs, accounts and rows."""
        ...

    @property
    def signature_headers(self) -> tuple[str, ...]:
        """Names, in lower case, of the headers worth keeping as evidence."""
        ...

    def create_payment(self, new: NewPayment) -> Observation:
        """Create a payment, or find the one this attempt created before.

        Raises:
            GatewayUnavailable: Nothing happened.
            OutcomeUnknown: It may exist; the same call again is safe.
            GatewayRefused: The gateway said no.
        """
        ...

    def read_payment(self, provider_payment_id: str) -> Observation | None:
        """Ask what became of a payment; None when the gateway does not know it.

        Raises:
            GatewayUnavailable: No usable answer.
            GatewayRefused: The gateway said no.
        """
        ...

    def find_payment(self, attempt_id: UUID, *, since: datetime) -> Observation | None:
        """Look for the payment of an attempt whose create answer was lost.

        Raises:
            GatewayUnavailable: No usable answer.
            GatewayRefused: The gateway said no.
        """
        ...

    def verify_webhook(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> SignatureRefusal | None:
        """Check the signature over the raw body; None means genuine and fresh."""
        ...

    def read_webhook(self, body: bytes) -> WebhookEvent:
        """Read a genuine body.

        Raises:
            UnreadableWebhook: It is not an event.
        """
        ...

    def close(self) -> None:
        """Close its connections; it is not used afterwards."""
        ...
