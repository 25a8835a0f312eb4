"""Chain quantities as distinct types. Hashes and addresses are raw bytes; only edges speak hex."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NewType

from cchecksum import to_checksum_address

ChainId = NewType("ChainId", int)
BlockNumber = NewType("BlockNumber", int)
BlockHash = NewType("BlockHash", bytes)
"""32 bytes."""
TxHash = NewType("TxHash", bytes)
"""32 bytes."""
Address = NewType("Address", bytes)
"""20 bytes."""
PaymentId = NewType("PaymentId", bytes)
"""32 bytes; a treasury's name for one payment."""
Wei = NewType("Wei", int)
TokenAmount = NewType("TokenAmount", int)
"""Base units of one ERC-20 token; the token's decimals give the scale."""

ADDRESS_BYTES = 20
HASH_BYTES = 32
ZERO_ADDRESS = Address(bytes(ADDRESS_BYTES))


@dataclass(frozen=True, slots=True)
class BlockStamp:
    """The block a statement is true as of."""

    number: BlockNumber
    hash: BlockHash
    timestamp: datetime
    """Aware, UTC; the header's unix seconds."""


def address_from_hex(text: str) -> Address:
    """Parse ``0x`` + 40 hex digits, any case.

    Raises:
        ValueError: The text is not an address.
    """
    raw = bytes_from_hex(text)
    if len(raw) != ADDRESS_BYTES:
        raise ValueError(f"{text!r} is not an address: expected 0x and 40 hex digits")
    return Address(raw)


def hash_from_hex(text: str) -> bytes:
    """Parse ``0x`` + 64 hex digits, any case.

    Raises:
        ValueError: The text is not a 32-byte hash.
    """
    raw = bytes_from_hex(text)
    if len(raw) != HASH_BYTES:
        raise ValueError(f"{text!r} is not a 32-byte hash: expected 0x and 64 hex digits")
    return raw


def bytes_from_hex(text: str) -> bytes:
    """Parse ``0x``-prefixed hex.

    Raises:
        ValueError: The prefix is missing or the rest is not hex.
    """
    if not text.startswith("0x"):
        raise ValueError(f"{text!r} is not hex: expected a 0x prefix")
    return bytes.fromhex(text[2:])


def to_hex(raw: bytes) -> str:
    """Write bytes as lower-case ``0x`` hex."""
    return "0x" + raw.hex()


def to_checksum(address: Address) -> str:
    """Write an address in its EIP-55 mixed-case form."""
    return str(to_checksum_address(address))


def utc_from_unix(seconds: int) -> datetime:
    """Turn a header's unix seconds into an aware UTC datetime."""
    return datetime.fromtimestamp(seconds, tz=UTC)
