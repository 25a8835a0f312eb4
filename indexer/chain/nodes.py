"""The nodes of one chain: who is asked first, who instead, and that all serve the same chain.

The first healthy node is asked; one that gives no usable answer is passed over. A node that answers
with an error has answered: that is an ``RpcError``, and no other node is asked.
"""

from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import TypeVar

import msgspec

from indexer.chain.networks import Network
from indexer.chain.node import Node
from indexer.errors import ConfigurationError, RpcError, RpcUnavailable

SILENCE_S = 5.0
"""How long ``each`` passes over a node that gave no usable answer: one dead node of several must
not cost its whole timeout again and again."""

T = TypeVar("T")

_TEXT: msgspec.json.Decoder[str] = msgspec.json.Decoder(str)


class Nodes:
    """Several nodes in order of preference. Safe to share between threads."""

    def __init__(self, urls: Sequence[str]) -> None:
        """Prepare one pool per URL; nothing is sent yet.

        Args:
            urls: HTTP URLs of nodes of one chain, the preferred first; the same one twice is one.

        Raises:
            ConfigurationError: There are none.
        """
        if not urls:
            raise ConfigurationError("no RPC URL is set: LASTRO_RPC_URLS needs at least one")
        self._nodes = tuple(Node(url) for url in dict.fromkeys(urls))
        self._preferred = 0
        self._network: Network | None = None
        self._checked: set[int] = set()
        self._silent_until: dict[int, float] = {}

    def __len__(self) -> int:
        """How many nodes are configured."""
        return len(self._nodes)

    @property
    def preferred(self) -> Node:
        """The node asked first."""
        return self._nodes[self._preferred]

    def close(self) -> None:
        """Close every connection."""
        for node in self._nodes:
            node.close()

    def distrust(self) -> None:
        """Ask another node first from now on: this one's answer contradicted itself."""
        self._preferred = (self._preferred + 1) % len(self._nodes)

    def require(self, network: Network) -> None:
        """Check every node that answers now, and each of the others before it is first used.

        Raises:
            ConfigurationError: One serves another chain; names its URL and both ids.
            RpcUnavailable: None answers.
        """
        self._network = network
        self._checked.clear()
        failures: list[str] = []
        for index in range(len(self._nodes)):
            try:
                self._require_chain(index)
            except RpcUnavailable as failure:
                failures.append(str(failure))
        if len(failures) == len(self._nodes):
            raise RpcUnavailable("; ".join(failures))

    def first(self, attempt: Callable[[Node], T]) -> T:
        """Try every node once, the preferred first; remember the first that answers.

        Args:
            attempt: Asks a node and reads its answer; a ``ValueError`` or ``DecodeError`` says
                that the answer is none.

        Raises:
            RpcUnavailable: No node gave a usable answer.
            RpcError: The first that answered refused.
            ConfigurationError: A node used for the first time serves another chain.
        """
        failures: list[str] = []
        for index in self._order():
            try:
                answer = self.at(index, attempt)
            except RpcUnavailable as failure:
                failures.append(str(failure))
                continue
            self._preferred = index
            return answer
        raise RpcUnavailable("; ".join(failures))

    def at(self, index: int, attempt: Callable[[Node], T]) -> T:
        """Ask one node, by its place among the URLs; raises as ``first`` does."""
        try:
            self._require_chain(index)
            answer = _usable(self._nodes[index], attempt)
        except RpcUnavailable:
            self._silent_until[index] = monotonic() + SILENCE_S
            raise
        self._silent_until.pop(index, None)
        return answer

    def each(self, attempt: Callable[[Node], T]) -> Iterator[tuple[Node, T]]:
        """Ask one node after the other, the preferred first; those without an answer are left out.

        Raises:
            ConfigurationError: A node used for the first time serves another chain.
        """
        for index in self._order():
            if self._silent_until.get(index, 0.0) > monotonic():
                continue
            try:
                answer = self.at(index, attempt)
            except (RpcUnavailable, RpcError):
                continue
            yield self._nodes[index], answer

    def _order(self) -> list[int]:
        first, count = self._preferred, len(self._nodes)
        return [(first + offset) % count for offset in range(count)]

    def _require_chain(self, index: int) -> None:
        """Check a node's chain id unless that was done, or no network is required."""
        network, node = self._network, self._nodes[index]
        if network is None or index in self._checked:
            return
        try:
            answered = _usable(node, lambda one: int(_TEXT.decode(one.ask("eth_chainId")), 16))
        except RpcError as refusal:
            raise RpcUnavailable(f"{node.name} does not tell its chain id: {refusal}") from refusal
        if answered != network.chain_id:
            raise ConfigurationError(
                f"{node.name} serves chain {answered}, but {network.name} is "
                f"{network.chain_id}: mend LASTRO_RPC_URLS or LASTRO_CHAIN"
            )
        self._checked.add(index)


def _usable(node: Node, attempt: Callable[[Node], T]) -> T:
    """What ``attempt`` reads; whatever does not fit its shape is no answer at all."""
    try:
        return attempt(node)
    except (msgspec.DecodeError, ValueError) as error:
        raise RpcUnavailable(f"an answer of {node.name} has no usable shape: {error}") from error
