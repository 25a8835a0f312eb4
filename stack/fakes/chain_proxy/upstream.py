"""The nodes behind a proxy, over connections that are kept alive."""

import http.client
from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import urlsplit

import msgspec

from stack.fakes.chain_proxy.alter import Marks
from stack.fakes.chain_proxy.calls import CallAsked, block_answered
from stack.ports import LOOPBACK

UPSTREAM_TIMEOUT_S = 60


class NodeSilent(Exception):  # noqa: N818 - reads as a state
    """The node behind the proxy does not answer."""


class Upstream:
    """One client's connections to nodes; of one thread."""

    _plain: ClassVar[dict[str, str]] = {"Content-Type": "application/json"}

    def __init__(self) -> None:
        """Connect to nothing yet."""
        self._connections: dict[str, http.client.HTTPConnection] = {}

    def close(self) -> None:
        """Close every connection."""
        for connection in self._connections.values():
            connection.close()

    def forward(self, target: str, body: bytes) -> tuple[int, bytes]:
        """Send bytes to a node; a connection that it closed meanwhile is opened again once.

        Raises:
            NodeSilent: It does not answer.
        """
        for _ in range(2):
            connection = self._connections.get(target)
            if connection is None:
                parts = urlsplit(target)
                connection = http.client.HTTPConnection(
                    parts.hostname or LOOPBACK, parts.port, timeout=UPSTREAM_TIMEOUT_S
                )
                self._connections[target] = connection
            try:
                connection.request("POST", urlsplit(target).path or "/", body, self._plain)
                response = connection.getresponse()
                return response.status, response.read()
            except (OSError, http.client.HTTPException):
                self._connections.pop(target).close()
        raise NodeSilent(target)

    def ask(self, target: str, calls: Sequence[CallAsked]) -> None:
        """Ask a node, and give each call its answer.

        Raises:
            NodeSilent: It does not answer.
        """
        bodies = [{**call.body(), "id": index} for index, call in enumerate(calls)]
        _, raw = self.forward(target, msgspec.json.encode(bodies))
        answers = {one["id"]: one for one in msgspec.json.decode(raw)}
        for index, call in enumerate(calls):
            call.answer = {**answers[index], "id": call.id}

    def marks(self, target: str) -> Marks:
        """Where a node truly stands; raises as ``ask``."""
        tags = ("latest", "safe", "finalized")
        calls = [CallAsked(None, "eth_getBlockByNumber", [tag, False]) for tag in tags]
        self.ask(target, calls)
        return Marks(*(block_answered(call) or 0 for call in calls))

    def is_pending(self, target: str, tx_hash: str) -> bool:
        """Whether a node has a transaction that no block holds; raises as ``ask``."""
        call = CallAsked(None, "eth_getTransactionByHash", [tx_hash])
        self.ask(target, [call])
        return call.result is not None and call.result.get("blockNumber") is None
