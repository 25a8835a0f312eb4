"""What the demo does, as plain values: which campaigns, which payments, which faults."""

from dataclasses import dataclass
from typing import Literal

from indexer.chain.networks import Network
from offchain.gateways.choosing import GatewayName
from offchain.gateways.types import Method
from stack.topology import CELO, POLYGON

Fault = Literal["sent_twice", "bad_signature", "wrong_amount", "expires_unpaid"]

PIX_PAYMENTS = 60
CARD_PAYMENTS = 12
PAYMENTS_ABROAD = 6
"""At each of the other gateways."""
EXPIRY_OF_UNPAID_S = 5
_FEWEST_MINOR = 10_00
_STEP_MINOR = 3_37
_FIAT_ONLY_EVERY = 6


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """A campaign to register."""

    slug: str
    title: str
    creator: str
    goal_minor: int
    network: Network | None
    """Where it settles; None keeps it fiat-only."""
    creator_wallet: str | None = None
    """Owner of the campaign on-chain: withdrawals go there."""
    currency: str = "brl"


@dataclass(frozen=True, slots=True)
class PaymentPlan:
    """A payment to create at the gateway and, mostly, to pay there."""

    number: int
    campaign: CampaignPlan
    gateway: GatewayName
    method: Method
    amount_minor: int
    fault: Fault | None = None

    @property
    def is_settled_in_the_end(self) -> bool:
        """Whether the money is good, so that it must reach the ledger and, if chosen, the chain."""
        return self.fault not in {"wrong_amount", "expires_unpaid"}


_ANA = "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc"
_COLETIVO = "0x976EA74026E726554dB657fA54763abd0C3a0aa9"

_RIO = CampaignPlan(
    "rio-limpo", "Rio Limpo: água para o sertão", "Ana Ribeiro", 5_000_00, CELO, _ANA
)
_CINEMA = CampaignPlan(
    "cinema-na-praca", "Cinema na praça", "Coletivo Luz", 4_000_00, POLYGON, _COLETIVO
)
_HORTA = CampaignPlan("horta-da-escola", "Horta da escola", "Escola Girassol", 2_000_00, None)
_REEF = CampaignPlan(
    "reef-atlas", "An atlas of the reef", "Ocean Press", 3_000_00, None, currency="usd"
)
_LAGOS = CampaignPlan(
    "lagos-library", "A library for Makoko", "Makoko Readers", 500_000_00, None, currency="ngn"
)
CAMPAIGNS = (_RIO, _CINEMA, _HORTA, _REEF, _LAGOS)
PICTURED = _RIO
"""Whose page gets a picture."""

_FAULTS: dict[int, Fault] = {
    3: "sent_twice",
    4: "sent_twice",
    7: "sent_twice",
    10: "bad_signature",
    13: "wrong_amount",
    16: "expires_unpaid",
}
_AT_PAYSTACK: tuple[Method, ...] = ("card", "bank", "ussd")


def plan_payments() -> list[PaymentPlan]:
    """Sixty PIX and twelve card payments over three campaigns, six with a fault; twelve abroad."""
    at_home = [
        PaymentPlan(
            number=number,
            campaign=_campaign_of(number),
            gateway="crowdsplit",
            method="pix" if number < PIX_PAYMENTS else "card",
            amount_minor=_FEWEST_MINOR + number * _STEP_MINOR,
            fault=_FAULTS.get(number),
        )
        for number in range(PIX_PAYMENTS + CARD_PAYMENTS)
    ]
    return at_home + _plan_abroad(len(at_home))


def _plan_abroad(first: int) -> list[PaymentPlan]:
    """Cards by Stripe's script and three ways on Paystack's page, each in its campaign's money."""
    plans = []
    for number in range(first, first + PAYMENTS_ABROAD):
        amount = _FEWEST_MINOR + number * _STEP_MINOR
        plans.append(PaymentPlan(number, _REEF, "stripe", "card", amount))
    for number in range(first + PAYMENTS_ABROAD, first + 2 * PAYMENTS_ABROAD):
        method = _AT_PAYSTACK[number % len(_AT_PAYSTACK)]
        amount = 100 * (_FEWEST_MINOR + number * _STEP_MINOR)
        plans.append(PaymentPlan(number, _LAGOS, "paystack", method, amount))
    return plans


def _campaign_of(number: int) -> CampaignPlan:
    if number % _FIAT_ONLY_EVERY == _FIAT_ONLY_EVERY - 1:
        return _HORTA
    return _RIO if number % 2 == 0 else _CINEMA
