"""``POST /v1/payments``: pay a campaign by PIX or card, at most once per ``Idempotency-Key``.

Three steps: commit key, pledge and attempt; call the gateway; commit its answer. A crash or a lost
reply between any two is mended by the same request again.
"""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import structlog
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, Field, StrictInt, StringConstraints, model_validator

from indexer.errors import PermanentError, TransientError
from offchain.gateways.errors import GatewayRefused
from offchain.gateways.types import Card
from offchain.http.fields import AmountMinor, Body, CurrencyCode, SafeText
from offchain.http.idempotency import (
    Begun,
    IdempotencyKey,
    Replay,
    Scoped,
    begin,
    complete,
    hash_request,
    release,
)
from offchain.http.problems import PROBLEM_MEDIA_TYPE, ProblemError
from offchain.http.state import HttpState, State
from offchain.money import Currency, MinorUnits, Money
from offchain.payments.attempts import Attempt
from offchain.payments.checkout import (
    Opened,
    Order,
    Refusal,
    RefusalKind,
    create_at_gateway,
    open_attempt,
    record_created,
    record_refused,
)
from offchain.payments.observing import Context

GATEWAY = "crowdsplit"
"""The gateway that takes new payments; routing by method comes with the second one."""
SCOPE = "POST /v1/payments"
INSTALLMENTS_MAX = 12
RETRY_AFTER_S = 2
PIX_SECONDS_MIN = 5
PIX_SECONDS_MAX = 30 * 86400

router = APIRouter(tags=["payments"])

_log = structlog.get_logger(__name__)

_STATUS_OF: dict[RefusalKind, tuple[HTTPStatus, str]] = {
    "campaign_unknown": (HTTPStatus.NOT_FOUND, "campaign-unknown"),
    "campaign_closed": (HTTPStatus.CONFLICT, "campaign-closed"),
    "not_live": (HTTPStatus.CONFLICT, "campaign-not-live"),
    "currency": (HTTPStatus.UNPROCESSABLE_ENTITY, "currency-not-taken"),
    "pledge_paid": (HTTPStatus.CONFLICT, "pledge-paid"),
    "pledge": (HTTPStatus.UNPROCESSABLE_ENTITY, "pledge-does-not-fit"),
}


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
    method: Literal["pix", "card"]
    amount_minor: AmountMinor
    currency: CurrencyCode
    backer_reference: SafeText = Field(
        repr=False, description="The platform's own name for the backer; never shown again."
    )
    reward: SafeText | None = None
    card: CardBody | None = None
    expires_in_s: Annotated[StrictInt, Field(ge=PIX_SECONDS_MIN, le=PIX_SECONDS_MAX)] | None = (
        Field(None, description="Seconds the PIX code can be paid; absent for the platform's own.")
    )
    pledge_id: UUID | None = Field(None, description="A pledge to pay again; absent for a new one.")

    @model_validator(mode="after")
    def _check_card(self) -> Self:
        if (self.method == "card") != (self.card is not None):
            raise ValueError("card belongs to method card, and to no other")
        if self.expires_in_s is not None and self.method != "pix":
            raise ValueError("expires_in_s belongs to method pix, and to no other")
        return self


class PixView(Body):
    """What the backer pays a PIX with."""

    code: str = Field(description="Copia e cola (BR Code).")


class PaymentView(Body):
    """A payment that waits for its money."""

    payment_id: UUID
    pledge_id: UUID
    status: Literal["awaiting_confirmation", "processing", "captured", "failed", "held"]
    amount_minor: int
    currency: str
    expires_at: AwareDatetime | None
    pix: PixView | None


@router.post(
    "/v1/payments",
    operation_id="createPayment",
    status_code=HTTPStatus.CREATED,
    response_model=PaymentView,
)
def create_payment(body: PaymentBody, state: State, key: IdempotencyKey) -> JSONResponse:
    """Create a payment; the same key and body again give the same answer."""
    scoped = Scoped(SCOPE, key, hash_request(state.request_key, SCOPE, body.model_dump_json()))
    now = state.services.clock()
    begun = _open(body, state, scoped, now)
    if isinstance(begun, Replay):
        return _answer(begun.status, begun.body)
    opened, is_retry = begun
    gateway = state.services.gateways[opened.attempt.gateway]
    try:
        seen = create_at_gateway(opened, gateway=gateway, card=_card(body), is_retry=is_retry)
    except GatewayRefused as error:
        return _refused(state, scoped, opened, error)
    except (TransientError, PermanentError) as error:
        _release(state, scoped)
        raise _unavailable(opened, error) from None
    context = Context("checkout", state.services.clock(), state.services.chains)
    with state.services.engine.begin() as connection:
        attempt = record_created(connection, opened.attempt.id, seen, context=context)
        document = _view(attempt).model_dump(mode="json")
        complete(connection, scoped, HTTPStatus.CREATED, document)
    _log.info("payment_created", attempt_id=str(attempt.id), method=attempt.method)
    return _answer(HTTPStatus.CREATED, document)


