"""``POST /v1/payments``: pay a campaign, at most once per ``Idempotency-Key``.

Three steps: commit key, pledge and attempt; call the gateway; commit its answer. A crash or a lost
reply between any two is mended by the same request again.
"""

from datetime import timedelta
from http import HTTPStatus

import structlog
from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from indexer.errors import PermanentError, TransientError
from offchain.gateways.errors import GatewayRefused, OutcomeUnknown
from offchain.gateways.types import Card, Gateway
from offchain.http.card_numbers import refuse_card_numbers
from offchain.http.idempotency import (
    Begun,
    IdempotencyKey,
    Replay,
    Scoped,
    begin,
    complete,
    release,
)
from offchain.http.payment_bodies import PaymentBody, PaymentView, created_view
from offchain.http.problems import (
    PROBLEM_MEDIA_TYPE,
    FaultyField,
    ProblemError,
    invalid_request,
)
from offchain.http.state import HttpState, State
from offchain.money import Currency, MinorUnits, Money
from offchain.payments.checkout import (
    Opened,
    Order,
    Refusal,
    RefusalKind,
    create_at_gateway,
    is_page_lost,
    open_attempt,
    record_created,
    record_refused,
)
from offchain.payments.observing import Context

SCOPE = "POST /v1/payments"
RETRY_AFTER = timedelta(seconds=2)
SETTLING = timedelta(seconds=5)
"""How long a payment that may or may not exist is left alone: one that is made just now may not be
found yet, and not every gateway refuses to make it twice."""

router = APIRouter(tags=["payments"])

_log = structlog.get_logger(__name__)

_STATUS_OF: dict[RefusalKind, tuple[HTTPStatus, str]] = {
    "campaign_unknown": (HTTPStatus.NOT_FOUND, "campaign-unknown"),
    "campaign_closed": (HTTPStatus.CONFLICT, "campaign-closed"),
    "not_live": (HTTPStatus.CONFLICT, "campaign-not-live"),
    "currency": (HTTPStatus.UNPROCESSABLE_ENTITY, "currency-not-taken"),
    "gateway": (HTTPStatus.UNPROCESSABLE_ENTITY, "method-not-taken"),
    "split": (HTTPStatus.UNPROCESSABLE_ENTITY, "split-not-taken"),
    "pledge_paid": (HTTPStatus.CONFLICT, "pledge-paid"),
    "pledge": (HTTPStatus.UNPROCESSABLE_ENTITY, "pledge-does-not-fit"),
    "ended": (HTTPStatus.CONFLICT, "payment-ended"),
}


@router.post(
    "/v1/payments",
    operation_id="createPayment",
    status_code=HTTPStatus.CREATED,
    response_model=PaymentView,
    dependencies=[Depends(refuse_card_numbers)],
)
def create_payment(body: PaymentBody, state: State, key: IdempotencyKey) -> JSONResponse:
    """Create a payment; the same key and body again give the same answer."""
    scoped = Scoped(SCOPE, key, body.canonical())
    order = _order(body)
    begun = _open(order, state, scoped, _lifetime(body, state))
    if isinstance(begun, Replay):
        return _answer(begun)
    opened, is_retry = begun
    try:
        gateway = _gateway(opened, state)
        seen = create_at_gateway(opened, order, gateway=gateway, is_retry=is_retry)
    except GatewayRefused as error:
        return _refused(state, scoped, opened, error)
    except (TransientError, PermanentError) as error:
        after = SETTLING if isinstance(error, OutcomeUnknown) else timedelta()
        _release(state, scoped, after)
        raise _unavailable(opened, error, max(after, RETRY_AFTER)) from None
    if isinstance(seen, Refusal):
        return _ended(state, scoped, opened, seen)
    context = Context("checkout", state.services.clock(), state.services.chains)
    with state.services.engine.begin() as connection:
        attempt = record_created(connection, opened.attempt.id, seen, context=context)
        if is_page_lost(attempt, seen):
            problem = _page_lost(opened)
            answer = complete(connection, scoped, problem.status, problem.document())
        else:
            view = created_view(attempt, dict(opened.pledge.metadata), public_url=state.public_url)
            document = view.model_dump(mode="json")
            answer = complete(connection, scoped, HTTPStatus.CREATED, document)
    _log.info(
        "payment_created" if answer.status == HTTPStatus.CREATED else "payment_page_lost",
        attempt_id=str(attempt.id),
        gateway=attempt.gateway,
        method=attempt.method,
    )
    return _answer(answer)


def _open(
    order: Order, state: HttpState, scoped: Scoped, lifetime: timedelta
) -> tuple[Opened, bool] | Replay:
    """Commit the key with the rows it stands for; a refused order leaves neither."""
    with state.services.engine.begin() as connection:
        begun = begin(connection, scoped, lock=state.request_lock)
        if not isinstance(begun, Begun):
            return begun
        opened = open_attempt(
            connection,
            order,
            attempt_id=begun.subject_id,
            gateways=state.services.gateways,
            now=state.services.clock(),
            pix_lifetime=lifetime,
        )
        if isinstance(opened, Refusal):
            raise _not_taken(opened)
        return opened, begun.is_retry


