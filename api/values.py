"""How values look on the wire and how they are read from it. Pure."""

import re
from typing import Final

from cchecksum import to_checksum_address
from pydantic import JsonValue

from indexer.chain.networks import network_by_chain_id
from indexer.chain.types import Address, address_from_hex, to_hex
from indexer.errors import ConfigurationError

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")

# ISO 4217 minor units that are not 2 ("List one", SIX Financial Information).
_ZERO_DIGITS: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW"}
    | {"PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"}
)
_THREE_DIGITS: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


def minor_unit_digits(currency: str) -> int:
    """Decimal places of a currency's minor unit (ISO 4217)."""
    code = currency.upper()
    if code in _ZERO_DIGITS:
        return 0
    return 3 if code in _THREE_DIGITS else 2


def display_amount(raw: int, *, decimals: int, digits_min: int) -> str:
    """Write an integer amount as an exact plain decimal, e.g. ``50.00``.

    Args:
        raw: Amount in the smallest unit.
        decimals: Decimal places of that unit.
        digits_min: Decimal places always shown; zeros beyond them are dropped.
    """
    sign, digits = ("-" if raw < 0 else ""), str(abs(raw)).zfill(decimals + 1)
    whole, fraction = (digits[:-decimals], digits[-decimals:]) if decimals else (digits, "")
    fraction = fraction.rstrip("0").ljust(min(digits_min, decimals), "0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def parse_address(text: str) -> Address:
    """Read an address in any case; a mixed-case one must carry its EIP-55 checksum.

    Raises:
        ValueError: Not an address, or its checksum is wrong.
    """
    if not _ADDRESS.fullmatch(text):
        raise ValueError("expected an address: 0x and 40 hex digits")
    digits = text[2:]
    is_mixed = digits not in {digits.lower(), digits.upper()}
    if is_mixed and str(to_checksum_address(text)) != text:
        raise ValueError("the address has a wrong EIP-55 checksum: check it was copied whole")
    return address_from_hex("0x" + digits)


def parse_hash(text: str) -> bytes:
    """Read a 32-byte hash in any case.

    Raises:
        ValueError: Not a hash.
    """
    if not _HASH.fullmatch(text):
        raise ValueError("expected a hash: 0x and 64 hex digits")
    return bytes.fromhex(text[2:])


def hex_or_none(raw: bytes | None) -> str | None:
    """Lower-case ``0x`` hex of bytes that may be missing."""
    return None if raw is None else to_hex(raw)


def checksum(raw: bytes) -> str:
    """EIP-55 form of an address."""
    return str(to_checksum_address(to_hex(raw)))


def checksum_or_none(raw: bytes | None) -> str | None:
    """EIP-55 form of an address that may be missing."""
    return None if raw is None else checksum(raw)


def explorer_url(chain_id: int, tx_hash: bytes) -> str | None:
    """Where a block explorer shows a transaction; None where none is known."""
    try:
        pattern = network_by_chain_id(chain_id).explorer_tx_url
    except ConfigurationError:
        return None
    return None if pattern is None else pattern.format(tx_hash=to_hex(tx_hash))


def checksum_within(value: JsonValue) -> JsonValue:
    """Put every address inside decoded event arguments into its EIP-55 form.

    A string of 20 bytes of hex is an address: no event of the protocol carries a ``bytes20``.
    """
    match value:
        case str() if _ADDRESS.fullmatch(value):
            return str(to_checksum_address(value))
        case list():
            return [checksum_within(part) for part in value]
        case dict():
            return {name: checksum_within(part) for name, part in value.items()}
        case _:
            return value
