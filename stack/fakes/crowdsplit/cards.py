"""How the fake treats a card: magic tokens decide what Konduto and the acquirer say of it."""

from typing import Any, Literal

from stack.fakes.crowdsplit.records import Payment

DECLINED_TOKEN = "tok_declined"  # noqa: S105 - a magic word of this fake
"""The acquirer says no."""
REVIEW_TOKEN = "tok_fraud_review"  # noqa: S105
"""Konduto wants a person to look first."""
FRAUD_TOKEN = "tok_fraud_decline"  # noqa: S105
"""Konduto says no."""
Recommendation = Literal["approve", "review", "decline"]
_KONDUTO: dict[str, Recommendation] = {REVIEW_TOKEN: "review", FRAUD_TOKEN: "decline"}


def begin(payment: Payment) -> None:
    """Screen a card first where that was asked for, and charge it when it is approved."""
    fraud = payment.source.get("fraud_check") or {}
    if not fraud.get("enabled"):
        authorize(payment)
        return
    is_first = fraud["config"]["sequence"] == "fraud_before_auth"
    if not is_first and _token(payment) == DECLINED_TOKEN:
        authorize(payment)
        return
    payment.recommendation = _KONDUTO.get(_token(payment), "approve")
    decide(payment)


def decide(payment: Payment) -> None:
    """Go on by what Konduto said."""
    if payment.recommendation == "review":
        payment.status, payment.sub_status = "awaiting_confirmation", "fraud_check_pending"
    elif payment.recommendation == "decline":
        payment.status, payment.sub_status = "failed", "fraud_check_failed"
    else:
        authorize(payment)


def authorize(payment: Payment) -> None:
    """Charge: captured, waiting for capture, or declined."""
    if _token(payment) == DECLINED_TOKEN:
        payment.status, payment.sub_status = "failed", "authorization_failed"
    elif payment.source["capture_method"] == "manual":
        payment.status, payment.sub_status = "processing", "awaiting_capture"
    else:
        capture(payment)


def capture(payment: Payment) -> None:
    """Take the money."""
    payment.status, payment.sub_status = "captured", "captured"
    payment.paid_amount = payment.source["amount"]


def _token(payment: Payment) -> str:
    method: dict[str, Any] = payment.source["payment_method"]
    return str(method.get("card_token", ""))
