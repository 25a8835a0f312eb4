"""What a gateway's JSON may be read as: only what our columns can hold. Pure.

A gateway's answer is outside input. A value of another type is absent; one that could not be kept
makes the whole answer unusable, because dropping it might let a wrong payment pass.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from offchain.gateways.errors import GatewayUnavailable

AMOUNT_MAX: Final = 2**63 - 1
"""Any amount up to it can at least be kept as a mismatch."""
TEXT_MAX: Final = 200


def own_uuid(value: object) -> UUID | None:
    """Read a UUID, or None when it is something else."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def is_storable(text: str) -> bool:
    """Whether Postgres can hold a text: it holds neither NUL nor lone surrogates."""
    if text.isascii():  # nearly always
        return "\0" not in text
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)


def mapping(value: object) -> Mapping[str, Any]:
    """An object, empty when it is something else."""
    return value if isinstance(value, Mapping) else {}


def integer(value: object, *, largest: int = AMOUNT_MAX) -> int | None:
    """An integer, None when it is something else.

    Raises:
        GatewayUnavailable: Our columns cannot hold it.
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if abs(value) > largest:  # an integer too long for 64 bits is read as a float
        raise GatewayUnavailable("the gateway names a number out of range")
    return value if isinstance(value, int) else None


def word(value: object) -> str:
    """A status, currency or code in lower case; empty when absent.

    Raises:
        GatewayUnavailable: Our columns cannot hold it.
    """
    found = str(value or "").lower()
    if len(found) > TEXT_MAX or not is_storable(found):
        raise GatewayUnavailable("the gateway names a word that cannot be kept")
    return found


def code(value: object) -> str:
    """A gateway's own code of a refusal, cut to what can be kept; empty when there is none."""
    return value[:TEXT_MAX] if isinstance(value, str) and is_storable(value) else ""
