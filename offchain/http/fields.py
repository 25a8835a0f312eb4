"""Field types of request bodies: checked once, here, and never repeating what was sent."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    StrictInt,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from indexer.chain.types import Address, address_from_hex, to_checksum
from offchain.card_numbers import holds_card_number
from offchain.documents import holds_cpf, read_document
from offchain.money import MINOR_UNITS_MAX, read_currency

CARD_NUMBER_FAULT = "looks like a card number: send the gateway's token instead"
METADATA_KEYS_MAX = 20
METADATA_VALUE_MAX = 500
URL_MAX = 500

_METADATA_KEY = re.compile(r"[A-Za-z0-9._-]{1,40}")
_METADATA_RESERVED = "lastro_"
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2999, 12, 31, tzinfo=UTC)


def refuse_card_number(text: str) -> str:
    """Refuse what holds a card number: only a gateway's token may come here."""
    if holds_card_number(text):
        raise ValueError(CARD_NUMBER_FAULT)
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


def _metadata(value: object) -> object:
    """Check a pledge's own words as a whole, so that no fault names a key of the client's."""
    if not isinstance(value, dict):
        return value
    for key, text in value.items():
        fault = _metadata_fault(key, text)
        if fault is not None:
            raise ValueError(fault)
    return dict(sorted(value.items()))


def _metadata_fault(key: object, text: object) -> str | None:
    if not isinstance(key, str) or not _METADATA_KEY.fullmatch(key):
        return "keys must be 1 to 40 letters, digits, dots, dashes or underscores"
    if key.lower().startswith(_METADATA_RESERVED):
        return f"keys that start with {_METADATA_RESERVED} are reserved"
    if not isinstance(text, str) or not text.isprintable():
        return "values must be texts of printable characters"
    if not 1 <= len(text) <= METADATA_VALUE_MAX:
        return f"values must have 1 to {METADATA_VALUE_MAX} characters"
    if any(holds_card_number(part) or holds_personal_data(part) for part in (key, text)):
        return "looks like a card number, an e-mail address or a CPF: it is shown, leave it out"
    return None


def holds_personal_data(text: str) -> bool:
    """Whether a text holds an e-mail address or a CPF."""
    return _EMAIL.search(text) is not None or holds_cpf(text)


def _refuse_personal_data(text: str) -> str:
    if holds_personal_data(text):
        raise ValueError("looks like an e-mail address or a CPF: send the account's id")
    return text


def _document(text: str) -> str:
    return read_document(text)


def _return_url(text: str) -> str:
    """Check where a hosted page sends the backer: a web page, and no credentials in it."""
    try:
        url = _WEB_PAGE.validate_python(text)
    except ValidationError:
        raise ValueError("must be an http or https address") from None
    if url.username is not None or url.password is not None:
        raise ValueError("must hold no user name and no password")
    return str(url)


_WEB_PAGE = TypeAdapter(HttpUrl)


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
Metadata = Annotated[
    dict[str, str],
    Field(max_length=METADATA_KEYS_MAX),
    BeforeValidator(_metadata),
    Field(
        description="The platform's own words: kept with the pledge, passed to the gateway, and "
        "shown to whoever has the payment's id. No personal data.",
        json_schema_extra={
            "propertyNames": {"pattern": f"^{_METADATA_KEY.pattern}$"},
            "additionalProperties": {
                "type": "string",
                "minLength": 1,
                "maxLength": METADATA_VALUE_MAX,
            },
        },
    ),
]
DocumentText = Annotated[
    str,
    StringConstraints(max_length=24),
    AfterValidator(_document),
    Field(description="CPF or CNPJ, letters included, with or without punctuation."),
]
ReturnUrl = Annotated[str, StringConstraints(max_length=URL_MAX), AfterValidator(_return_url)]
AccountText = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}$"),
    AfterValidator(_refuse_personal_data),
    AfterValidator(refuse_card_number),
    Field(description="The receiver's account at the gateway; platform for the platform's own."),
]
RoleText = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z_]{0,31}$"),
    Field(description="What the receiver is to the campaign, e.g. creator."),
]
WalletText = Annotated[str, AfterValidator(_wallet), Field(description="0x address.")]


class Body(BaseModel):
    """A request body: unknown members are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
