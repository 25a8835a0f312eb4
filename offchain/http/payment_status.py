"""``GET /v1/payments/{payment_id}`` and its QR codes: whoever has the id may look.

The id is unguessable, but published with the contribution it became. So nothing is shown that
names the backer, and no secret: what Stripe's script needs is told only to who created the payment.
"""

import io
from http import HTTPStatus
from typing import Any, Literal
from uuid import UUID

import segno
from fastapi import APIRouter, Response

from offchain.http.payment_bodies import PaymentStatusView, status_view
from offchain.http.problems import ProblemError
from offchain.http.state import HttpState, State
from offchain.payments.showing import Shown, read_shown

QR_ERROR_LEVEL = "m"
QR_SCALE = 8
CACHE_CONTROL = "private, max-age=30"
"""Short: a code is gone as soon as it is paid."""

router = APIRouter(tags=["payments"])


def _image(media_type: str) -> dict[int | str, dict[str, Any]]:
    """How an endpoint that answers with an image is described."""
    return {
        200: {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}},
        404: {"description": "There is no such payment, or it has no code."},
        410: {"description": "It can no longer be paid."},
    }


@router.get(
    "/v1/payments/{payment_id}",
    operation_id="readPayment",
    responses={404: {"description": "There is no such payment."}},
)
def read_payment(payment_id: UUID, state: State, response: Response) -> PaymentStatusView:
    """Where a payment is: its money, its settlement, and what was given back."""
    response.headers["Cache-Control"] = "no-store"
    return status_view(_shown(payment_id, state), public_url=state.public_url)


@router.get(
    "/v1/payments/{payment_id}/qr.svg",
    operation_id="paymentQrSvg",
    response_class=Response,
    responses=_image("image/svg+xml"),
)
def payment_qr_svg(payment_id: UUID, state: State) -> Response:
    """The PIX code as a QR code, scalable."""
    return _qr(_payable_code(payment_id, state), "svg", "image/svg+xml")


@router.get(
    "/v1/payments/{payment_id}/qr.png",
    operation_id="paymentQrPng",
    response_class=Response,
    responses=_image("image/png"),
)
def payment_qr_png(payment_id: UUID, state: State) -> Response:
    """The PIX code as a QR code, in pixels."""
    return _qr(_payable_code(payment_id, state), "png", "image/png")


def _shown(payment_id: UUID, state: HttpState) -> Shown:
    with state.services.engine.connect() as connection:
        shown = read_shown(connection, payment_id, now=state.services.clock())
    if shown is None:
        raise ProblemError(
            HTTPStatus.NOT_FOUND, "payment-unknown", detail="No payment has this id."
        )
    return shown


def _payable_code(payment_id: UUID, state: HttpState) -> str:
    """The PIX code of a payment that still can be paid.

    Raises:
        ProblemError: 404 when it never had one, 410 when it is over.
    """
    shown = _shown(payment_id, state)
    code = shown.attempt.pix_code
    if code is None:
        raise ProblemError(
            HTTPStatus.NOT_FOUND, "no-pix-code", detail="This payment has no PIX code."
        )
    if not shown.is_payable:
        raise ProblemError(
            HTTPStatus.GONE,
            "pix-code-over",
            title="The code is over",
            detail="It was paid, has expired or was given up. Create a new payment to pay.",
        )
    return code


def _qr(code: str, kind: Literal["svg", "png"], media_type: str) -> Response:
    image = io.BytesIO()
    symbol = segno.make_qr(code, error=QR_ERROR_LEVEL, boost_error=False)
    symbol.save(image, kind=kind, scale=QR_SCALE, dark="black", light="white")
    headers = {"Cache-Control": CACHE_CONTROL}
    return Response(image.getvalue(), media_type=media_type, headers=headers)
