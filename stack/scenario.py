"""What the demo does, as plain values: which campaigns, which payments, which faults."""

from dataclasses import dataclass
from typing import Literal

from indexer.chain.networks import Network
from stack.topology import CELO, POLYGON

Method = Literal["pix", "card"]
Fault = Literal["sent_twice", "bad_signature", "wrong_amount", "expires_unpaid"]

PIX_PAYMENTS = 60
CARD_PAYMENTS = 12
EXPIRY_OF_UNPAID_S = 5
_FEWEST_CENTAVOS = 10_00
_STEP_CENTAVOS = 3_37
_FIAT_ONLY_EVERY = 6


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """A campaign to register."""

    slug: str
    title: str
    creator: str
    goal_centavos: int
    network: Network | None
    """Where it settles; None keeps it fiat-only."""
    creator_wallet: str | None = None
    """Owner of the campaign on-chain: withdrawals go there."""


@dataclass(frozen=True, slots=True)
class PaymentPlan:
    """A payment to create at the gateway and, mostly, to pay there."""

    number: int
    campaign: CampaignPlan
    method: Method
    amount_centavos: int
    fault: Fault | None

    @property
    def is_settled_in_the_end(self) -> bool:
        """Whether the money is good, so that it must reach the ledger and, if chosen, the chain."""
        return self.fault not in {"wrong_amount", "expires_unpaid"}


_ANA = "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc"
_COLETIVO = "0x976EA74026E726554dB657fA54763abd0C3a0aa9"

CAMPAIGNS = (
    CampaignPlan("rio-limpo", "Rio Limpo: água para o sertão", "Ana Ribeiro", 5_000_00, CELO, _ANA),
    CampaignPlan(
        "cinema-na-praca", "Cinema na praça", "Coletivo Luz", 4_000_00, POLYGON, _COLETIVO
    ),
    CampaignPlan("horta-da-escola", "Horta da escola", "Escola Girassol", 2_000_00, None),
)

_FAULTS: dict[int, Fault] = {
    3: "sent_twice",
    4: "sent_twice",
    7: "sent_twice",
    10: "bad_signature",
    13: "wrong_amount",
    16: "expires_unpaid",
}


def plan_payments() -> list[PaymentPlan]:
    """Sixty PIX and twelve card payments over the three campaigns, six of them with a fault."""
    return [
        PaymentPlan(
            number=number,
            campaign=_campaign_of(number),
            method="pix" if number < PIX_PAYMENTS else "card",
            amount_centavos=_FEWEST_CENTAVOS + number * _STEP_CENTAVOS,
            fault=_FAULTS.get(number),
        )
        for number in range(PIX_PAYMENTS + CARD_PAYMENTS)
    ]


def _campaign_of(number: int) -> CampaignPlan:
    celo, polygon, fiat_only = CAMPAIGNS
    if number % _FIAT_ONLY_EVERY == _FIAT_ONLY_EVERY - 1:
        return fiat_only
    return celo if number % 2 == 0 else polygon
