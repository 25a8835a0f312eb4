"""Decode all logs of one event at once, by the fixed layout of its words. Pure.

Only for events whose arguments are single words, and for an array of words in its plain encoding;
whatever differs is decoded log by log (``decode``), to which tests compare this.

Source: Solidity documentation, "Contract ABI Specification".
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from indexer.chain.types import ADDRESS_BYTES, HASH_BYTES
from indexer.columnar import Bytes, LogGroup, Mask
from indexer.events import EventType

Columns = Mapping[str, Any]
"""By argument: addresses (n, 20), bytes32 and uint256 (n, 32) bytes; bools (n,)."""

_WORDS = frozenset({"address", "bytes32", "uint256", "bool"})


def has_fixed_layout(event: EventType) -> bool:
    """Whether every argument is one word."""
    return all(argument.type in _WORDS for argument in event.arguments)


def decode_group(event: EventType, group: LogGroup) -> tuple[Columns, Mask] | None:
    """Decode logs whose topics are as many as the event's.

    Args:
        event: Of fixed layout.
        group: Its logs.

    Returns:
        The arguments, and which logs are well-formed; None when the data is too short for any.
    """
    count, words = len(group), len(event.plain)
    if group.data.shape[1] < words * HASH_BYTES:
        return None
    data = group.data[:, : words * HASH_BYTES].reshape(count, words, HASH_BYTES)
    columns: dict[str, Any] = {}
    is_sound = np.ones(count, np.bool_)
    for place, argument in enumerate(event.indexed):
        columns[argument.name] = _word(argument.type, group.topics[:, 1 + place], is_sound)
    for place, argument in enumerate(event.plain):
        columns[argument.name] = _word(argument.type, data[:, place], is_sound)
    for name, value in event.missing:
        columns[name] = _constant(value, count)
    return columns, is_sound


def decode_hashes(group: LogGroup) -> Bytes | None:
    """The one ``bytes32[]`` that these logs carry: (n, length, 32).

    None when some log encodes it otherwise than at once and without a rest.
    """
    data = group.data
    if data.shape[1] < 2 * HASH_BYTES or data.shape[1] % HASH_BYTES:
        return None
    length = data.shape[1] // HASH_BYTES - 2
    head = HASH_BYTES.to_bytes(HASH_BYTES, "big") + length.to_bytes(HASH_BYTES, "big")
    if not (data[:, : 2 * HASH_BYTES] == np.frombuffer(head, np.uint8)).all():
        return None
    return data[:, 2 * HASH_BYTES :].reshape(len(group), length, HASH_BYTES)


def _word(kind: str, words: Bytes, is_sound: Mask) -> Any:  # noqa: ANN401 - an array of its kind
    """One argument of all logs; ``is_sound`` loses those whose padding is not zero."""
    if kind == "address":
        padding = HASH_BYTES - ADDRESS_BYTES
        is_sound &= ~words[:, :padding].any(axis=1)
        return words[:, padding:]
    if kind == "bool":
        is_sound &= ~words[:, :-1].any(axis=1) & (words[:, -1] <= 1)
        return words[:, -1] == 1
    return words


def _constant(value: bytes | int, count: int) -> Any:  # noqa: ANN401 - an array of its kind
    if isinstance(value, bool):
        return np.full(count, value)
    raw = value if isinstance(value, bytes) else value.to_bytes(HASH_BYTES, "big")
    return np.tile(np.frombuffer(raw, np.uint8), (count, 1))
