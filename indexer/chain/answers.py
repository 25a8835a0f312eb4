"""JSON-RPC bodies: writing calls, and finding each call's answer in what came back. Pure."""

from collections.abc import Sequence

import msgspec

from indexer.chain.types import bytes_from_hex

Call = tuple[str, Sequence[object]]
"""Method and parameters."""


class ErrorBody(msgspec.Struct, frozen=True):
    """A refusal, as JSON-RPC writes it."""

    code: int
    message: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class Answer(msgspec.Struct, frozen=True):
    """The answer to one call."""

    id: int | None = None
    result: msgspec.Raw = msgspec.Raw()
    """Empty when the answer has none, which is not the same as ``null``."""
    error: ErrorBody | None = None


_DECODE_ONE = msgspec.json.Decoder(Answer)
_DECODE_MANY = msgspec.json.Decoder(list[Answer])


def write_one(call: Call) -> bytes:
    """The body of one call."""
    return msgspec.json.encode(_request(0, call))


def write_many(calls: Sequence[Call]) -> bytes:
    """The body of a batch; a call's id is its place."""
    return msgspec.json.encode([_request(index, call) for index, call in enumerate(calls)])


def read_one(body: bytes) -> Answer:
    """Read the answer to one call.

    Raises:
        DecodeError: It is none.
    """
    return _DECODE_ONE.decode(body)


def read_many(body: bytes) -> list[Answer]:
    """Read the answers of a batch, in whatever order they came.

    Raises:
        DecodeError: They are none.
    """
    return _DECODE_MANY.decode(body)


def is_single(body: bytes) -> bool:
    """Whether one object came where a batch was asked."""
    return body.lstrip()[:1] == b"{"


def in_order(answers: Sequence[Answer], count: int) -> list[Answer]:
    """Put the answers of a batch into the order of its calls. Their ids decide, never their place.

    Raises:
        ValueError: Some call has no answer, or two that differ.
    """
    found: dict[int | None, Answer] = {}
    for answer in answers:
        known = found.setdefault(answer.id, answer)
        if known is not answer and known != answer:
            raise ValueError(f"call {answer.id} of the batch has two answers that differ")
    missing = [index for index in range(count) if index not in found]
    if missing:
        raise ValueError(f"{len(missing)} of {count} calls of the batch have no answer")
    return [found[index] for index in range(count)]


def revert_bytes(raw: msgspec.Raw) -> bytes | None:
    """Revert data of an error: nodes put it as hex, some one level deeper, some not at all."""
    data = msgspec.json.decode(raw)
    if isinstance(data, dict):
        data = data.get("data")
    if not isinstance(data, str) or not data.startswith("0x"):
        return None
    try:
        return bytes_from_hex(data)
    except ValueError:
        return None


def methods_of(calls: Sequence[Call]) -> str:
    """The distinct methods of a request, joined by ``+``."""
    return "+".join(dict.fromkeys(method for method, _ in calls))


def _request(index: int, call: Call) -> dict[str, object]:
    method, parameters = call
    return {"jsonrpc": "2.0", "id": index, "method": method, "params": list(parameters)}
