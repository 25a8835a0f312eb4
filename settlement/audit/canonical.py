"""One way to write a value as JSON bytes, so that equal values have equal hashes. Pure.

RFC 8785 (JSON Canonicalization Scheme), of the values that our rows hold. There are no floats, and
no two readers round a number differently: what a double cannot hold is a text.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

INTEGER_MAX: Final = 2**53 - 1
"""Of either sign; a reader that knows only doubles holds no more (RFC 7493 §2.2)."""

# Python escapes exactly what RFC 8785 §3.2.2.2 does, with the same letters and digits.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

_Json = None | bool | int | str | list["_Json"] | dict[str, "_Json"]


def canonical(value: object) -> bytes:
    """Write a value as canonical JSON in UTF-8.

    Args:
        value: None, a boolean, a text; an integer (a text beyond ``INTEGER_MAX``); bytes (``0x``
            and hex); a UUID; an aware time (ISO 8601 in UTC, with microseconds and ``Z``);
            mappings and sequences of these.

    Raises:
        TypeError: It holds something else.
        ValueError: It holds a time without a zone, or a text that is not Unicode.
    """
    return _ENCODER.encode(_plain(value)).encode()


def _plain(value: object) -> _Json:
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if abs(value) <= INTEGER_MAX else str(value)
        case bytes() | UUID() | datetime():
            return _text(value)
        case Mapping():
            # §3.2.3: by the keys' UTF-16 code units, which differs from Python's order.
            return {key: _plain(value[key]) for key in sorted(value, key=_code_units)}
        case Sequence():
            return [_plain(one) for one in value]
        case _:
            raise TypeError(f"{type(value).__name__} has no canonical form")


def _text(value: bytes | UUID | datetime) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, UUID):
        return str(value)
    if value.tzinfo is None:
        raise ValueError(f"{value} has no zone, so it is no instant")
    text = value.astimezone(UTC).isoformat(timespec="microseconds")
    return text.removesuffix("+00:00") + "Z"


def _code_units(key: str) -> bytes:
    return key.encode("utf-16-be")
