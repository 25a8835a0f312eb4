"""One JSON-RPC node over HTTP: requests, batches, and what counts as an answer."""

from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import msgspec

from indexer.chain.types import bytes_from_hex
from indexer.errors import RpcError, RpcUnavailable

TIMEOUT = httpx.Timeout(15, connect=3)
HTTP_BAD_REQUEST = 400
"""The one HTTP error under which some providers put a JSON-RPC error that is meant for the caller
(a logs range too wide); every other speaks of the node or of our account there."""

Call = tuple[str, Sequence[object]]
"""Method and parameters."""


class _ErrorBody(msgspec.Struct, frozen=True):
    code: int
    message: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Answer(msgspec.Struct, frozen=True):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw()
    """Empty when the answer has none, which is not the same as ``null``."""
    error: _ErrorBody | None = None


_DECODE_ONE = msgspec.json.Decoder(_Answer)
_DECODE_MANY = msgspec.json.Decoder(list[_Answer])


class Node:
    """One node behind one URL."""

    def __init__(self, url: str) -> None:
        """Open a keep-alive connection pool.

        Args:
            url: HTTP URL; credentials in it are used but never shown.
        """
        self._url = url
        self.name = public_url(url)
        self._client = httpx.Client(timeout=TIMEOUT)

    def ask(self, method: str, *parameters: object) -> msgspec.Raw:
        """Make one call.

        Raises:
            RpcUnavailable: No usable answer.
            RpcError: The node refused.
        """
        return self._accept(self._one(self._post(_request(0, (method, parameters)))))

    def ask_many(self, calls: Sequence[Call]) -> list[msgspec.Raw]:
        """Make several calls in one request; answers in the order of the calls.

        Raises:
            RpcUnavailable: No usable answer, or some call has none.
            RpcError: The node refused one of them.
        """
        body = self._post([_request(index, call) for index, call in enumerate(calls)])
        if body.lstrip()[:1] == b"{":  # the batch as a whole was refused
            self._accept(self._one(body))
            raise RpcUnavailable(f"{self.name} answered a batch with a single result")
        try:
            answers = {answer.id: answer for answer in _DECODE_MANY.decode(body)}
            ordered = [answers[index] for index in range(len(calls))]
        except (msgspec.DecodeError, KeyError) as error:
            raise RpcUnavailable(f"{self.name} answered no usable JSON-RPC batch") from error
        return [self._accept(answer) for answer in ordered]

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _post(self, body: object) -> bytes:
        try:
            response = self._client.post(
                self._url,
                content=msgspec.json.encode(body),
                headers={"Content-Type": "application/json"},
            )
        except httpx.HTTPError as error:
            raise RpcUnavailable(f"{self.name} did not answer: {type(error).__name__}") from error
        if response.status_code == HTTP_BAD_REQUEST:
            self._raise_error(response.content)
        if not response.is_success:
            raise RpcUnavailable(f"{self.name} answered HTTP {response.status_code}")
        return response.content

    def _raise_error(self, body: bytes) -> None:
        """Raise the JSON-RPC error that an HTTP error carries, if it carries one."""
        with suppress(msgspec.DecodeError):
            answer = _DECODE_ONE.decode(body)
            if answer.error is not None:
                self._accept(answer)

    def _one(self, body: bytes) -> _Answer:
        try:
            return _DECODE_ONE.decode(body)
        except msgspec.DecodeError as error:
            raise RpcUnavailable(f"{self.name} answered no usable JSON-RPC") from error

    def _accept(self, answer: _Answer) -> msgspec.Raw:
        if answer.error is not None:
            raise RpcError(
                answer.error.code, answer.error.message, _revert_bytes(answer.error.data)
            )
        if len(answer.result) == 0:
            raise RpcUnavailable(f"{self.name} answered neither a result nor an error")
        return answer.result


def public_url(url: str) -> str:
    """Scheme, host and port of a URL: user, password, path and query may hold keys."""
    parts = urlsplit(url)
    host = parts.hostname or "?"
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def _request(index: int, call: Call) -> dict[str, object]:
    method, parameters = call
    return {"jsonrpc": "2.0", "id": index, "method": method, "params": list(parameters)}


def _revert_bytes(raw: msgspec.Raw) -> bytes | None:
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
