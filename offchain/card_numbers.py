"""Find card numbers (PANs) in text, so that none is ever taken in: only a gateway's token may come.

A card number is 13 to 19 digits that pass the Luhn check and begin as some network's do. It is
found inside longer text and whatever separates its digits. Not looked into are whole UUIDs, hashes,
addresses and times: they hold long runs of digits by chance.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

_RUN = re.compile(r"[0-9]+(?:[\W_]{1,3}[0-9]+)*")
_IDENTIFIER = re.compile(
    r"""(?<![0-9a-z])(?:
        [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}  # a UUID
        | (?:0x)?[0-9a-f]{64} | [0-9a-f]{32}         # a hash, a UUID's digits alone
        | 0x[0-9a-f]{40}                             # an address
        | (?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}[ t][0-9]{2}:[0-9]{2}:[0-9]{2}
          (?:\.[0-9]{1,9})?(?:z|[+-][0-9]{2}:[0-9]{2})?  # a time
    )(?![0-9a-z])""",
    re.IGNORECASE | re.VERBOSE,
)
_DIGITS = re.compile(r"[0-9]+")
_LENGTHS: dict[str, frozenset[int]] = {
    "2": frozenset(range(16, 20)),  # Mastercard, Mir
    "3": frozenset(range(14, 20)),  # Amex, Diners, JCB, Hipercard
    "4": frozenset({13, *range(16, 20)}),  # Visa, Elo
    "5": frozenset(range(16, 20)),  # Mastercard, Elo, Aura, Verve
    "6": frozenset(range(16, 20)),  # Discover, UnionPay, Elo, Hipercard, Verve, RuPay
}
"""Lengths of card numbers by their first digit."""
_LONGEST = 19
_NINE = 9


def holds_card_number(text: str) -> bool:
    """Whether a text holds a card number, anywhere in it."""
    plain = _IDENTIFIER.sub("x", _ascii_digits(text))
    return any(
        _is_card_number(number)
        for run in _RUN.finditer(plain)
        for number in _joined(_DIGITS.findall(run.group()))
    )


def _ascii_digits(text: str) -> str:
    """Write the digits of every script as ASCII ones."""
    if text.isascii():
        return text
    return "".join(
        str(unicodedata.decimal(sign)) if sign.isdecimal() else sign
        for sign in unicodedata.normalize("NFKC", text)
    )


def _joined(groups: Sequence[str]) -> Iterator[str]:
    """Every series of whole groups that is no longer than a card number."""
    for start in range(len(groups)):
        number = ""
        for place in range(start, len(groups)):
            number += groups[place]
            if len(number) > _LONGEST:
                break
            yield number


def _is_card_number(digits: str) -> bool:
    return len(digits) in _LENGTHS.get(digits[0], ()) and _luhn(digits)


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(map(int, reversed(digits))):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - _NINE if doubled > _NINE else doubled
    return total % 10 == 0
