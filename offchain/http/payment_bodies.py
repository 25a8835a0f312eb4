"""What a checkout sends and what it is shown."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, StrictInt, StringConstraints, model_validator

from offchain.gateways.choosing import GatewayName
from offchain.gateways.types import Method
from offchain.http.fields import (
    AmountMinor,
    Body,
    CurrencyCode,
    DocumentText,
    Metadata,
    ReturnUrl,
    SafeText,
)
from offchain.payments.attempts import Attempt
from offchain.payments.lattice import ChainStatus, ClaimStatus, FiatStatus
from offchain.payments.showing import Shown

INSTALLMENTS_MAX = 12
PIX_SECONDS_MIN = 5
PIX_SECONDS_MAX = 30 * 86400

PublicStatus = Literal[
    "awaiting_confirmation", "processing", "captured", "failed", "held", "returned"
]


class CardBody(Body):
    """A card as its gateway's token; a card number is refused."""

    token: SafeText = Field(repr=False)
    installments: Annotated[StrictInt, Field(ge=1, le=INSTALLMENTS_MAX)] = 1
    holder_name: SafeText = Field(repr=False, description="Goes to fraud checks, is not kept.")
    last_four: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}$")] = Field(repr=False)
    expiration: Annotated[str, StringConstraints(pattern=r"^(0[1-9]|1[0-2])/20[0-9]{2}$")] = Field(
        repr=False, description="MM/YYYY."
    )


class PaymentBody(Body):
    """A payment to make."""

    campaign: SafeText = Field(description="The campaign's slug.")
    method: Method
    gateway: GatewayName | None = Field(
        None,
        description="Absent for the first enabled one that takes method and currency, in this "
        "order: crowdsplit, stripe, paystack.",
    )
    amount_minor: AmountMinor
    currency: CurrencyCode = Field(description="The campaign's.")
    backer_reference: SafeText = Field(
        repr=False, description="The platform's own name for the backer; never shown again."
    )
    reward: SafeText | None = None
    card: CardBody | None = Field(
        None,
        description="For method card at crowdsplit, which charges a token. The others' own script "
        "or page takes the card from the backer.",
    )
    expires_in_s: Annotated[StrictInt, Field(ge=PIX_SECONDS_MIN, le=PIX_SECONDS_MAX)] | None = (
        Field(None, description="Seconds the PIX code can be paid; absent for the platform's own.")
    )
    pledge_id: UUID | None = Field(None, description="A pledge to pay again; absent for a new one.")
    metadata: Metadata | None = Field(
        None, description="With pledge_id: absent, or what the pledge says already."
    )
    payer_document: DocumentText | None = Field(
        None, repr=False, description="CPF or CNPJ of the payer; goes to the gateway, is not kept."
    )
    return_url: ReturnUrl | None = Field(
        None, description="Where a gateway's hosted page sends the backer afterwards."
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.card is not None and self.method != "card":
            raise ValueError("card belongs to method card, and to no other")
        if self.expires_in_s is not None and self.method != "pix":
            raise ValueError("expires_in_s belongs to method pix, and to no other")
        return self

    def canonical(self) -> str:
        """What tells this request from another, however it was written.

        Not the payer's document: there are so few that even a hash would keep it.
        """
        return self.model_dump_json(exclude_none=True, exclude={"payer_document"})


class PixView(Body):
    """What the backer pays a PIX with."""

    code: str = Field(description="Copia e cola (BR Code).")
    qr_svg_url: str
    qr_png_url: str


class PaymentView(Body):
    """A payment that waits for its money."""

    payment_id: UUID
    pledge_id: UUID
    status: PublicStatus
    gateway: str
    method: Method
    amount_minor: int
    currency: str
    expires_at: AwareDatetime | None
    metadata: dict[str, str]
    pix: PixView | None
    client_secret: str | None = Field(
        repr=False, description="For the gateway's own script in the backer's browser."
    )
    authorization_url: str | None = Field(
        description="The gateway's hosted page on which the backer pays."
    )


class PaymentStatusView(Body):
    """Where a payment is. Nothing here names the backer or lets anyone but the gateway charge."""

    payment_id: UUID
    campaign: str = Field(description="Slug of the campaign.")
    status: PublicStatus
    fiat_status: FiatStatus
    chain_status: ChainStatus
    claim_status: ClaimStatus
    gateway: str
    method: Method
    amount_minor: int
    refunded_minor: int = Field(description="Given back so far.")
    currency: str
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    captured_at: AwareDatetime | None
    metadata: dict[str, str]
    pix: PixView | None = Field(description="Null once it can no longer be paid.")
    authorization_url: str | None = Field(description="Null once it can no longer be paid.")


def created_view(attempt: Attempt, metadata: dict[str, str], *, public_url: str) -> PaymentView:
    """What the backer pays with, and by when."""
    return PaymentView(
        payment_id=attempt.id,
        pledge_id=attempt.pledge_id,
        status=public_status(attempt.fiat_status),
        gateway=attempt.gateway,
        method=attempt.method,
        amount_minor=attempt.amount.minor,
        currency=attempt.amount.currency,
        expires_at=attempt.expires_at,
        metadata=metadata,
        pix=_pix(attempt, public_url),
        client_secret=attempt.client_secret,
        authorization_url=attempt.authorization_url,
    )


def status_view(shown: Shown, *, public_url: str) -> PaymentStatusView:
    """Where a payment is, and how it can be paid while it can."""
    attempt = shown.attempt
    return PaymentStatusView(
        payment_id=attempt.id,
        campaign=shown.campaign_slug,
        status=public_status(attempt.fiat_status),
        fiat_status=attempt.fiat_status,
        chain_status=attempt.chain_status,
        claim_status=attempt.claim_status,
        gateway=attempt.gateway,
        method=attempt.method,
        amount_minor=attempt.amount.minor,
        refunded_minor=shown.refunded_minor,
        currency=attempt.amount.currency,
        created_at=attempt.created_at,
        expires_at=attempt.expires_at,
        captured_at=attempt.captured_at,
        metadata=dict(shown.metadata),
        pix=_pix(attempt, public_url) if shown.is_payable else None,
        authorization_url=attempt.authorization_url if shown.is_payable else None,
    )


def public_status(fiat: FiatStatus) -> PublicStatus:
    """A fiat status in a backer's words."""
    match fiat:
        case "created" | "awaiting":
            return "awaiting_confirmation"
        case "authorized":
            return "processing"
        case "captured" | "returned":
            return fiat
        case "failed" | "expired" | "canceled":
            return "failed"
        case "late_paid" | "mismatch":
            return "held"


def _pix(attempt: Attempt, public_url: str) -> PixView | None:
    if attempt.pix_code is None:
        return None
    here = f"{public_url}/v1/payments/{attempt.id}/qr"
    return PixView(code=attempt.pix_code, qr_svg_url=f"{here}.svg", qr_png_url=f"{here}.png")
