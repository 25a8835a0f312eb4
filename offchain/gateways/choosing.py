"""Which gateway takes a payment: the one that is asked for, or the first enabled one that can."""

from collections.abc import Mapping
from typing import Final, Literal

from offchain.gateways.types import Gateway, Method
from offchain.money import Currency

GatewayName = Literal["crowdsplit", "stripe", "paystack"]

ORDER: Final[tuple[GatewayName, ...]] = ("crowdsplit", "stripe", "paystack")
"""Who is looked at first where nobody asks for one by name."""
CHARGES_TOKENS: Final = frozenset({"crowdsplit"})
"""Gateways that charge a card's token; on the others' own page or script the backer enters it."""
PLATFORM_ACCOUNT: Final = "platform"
"""Names the platform's own account at any gateway in a split: its part simply stays there."""
RECEIVERS_MAX: Final[Mapping[GatewayName, int]] = {"crowdsplit": 20, "stripe": 1, "paystack": 20}
"""Into how many accounts besides the platform's a gateway splits a charge by itself."""


def choose_gateway(
    gateways: Mapping[str, Gateway],
    *,
    method: Method,
    currency: Currency,
    wanted: GatewayName | None = None,
) -> Gateway | None:
    """Find the enabled gateway that takes a payment; None when none does.

    Args:
        gateways: The enabled ones, by name.
        method: What the backer pays by.
        currency: What the backer pays in.
        wanted: The only one to look at; None looks at all, in ``ORDER``.
    """
    for name in ORDER if wanted is None else (wanted,):
        gateway = gateways.get(name)
        if gateway is None:
            continue
        if method in gateway.methods and currency in gateway.currencies:
            return gateway
    return None


def describe_offer(gateways: Mapping[str, Gateway]) -> str:
    """Tell what the enabled gateways take, e.g. ``stripe (card in brl, usd)``."""
    return "; ".join(
        f"{name} ({', '.join(sorted(gateways[name].methods))} in "
        f"{', '.join(sorted(gateways[name].currencies))})"
        for name in ORDER
        if name in gateways
    )
