"""The words every gateway is translated into, and the protocol of an adapter."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from offchain.documents import read_document
from offchain.money import Currency, MinorUnits, Money

Method = Literal["pix", "card", "bank", "ussd"]
FiatEffect = Literal[
    "awaiting", "processing", "authorized", "captured", "failed", "canceled", "unknown"
]
"""What a gateway says about the money; ``unknown`` means keep what is known."""
RefundState = Literal["pending", "succeeded", "failed"]
DisputeState = Literal["open", "won", "lost"]
"""``won``: the money stays with us."""
TransferState = Literal["pending", "succeeded", "failed"]
AccountState = Literal["pending", "active", "restricted", "rejected"]
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
class Part:
    """What one receiver gets of a charge."""

    account_id: str
    """The receiver's account at the gateway."""
    minor: MinorUnits


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
    """Until when a PIX code can be paid; None for other methods."""
    card: Card | None = None
    """The card where the gateway charges a token; None where its own page or script asks for it."""
    parts: tuple[Part, ...] = ()
    """How the charge is split; empty: all of it is the platform's. The parts sum to the charge."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The pledge's own words, echoed by the gateway; no personal data."""
    return_url: str | None = None
    """Where a gateway's hosted page sends the backer afterwards."""
    payer_document: str | None = field(default=None, repr=False)
    """CPF or CNPJ of the payer, for gateways that ask for it; bare, and kept nowhere here."""

    def __post_init__(self) -> None:
        """Refuse a split that does not add up."""
        if self.parts and sum(part.minor for part in self.parts) != self.amount.minor:
            raise ValueError("the parts of a split do not sum to the charge")


@dataclass(frozen=True, slots=True)
class RefundSeen:
    """One refund as the gateway shows it."""

    provider_refund_id: str
    refund_id: UUID | None
    """Our name of it, as far as the gateway echoes it."""
    state: RefundState
    minor: int


@dataclass(frozen=True, slots=True)
class DisputeSeen:
    """One dispute, chargeback or PIX special return (MED) as the gateway shows it."""

    provider_dispute_id: str
    state: DisputeState
    minor: int


@dataclass(frozen=True, slots=True)
class Observation:
    """What a gateway said about one payment when asked."""

    provider_payment_id: str
    """Bare id, without the gateway's prefix where that is only decoration."""
    attempt_id: UUID | None
    """Our name of it, echoed from the metadata; None when the gateway lost it."""
    effect: FiatEffect
    """What became of the money coming in; what was given back since is in ``refunds``."""
    provider_status: str
    """The gateway's own word, for the evidence."""
    amount_minor: int | None
    """What it was asked for or, where the gateway shows only that, what was paid."""
    received_minor: int | None
    """What was paid, where the gateway says so."""
    currency: str | None
    """Lower case."""
    refunds: tuple[RefundSeen, ...] = ()
    """Every refund there is; known only of a payment that was read, not of one just created."""
    disputes: tuple[DisputeSeen, ...] = ()
    pix_code: str | None = None
    """Copia e cola with a valid checksum."""
    client_secret: str | None = field(default=None, repr=False)
    """What the gateway's own script in the backer's browser completes the payment with."""
    authorization_url: str | None = None
    """The gateway's hosted page on which the backer pays."""
    version: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The pledge's own words, without ours."""


@dataclass(frozen=True, slots=True)
class NewRefund:
    """Money to give back. Equal fields and key on every try."""

    refund_id: UUID
    """Our name of it: idempotency key and metadata."""
    provider_payment_id: str
    amount: Money
    is_full: bool
    """Whether it gives back all that was paid."""


@dataclass(frozen=True, slots=True)
class NewTransfer:
    """Money to move from our account at the gateway to a receiver's."""

    transfer_id: UUID
    """Our name of it: idempotency key, reference and metadata."""
    amount: Money
    account_id: str
    """The receiver: sub-account, connected account or recipient at the gateway."""
    memo: str = ""
    created_at: datetime | None = None
    """When it was named: it is looked for since then; None looks through all there are."""


@dataclass(frozen=True, slots=True)
class TransferSeen:
    """One transfer as the gateway shows it."""

    provider_transfer_id: str
    transfer_id: UUID | None
    state: TransferState
    minor: int
    currency: str
    memo: str = ""
    """What somebody must do before it goes on; empty when nothing."""


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A receiver to make known at the gateway."""

    account_ref: UUID
    """Our name of it: idempotency key and metadata."""
    name: str = field(repr=False)
    email: str = field(repr=False)
    document: str = field(repr=False)
    """CPF or CNPJ, or the country's own; digits and capitals only."""
    country: str
    """ISO 3166, two capitals."""
    payout: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Where its money goes on to, in the gateway's terms, e.g. ``pix_key``; may be empty."""

    def __post_init__(self) -> None:
        """Refuse a Brazilian document that cannot be one."""
        if self.country == "BR" and read_document(self.document) != self.document:
            raise ValueError("document must be bare: digits and capitals only")


@dataclass(frozen=True, slots=True)
class AccountSeen:
    """A receiver's account as the gateway shows it."""

    account_id: str
    state: AccountState
    onboarding_url: str | None = None
    """Where the receiver completes it; None when nothing is left to do."""


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
    """One payment gateway. Calls block, are bounded in time, and are safe to repeat.

    Every call may raise ``GatewayUnavailable`` (nothing happened) and ``GatewayRefused`` (the
    gateway said no); every write also ``OutcomeUnknown`` (it may have happened: the same call again
    is safe).
    """

    @property
    def name(self) -> str:
        """Its name in URLs, accounts and rows."""
        ...

    @property
    def methods(self) -> frozenset[Method]:
        """The methods it takes payments by."""
        ...

    @property
    def currencies(self) -> frozenset[Currency]:
        """The currencies it takes payments in."""
        ...

    @property
    def signature_headers(self) -> tuple[str, ...]:
        """Names, in lower case, of the headers worth keeping as evidence."""
        ...

    def create_payment(self, new: NewPayment) -> Observation:
        """Create a payment, or find the one this attempt created before."""
        ...

    def read_payment(self, provider_payment_id: str) -> Observation | None:
        """Ask what became of a payment, with its refunds and disputes; None when it is unknown."""
        ...

    def find_payment(self, attempt_id: UUID, *, since: datetime) -> Observation | None:
        """Look for the payment of an attempt whose create answer was lost."""
        ...

    def changed_payments(self, *, since: datetime, until: datetime) -> Iterator[str]:
        """Ids of payments that may have changed in between, in no order, perhaps twice.

        The gateway's own list: what is missing there was never made. Each is to be read again.
        """
        ...

    def refund(self, new: NewRefund) -> RefundSeen:
        """Give money back, or find the refund this call made before."""
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


class PayoutGateway(Gateway, Protocol):
    """A gateway that also keeps receivers and pays them."""

    def open_account(self, new: NewAccount) -> AccountSeen:
        """Make a receiver known, or find the one this call made before."""
        ...

    def read_account(self, account_id: str) -> AccountSeen | None:
        """Ask how far a receiver's account is; None when it is unknown."""
        ...

    def transfer(self, new: NewTransfer) -> TransferSeen:
        """Move money to a receiver, or find the transfer this call made before."""
        ...

    def read_transfer(self, provider_transfer_id: str) -> TransferSeen | None:
        """Ask what became of a transfer; None when it is unknown."""
        ...