def _not_taken(refusal: Refusal) -> ProblemError:
    if refusal.kind == "card":
        return invalid_request([FaultyField(refusal.detail, pointer="#/card")])
    status, slug = _STATUS_OF[refusal.kind]
    return ProblemError(status, slug, detail=_sentence(refusal))


def _sentence(refusal: Refusal) -> str:
    return f"{refusal.detail[:1].upper()}{refusal.detail[1:]}."


def _lifetime(body: PaymentBody, state: HttpState) -> timedelta:
    if body.expires_in_s is None:
        return state.pix_lifetime
    return timedelta(seconds=body.expires_in_s)


def _gateway(opened: Opened, state: HttpState) -> Gateway:
    """The gateway of an attempt.

    Raises:
        PermanentError: It was disabled since the attempt was made.
    """
    gateway = state.services.gateways.get(opened.attempt.gateway)
    if gateway is None:
        raise PermanentError(f"{opened.attempt.gateway} is no longer enabled")
    return gateway


def _refused(
    state: HttpState, scoped: Scoped, opened: Opened, error: GatewayRefused
) -> JSONResponse:
    """The gateway said no for good: keep that as the answer to this key."""
    problem = ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "payment-refused",
        title="The gateway refused the payment",
        detail="It did not take this payment. Pay the same pledge by another method: send its "
        "pledge_id, under a new Idempotency-Key.",
        extra=_names(opened),
    )
    with state.services.engine.begin() as connection:
        record_refused(connection, opened.attempt.id, status=error.status, code=error.code)
        answer = complete(connection, scoped, problem.status, problem.document())
    _log.warning("payment_refused", attempt_id=str(opened.attempt.id), status=error.status)
    return _answer(answer)


def _ended(state: HttpState, scoped: Scoped, opened: Opened, refusal: Refusal) -> JSONResponse:
    """It can no longer be made, and no try before has made it: keep that as the answer."""
    status, slug = _STATUS_OF[refusal.kind]
    problem = ProblemError(
        status,
        slug,
        title="The payment ended before it was made",
        detail=f"{_sentence(refusal)} The gateway has no such payment. If the pledge is still to "
        "be paid, send its pledge_id, under a new Idempotency-Key.",
        extra=_names(opened),
    )
    with state.services.engine.begin() as connection:
        answer = complete(connection, scoped, problem.status, problem.document())
    _log.warning("payment_ended", attempt_id=str(opened.attempt.id), reason=refusal.detail)
    return _answer(answer)


def _page_lost(opened: Opened) -> ProblemError:
    """The gateway tells what the backer pays by once only, and that answer was lost."""
    return ProblemError(
        HTTPStatus.CONFLICT,
        "payment-page-lost",
        title="Nothing is left to pay this payment by",
        detail="The gateway made the payment and its answer was lost. Pay the same pledge again: "
        "send its pledge_id, under a new Idempotency-Key.",
        extra=_names(opened),
    )


def _release(state: HttpState, scoped: Scoped, after: timedelta) -> None:
    with state.services.engine.begin() as connection:
        release(connection, scoped, after=after)


def _unavailable(opened: Opened, error: Exception, retry_after: timedelta) -> ProblemError:
    attempt_id = str(opened.attempt.id)
    _log.warning("gateway_unavailable", attempt_id=attempt_id, error=type(error).__name__)
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "gateway-unavailable",
        title="The gateway does not answer",
        detail="Send the same request with the same Idempotency-Key again: nothing is paid twice.",
        headers={"Retry-After": str(int(retry_after.total_seconds()))},
        extra=_names(opened),
    )


def _names(opened: Opened) -> dict[str, str]:
    """Members of a problem, so that another payment can be made of the same pledge."""
    return {"payment_id": str(opened.attempt.id), "pledge_id": str(opened.pledge.id)}


def _answer(kept: Replay) -> JSONResponse:
    is_problem = kept.status >= HTTPStatus.BAD_REQUEST
    media_type = PROBLEM_MEDIA_TYPE if is_problem else "application/json"
    return JSONResponse(kept.body, status_code=kept.status, media_type=media_type)


def _order(body: PaymentBody) -> Order:
    return Order(
        campaign_slug=body.campaign,
        method=body.method,
        amount=Money(MinorUnits(body.amount_minor), Currency(body.currency)),
        backer_reference=body.backer_reference,
        reward=body.reward,
        gateway=body.gateway,
        card=_card(body),
        pledge_id=body.pledge_id,
        metadata=body.metadata,
        payer_document=body.payer_document,
        return_url=body.return_url,
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