def _open(
    body: PaymentBody, state: HttpState, scoped: Scoped, now: datetime
) -> tuple[Opened, bool] | Replay:
    """Commit the key with the rows it stands for; a refused order leaves neither."""
    with state.services.engine.begin() as connection:
        begun = begin(connection, scoped)
        if not isinstance(begun, Begun):
            return begun
        opened = open_attempt(
            connection,
            _order(body),
            attempt_id=begun.subject_id,
            gateway=GATEWAY,
            now=now,
            pix_lifetime=_lifetime(body, state),
        )
        if isinstance(opened, Refusal):
            status, slug = _STATUS_OF[opened.kind]
            raise ProblemError(status, slug, detail=f"{opened.detail.capitalize()}.")
        return opened, begun.is_retry


def _lifetime(body: PaymentBody, state: HttpState) -> timedelta:
    if body.expires_in_s is None:
        return state.pix_lifetime
    return timedelta(seconds=body.expires_in_s)


def _refused(
    state: HttpState, scoped: Scoped, opened: Opened, error: GatewayRefused
) -> JSONResponse:
    """The gateway said no for good: keep that as the answer to this key."""
    problem = ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "payment-refused",
        title="The gateway refused the payment",
        detail="It did not take this payment. Try another method, under a new Idempotency-Key.",
        extra={"payment_id": str(opened.attempt.id)},
    )
    document = problem.document()
    with state.services.engine.begin() as connection:
        record_refused(connection, opened.attempt.id, status=error.status, code=error.code)
        complete(connection, scoped, problem.status, document)
    _log.warning("payment_refused", attempt_id=str(opened.attempt.id), status=error.status)
    return _answer(problem.status, document)


def _release(state: HttpState, scoped: Scoped) -> None:
    with state.services.engine.begin() as connection:
        release(connection, scoped)


def _unavailable(opened: Opened, error: Exception) -> ProblemError:
    attempt_id = str(opened.attempt.id)
    _log.warning("gateway_unavailable", attempt_id=attempt_id, error=type(error).__name__)
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "gateway-unavailable",
        title="The gateway does not answer",
        detail="Send the same request with the same Idempotency-Key again: nothing is paid twice.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
        extra={"payment_id": attempt_id},
    )


def _answer(status: int, document: dict[str, Any]) -> JSONResponse:
    is_problem = status >= HTTPStatus.BAD_REQUEST
    media_type = PROBLEM_MEDIA_TYPE if is_problem else "application/json"
    return JSONResponse(document, status_code=status, media_type=media_type)


def _order(body: PaymentBody) -> Order:
    return Order(
        campaign_slug=body.campaign,
        method=body.method,
        amount=Money(MinorUnits(body.amount_minor), Currency(body.currency)),
        backer_reference=body.backer_reference,
        reward=body.reward,
        card=_card(body),
        pledge_id=body.pledge_id,
    )


def _card(body: PaymentBody) -> Card | None:
    if body.card is None:
        return None
    return Card(
        token=body.card.token,
        installments=body.card.installments,
        holder_name=body.card.holder_name,
        last_four=body.card.last_four,
        expiration=body.card.expiration,
    )


def _view(attempt: Attempt) -> PaymentView:
    return PaymentView(
        payment_id=attempt.id,
        pledge_id=attempt.pledge_id,
        status=_public_status(attempt),
        amount_minor=attempt.amount.minor,
        currency=attempt.amount.currency,
        expires_at=attempt.expires_at,
        pix=None if attempt.pix_code is None else PixView(code=attempt.pix_code),
    )


def _public_status(
    attempt: Attempt,
) -> Literal["awaiting_confirmation", "processing", "captured", "failed", "held"]:
    match attempt.fiat_status:
        case "created" | "awaiting":
            return "awaiting_confirmation"
        case "authorized":
            return "processing"
        case "captured":
            return "captured"
        case "failed" | "expired" | "canceled":
            return "failed"
        case _:
            return "held"
