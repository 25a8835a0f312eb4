"""How amounts, times and sizes look to readers of a language. Pure.

Texts of Babel hold no-break spaces, which keep a currency with its amount.
"""

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Final

from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal, format_percent
from babel.units import format_unit

from api.pages.negotiation import Language
from api.schemas.shared import Amount

BRASILIA: Final = timezone(timedelta(hours=-3), "BRT")
"""Brasília time; it has no summer time since 2019 (Decree 9.772)."""
BYTES_IN_KB: Final = 1000
BYTES_IN_MB: Final = 1_000_000
_JOINERS: Final = frozenset("\u200c\u200d")
"""Zero-width signs that some scripts and emoji need; every other invisible sign is dropped."""
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, for machines and for people."""

    iso: str
    text: str
    """Day and time at Brasília."""


def clean_line(text: str) -> str:
    """What people wrote, without signs that cannot be seen but turn or break lines around them."""
    kept = (
        sign for sign in text if sign in _JOINERS or unicodedata.category(sign) not in _INVISIBLE
    )
    return "".join(kept).strip()


def shortened(address: str) -> str:
    """An address with its middle left out, e.g. ``0x1234…abcd``."""
    return f"{address[:6]}…{address[-4:]}"


@dataclass(frozen=True, slots=True)
class Formats:
    """Writes values for the readers of one language."""

    language: Language

    def money(self, amount: Amount) -> str:
        """An amount of a currency, never rounded; of an unknown token its base units."""
        if amount.display is None or amount.currency is None:
            return self.number(int(amount.raw))
        return format_currency(
            Decimal(amount.display),
            amount.currency,
            locale=self.language.locale,
            decimal_quantization=False,
        )

    def tokens(self, amount: Amount, symbol: str | None) -> str:
        """An amount of a token, with its symbol; never rounded."""
        value = Decimal(amount.raw if amount.display is None else amount.display)
        exponent = value.as_tuple().exponent
        places = "0" * -exponent if isinstance(exponent, int) else ""
        text = format_decimal(value, f"#,##0.{places}", locale=self.language.locale)
        return f"{text}\u00a0{symbol}" if symbol else text

    def number(self, value: int) -> str:
        """A whole number, with its thousands apart."""
        return format_decimal(value, locale=self.language.locale)

    def percent(self, part: int, whole: int) -> str:
        """How many hundredths ``part`` is of ``whole``, rounded down: 100 % means all of it."""
        hundredths = Decimal(part * 100 // whole) / 100 if whole > 0 else Decimal(0)
        return format_percent(hundredths, locale=self.language.locale)

    def size(self, size_bytes: int) -> str:
        """A file's size."""
        if size_bytes < BYTES_IN_MB:
            amount, unit = Decimal(max(round(size_bytes / BYTES_IN_KB), 1)), "kilobyte"
        else:
            amount, unit = Decimal(round(size_bytes / BYTES_IN_MB, 1)), "megabyte"
        return format_unit(
            amount, f"digital-{unit}", length="short", format="#,##0.#", locale=self.language.locale
        )

    def moment(self, at: datetime) -> Moment:
        """A point in time."""
        there, locale = at.astimezone(BRASILIA), self.language.locale
        day = format_date(there.date(), "long", locale=locale)
        # The time as it is at Brasília already: a bare one is not moved again.
        time = format_time(there.time(), "short", locale=locale)
        iso = at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return Moment(iso, f"{day}, {time}")
