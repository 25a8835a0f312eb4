"""Field types of request bodies: checked once, here, and never repeating what was sent."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StringConstraints,
)

from indexer.chain.types import Address, address_from_hex, to_checksum
from offchain.money import MINOR_UNITS_MAX, read_currency

_DIGIT_RUN = re.compile(r"[0-9](?:[ .-]?[0-9]){12,18}")
_PAN_LENGTHS = range(13, 20)
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_NINE = 9
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2999, 12, 31, tzinfo=UTC)


def is_card_number(text: str) -> bool:
    """Whether a text is a run of 13 to 19 digits that passes the Luhn check."""
    if not _DIGIT_RUN.fullmatch(text.strip()):
        return False
    digits = [int(sign) for sign in text if sign.isdigit()]
    return len(digits) in _PAN_LENGTHS and _luhn(digits)


def _luhn(digits: list[int]) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - _NINE if doubled > _NINE else doubled
    return total % 10 == 0


def refuse_card_number(text: str) -> str:
    """Refuse what looks like a card number: only a gateway's token may come here."""
    if is_card_number(text):
        raise ValueError("looks like a card number: send the gateway's token instead")
    return text


def _refuse_control_signs(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must hold printable characters only")
    return text


def _currency(text: str) -> str:
    return read_currency(text)


def read_wallet(text: str) -> Address:
    """Read an address: one case throughout, or a valid EIP-55 checksum.

    Raises:
        ValueError: It is not an address, or its checksum is wrong.
    """
    if not _ADDRESS.fullmatch(text):
        raise ValueError("must be an address: 0x and 40 hex digits")
    address = address_from_hex(text)
    digits = text[2:]
    if digits not in {digits.lower(), digits.upper()} and text != to_checksum(address):
        raise ValueError("its EIP-55 checksum is wrong: a digit may be mistyped")
    return address


def _moment(moment: datetime) -> datetime:
    """Bring a time to UTC, away from the ends of the calendar, where that overflows."""
    if not _EARLIEST <= moment <= _LATEST:
        raise ValueError("must lie between the years 2000 and 2999")
    return moment.astimezone(UTC)


def _wallet(text: str) -> str:
    return to_checksum(read_wallet(text))


SafeText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_refuse_control_signs),
    AfterValidator(refuse_card_number),
]
AmountMinor = Annotated[
    StrictInt, Field(gt=0, le=MINOR_UNITS_MAX, description="Minor units, e.g. centavos.")
]
CurrencyCode = Annotated[
    str,
    StringConstraints(min_length=3, max_length=3),
    AfterValidator(_currency),
    Field(description="ISO 4217, any case."),
]
Moment = Annotated[AwareDatetime, AfterValidator(_moment)]
WalletText = Annotated[str, AfterValidator(_wallet), Field(description="0x address.")]


class Body(BaseModel):
    """A request body: unknown members are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
