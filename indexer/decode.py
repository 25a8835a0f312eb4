"""Turn a log into an event, or say why it is none. Pure.

Anyone may emit a log with our topic and rubbish behind it, so an undecodable log is a value, never
an exception.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode as abi_decode
from eth_abi.exceptions import DecodingError

from indexer.chain.blocks import Log
from indexer.chain.types import Address, address_from_hex, to_hex
from indexer.events import EVENTS, SHAPES, EventType
from indexer.signatures import split_types

Value = int | bool | bytes | str | tuple["Value", ...]
"""A decoded argument: addresses and bytes32 are raw bytes, arrays and structs are tuples."""
JsonValue = str | bool | list["JsonValue"]


@dataclass(frozen=True, slots=True)
class Event:
    """A decoded log."""

    type: EventType
    arguments: Mapping[str, Value]
    """By name, as the current ABI names them: what an older shape lacks stands here as nothing."""
    log: Log

    def bytes_of(self, name: str) -> bytes:
        """An argument that is an address or bytes32.

        Raises:
            TypeError: It is of another type: the caller misread the ABI.
        """
        value = self.arguments[name]
        if not isinstance(value, bytes):
            raise TypeError(f"{self.type.name}.{name} is not bytes")
        return value

    def hashes_of(self, name: str) -> tuple[bytes, ...]:
        """An argument that is a bytes32[].

        Raises:
            TypeError: It is of another type: the caller misread the ABI.
        """
        value = self.arguments[name]
        if not isinstance(value, tuple):
            raise TypeError(f"{self.type.name}.{name} is not an array")
        hashes = tuple(one for one in value if isinstance(one, bytes))
        if len(hashes) != len(value):
            raise TypeError(f"{self.type.name}.{name} is not an array of bytes32")
        return hashes

    def address_of(self, name: str) -> Address:
        """An argument that is an address."""
        return Address(self.bytes_of(name))

    def integer_of(self, name: str) -> int:
        """An argument that is an integer or a bool.

        Raises:
            TypeError: It is of another type: the caller misread the ABI.
        """
        value = self.arguments[name]
        if not isinstance(value, int):
            raise TypeError(f"{self.type.name}.{name} is not an integer")
        return value

    def json_arguments(self) -> dict[str, JsonValue]:
        """Arguments for JSON: integers as decimal strings, bytes as ``0x`` hex."""
        return {name: json_value(value) for name, value in self.arguments.items()}


@dataclass(frozen=True, slots=True)
class UndecodableLog:
    """A log with a topic of ours that is not that event."""

    type: EventType
    reason: str
    log: Log

    def json_arguments(self) -> dict[str, JsonValue]:
        """The log as it is, for JSON."""
        return {
            "undecodable": self.reason,
            "topics": [to_hex(topic) for topic in self.log.topics],
            "data": to_hex(self.log.data),
        }


def decode_log(log: Log) -> Event | UndecodableLog | None:
    """Decode a log by its first topic; None when that is no topic of ours."""
    if not log.topics or (listed := EVENTS.get(log.topics[0])) is None:
        return None
    event = SHAPES.get((listed.topic0, len(log.topics)))
    if event is None:
        reason = f"{listed.name} has {len(listed.indexed)} indexed arguments, "
        return UndecodableLog(listed, f"{reason}not {len(log.topics) - 1}", log)
    indexed, plain = event.indexed, event.plain
    try:
        raw = [
            abi_decode([a.type], topic)[0] for a, topic in zip(indexed, log.topics[1:], strict=True)
        ]
        raw += abi_decode([a.type for a in plain], log.data)
    except (DecodingError, UnicodeDecodeError, OverflowError) as error:
        return UndecodableLog(event, f"{type(error).__name__}: {error}"[:200], log)
    values = {
        argument.name: python_value(argument.type, value)
        for argument, value in zip([*indexed, *plain], raw, strict=True)
    }
    if any(isinstance(value, str) and "\0" in value for value in values.values()):
        return UndecodableLog(event, "a string holds NUL, which Postgres cannot store", log)
    return Event(event, values | dict(event.missing), log)


def python_value(kind: str, value: Any) -> Value:  # noqa: ANN401 - what eth-abi returns for ``kind``
    """What eth-abi decoded, with addresses as bytes and everything immutable."""
    if kind.endswith("[]"):
        return tuple(python_value(kind[:-2], part) for part in value)
    if kind.startswith("("):
        kinds = split_types(kind[1:-1])
        return tuple(python_value(one, part) for one, part in zip(kinds, value, strict=True))
    if kind == "address":
        return address_from_hex(value)
    plain: int | bool | bytes | str = value
    return plain


def json_value(value: Value) -> JsonValue:
    """A value for JSON: integers as decimal strings, bytes as ``0x`` hex, arrays as lists."""
    match value:
        case bool() | str():
            return value
        case int():
            return str(value)
        case bytes():
            return to_hex(value)
        case tuple():
            return [json_value(part) for part in value]
