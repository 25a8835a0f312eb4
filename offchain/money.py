"""Fiat money as integer minor units, and its exact step to token base units."""

from dataclasses import dataclass
from typing import NewType

from indexer.chain.types import TokenAmount

MinorUnits = NewType("MinorUnits", int)
"""Hundredths of the currency (centavos, cents, kobo)."""
Currency = NewType("Currency", str)
"""ISO 4217, lower case."""

MINOR_DIGITS = 2
"""Every currency accepted here has two decimals; others are refused, not rounded."""
CURRENCIES = frozenset(map(Currency, ("brl", "eur", "ghs", "kes", "ngn", "usd", "zar")))
MINOR_UNITS_MAX = 10**12
"""Ten thousand million of the major unit: more is a mistake."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one currency."""

    minor: MinorUnits
    currency: Currency


def read_currency(text: str) -> Currency:
    """Read a currency code in any case.

    Raises:
        ValueError: Lastro does not take this currency.
    """
    code = Currency(text.lower())
    if code not in CURRENCIES:
        raise ValueError(f"currency must be one of {', '.join(sorted(CURRENCIES))}")
    return code


def base_units(minor: MinorUnits, *, token_decimals: int) -> TokenAmount:
    """Convert minor units to a token's base units, exactly.

    With 18 decimals, one centavo is 10^16 base units.

    Raises:
        ValueError: The token is coarser than the minor unit and would need rounding.
    """
    if token_decimals < MINOR_DIGITS:
        raise ValueError(f"a token of {token_decimals} decimals cannot carry minor units")
    return TokenAmount(minor * 10 ** (token_decimals - MINOR_DIGITS))
