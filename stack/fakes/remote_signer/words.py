"""Words of the fake wallet service: its refusals, and how it writes numbers and bytes."""

import re
from http import HTTPStatus
from typing import Any

EXTERNAL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
DATA_BYTES_MAX = 150_000


class Refused(Exception):  # noqa: N818 - reads as a state
    """The fake answers with an error."""

    def __init__(self, status: int, error: str, *, code: str = "invalid_data") -> None:
        self.status = status
        self.body = {"error": error, "code": code}
        super().__init__(error)


def invalid(error: str) -> Refused:
    """400: the request breaks a rule."""
    return Refused(HTTPStatus.BAD_REQUEST, error)


def quantity(transaction: dict[str, Any], name: str) -> int:
    """Read a required quantity: a hex string or a non-negative integer.

    Raises:
        Refused: It is missing or neither.
    """
    value = transaction.get(name)
    if isinstance(value, str) and re.fullmatch("0x[0-9a-fA-F]+", value):
        return int(value, 16)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise invalid(f"transaction.{name} must be a quantity")


def hex_data(transaction: dict[str, Any]) -> bytes:
    """Read a transaction's calldata.

    Raises:
        Refused: It is not hex, or too long.
    """
    text = transaction.get("data", "0x")
    if not isinstance(text, str) or not re.fullmatch("0x([0-9a-fA-F]{2})*", text):
        raise invalid("transaction.data must be hex")
    if len(text) > 2 + 2 * DATA_BYTES_MAX:
        raise invalid("transaction.data is too long")
    return bytes.fromhex(text[2:])
