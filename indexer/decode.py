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
from indexer.events import EVENTS, EventType

Value = int | bool | bytes | str | tuple[bytes, ...]
"""A decoded argument: addresses and bytes32 are raw bytes, bytes32[] a tuple of them."""
JsonValue = str | bool | list[str]


@dataclass(frozen=True, slots=True)
class Event:
    """A decoded log."""

    type: EventType
    arguments: Mapping[str, Value]
    """By name, as the ABI names them."""
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
        return value

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
        return {name: _json(value) for name, value in self.arguments.items()}


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
    if not log.topics or (event := EVENTS.get(log.topics[0])) is None:
        return None
    indexed = [argument for argument in event.arguments if argument.indexed]
    plain = [argument for argument in event.arguments if not argument.indexed]
    if len(log.topics) != len(indexed) + 1:
        reason = f"{event.name} has {len(indexed)} indexed arguments, not {len(log.topics) - 1}"
        return UndecodableLog(event, reason, log)
    try:
        raw = [
            abi_decode([a.type], topic)[0] for a, topic in zip(indexed, log.topics[1:], strict=True)
        ]
        raw += abi_decode([a.type for a in plain], log.data)
    except (DecodingError, UnicodeDecodeError, OverflowError) as error:
        return UndecodableLog(event, f"{type(error).__name__}: {error}"[:200], log)
    values = {
        argument.name: _python(argument.type, value)
        for argument, value in zip([*indexed, *plain], raw, strict=True)
    }
    if any(isinstance(value, str) and "\0" in value for value in values.values()):
        return UndecodableLog(event, "a string holds NUL, which Postgres cannot store", log)
    return Event(event, values, log)


def _python(kind: str, value: Any) -> Value:  # noqa: ANN401 - what eth-abi returns for ``kind``
    if kind == "address":
        return address_from_hex(value)
    if kind.endswith("[]"):
        return tuple(bytes(part) for part in value)
    plain: int | bool | bytes | str = value
    return plain


def _json(value: Value) -> JsonValue:
    match value:
        case bool() | str():
            return value
        case int():
            return str(value)
        case bytes():
            return to_hex(value)
        case tuple():
            return [to_hex(part) for part in value]
