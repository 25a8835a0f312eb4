from collections.abc import Mapping
from typing import cast

import pytest

from offchain.gateways.choosing import GatewayName, choose_gateway, describe_offer
from offchain.gateways.types import Gateway, Method
from offchain.money import Currency


class _Offer:
    """What is asked of a gateway here: its name and what it takes."""

    def __init__(self, name: str, methods: set[Method], currencies: set[str]) -> None:
        self.name = name
        self.methods = frozenset(methods)
        self.currencies = frozenset(map(Currency, currencies))


def offers(*names: str) -> Mapping[str, Gateway]:
    every = {
        "paystack": _Offer("paystack", {"card", "ussd"}, {"ngn", "usd"}),
        "stripe": _Offer("stripe", {"card"}, {"brl", "usd"}),
        "crowdsplit": _Offer("crowdsplit", {"pix", "card"}, {"brl"}),
    }
    chosen = {name: every[name] for name in every if name in names}
    return cast("Mapping[str, Gateway]", chosen)


ALL = ("paystack", "stripe", "crowdsplit")


@pytest.mark.parametrize(
    ("enabled", "method", "currency", "wanted", "chosen"),
    [
        (ALL, "card", "brl", None, "crowdsplit"),
        (ALL, "card", "usd", None, "stripe"),
        (ALL, "ussd", "ngn", None, "paystack"),
        (ALL, "card", "usd", "paystack", "paystack"),
        (("paystack",), "card", "usd", None, "paystack"),
        (ALL, "ussd", "brl", None, None),
        (ALL, "pix", "usd", None, None),
        (ALL, "card", "ngn", "stripe", None),
        (("stripe",), "card", "usd", "paystack", None),
        ((), "card", "usd", None, None),
    ],
)
def test_choose_gateway_takes_the_first_in_order_that_can_unless_one_is_wanted(
    enabled: tuple[str, ...],
    method: Method,
    currency: str,
    wanted: GatewayName | None,
    chosen: str | None,
) -> None:
    found = choose_gateway(
        offers(*enabled), method=method, currency=Currency(currency), wanted=wanted
    )
    assert (None if found is None else found.name) == chosen


def test_describe_offer_tells_what_each_enabled_gateway_takes() -> None:
    assert describe_offer(offers("stripe", "crowdsplit")) == (
        "crowdsplit (card, pix in brl); stripe (card in brl, usd)"
    )
