"""Stripe's magic payment methods: what each test card does when it is charged.

Source: Stripe's testing documentation. Real numbers are never taken, here or there.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from stack.fakes.stripe.words import Json, Refused, not_found

CARD_RAW = (
    "Sending credit card numbers directly to the Stripe API is generally unsafe. "
    "Use the test tokens or Stripe's own script."
)


@dataclass(frozen=True, slots=True)
class Card:
    """How one payment method behaves."""

    decline: str | None = None
    """Code of its refusal; None: it can be charged."""
    decline_code: str | None = None
    needs_authentication: bool = False
    disputes: Literal["fraudulent", "inquiry"] | None = None
    refunds: Literal["succeed", "wait", "fail_later"] = "succeed"
    last_four: str = "4242"


CARDS: Final[dict[str, Card]] = {
    "pm_card_visa": Card(),
    "pm_card_mastercard": Card(last_four="4444"),
    "pm_card_br": Card(last_four="0076"),
    "pm_card_visa_chargeDeclined": Card("card_declined", "generic_decline", last_four="0002"),
    "pm_card_chargeDeclined": Card("card_declined", "generic_decline", last_four="0002"),
    "pm_card_chargeDeclinedInsufficientFunds": Card("card_declined", "insufficient_funds"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Card("card_declined", "insufficient_funds"),
    "pm_card_chargeDeclinedLostCard": Card("card_declined", "lost_card"),
    "pm_card_chargeDeclinedStolenCard": Card("card_declined", "stolen_card"),
    "pm_card_chargeDeclinedFraudulent": Card("card_declined", "fraudulent"),
    "pm_card_chargeDeclinedExpiredCard": Card("expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": Card("incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": Card("processing_error"),
    "pm_card_authenticationRequired": Card(needs_authentication=True, last_four="3184"),
    "pm_card_threeDSecure2Required": Card(needs_authentication=True, last_four="3220"),
    "pm_card_threeDSecureRequired": Card(needs_authentication=True, last_four="3063"),
    "pm_card_createDispute": Card(disputes="fraudulent", last_four="0259"),
    "pm_card_createDisputeInquiry": Card(disputes="inquiry", last_four="1976"),
    "pm_card_pendingRefund": Card(refunds="wait", last_four="7726"),
    "pm_card_refundFail": Card(refunds="fail_later", last_four="5126"),
}


def card_of(payment_method: str) -> Card:
    """The behaviour of a payment method.

    Raises:
        Refused: It is none of the magic ones.
    """
    card = CARDS.get(payment_method)
    if card is None:
        raise not_found("PaymentMethod", payment_method, param="payment_method")
    return card


def refuse_numbers(values: Any) -> None:  # noqa: ANN401 - any form value
    """Refuse a card's number wherever in a request it is hidden."""
    if isinstance(values, list):
        for value in values:
            refuse_numbers(value)
    if isinstance(values, dict):
        card = values.get("card")
        if isinstance(card, dict) and "number" in card:
            raise Refused(402, CARD_RAW)
        for value in values.values():
            refuse_numbers(value)


def decline_of(card: Card, charge_id: str) -> Json:
    """What a refusal says."""
    found = {
        "type": "card_error",
        "code": card.decline,
        "message": "Your card was declined.",
        "charge": charge_id,
    }
    return found if card.decline_code is None else {**found, "decline_code": card.decline_code}
