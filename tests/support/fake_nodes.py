"""Several nodes of one chain behind one source, as a reader with several URLs has them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from indexer.chain.blocks import Header, Log, Receipt
from indexer.chain.reads import RawLogs
from indexer.chain.source import Block, Opinion
from indexer.chain.types import Address, BlockHash, BlockNumber, TxHash
from indexer.chain.wire import WireReceipt
from indexer.errors import RpcUnavailable
from tests.support.fake_chain import FakeChain

T = TypeVar("T")


class FakeNodes:
    """Asks the preferred node; ``distrust`` prefers the next."""

    def __init__(self, nodes: Sequence[FakeChain]) -> None:
        self.nodes = list(nodes)
        self.distrusted = 0
        self.unreachable: set[str] = set()
        """Names of nodes that do not answer."""

    @property
    def provider(self) -> str:
        return self.nodes[0].name

    @property
    def node_count(self) -> int:
        return len(self.nodes)

    @property
    def providers(self) -> tuple[str, ...]:
        return tuple(sorted(node.name for node in self.nodes))

    @property
    def provider_count(self) -> int:
        return len(self.nodes)

    def opinions(self, number: BlockNumber) -> Iterator[Opinion]:
        for node in self._reachable():
            yield Opinion(node.name, node.block_by_number(number))

    def distrust(self) -> None:
        self.distrusted += 1
        self.nodes.append(self.nodes.pop(0))

    def charge(self, provider: str, kind: str) -> None:
        assert kind
        if provider == self.provider:
            self.distrust()

    def second(self, provider: str) -> int | None:
        return next((i for i, name in enumerate(self.providers) if name != provider), None)

    def block_by_number(self, block: Block) -> Header | None:
        return self._first(lambda node: node.block_by_number(block))

    def block_by_hash(self, block_hash: BlockHash) -> Header | None:
        return self._first(lambda node: node.block_by_hash(block_hash))

    def headers(self, numbers: Iterable[BlockNumber]) -> list[Header]:
        wanted = list(numbers)
        return self._first(lambda node: node.headers(wanted))

    def receipts(self, block_hash: BlockHash) -> list[Receipt] | None:
        return self._first(lambda node: node.receipts(block_hash))

    def logs(
        self,
        low: BlockNumber,
        high: BlockNumber,
        topics: Sequence[Sequence[bytes] | None],
        addresses: Sequence[Address] | None = None,
    ) -> list[Log]:
        return self._first(lambda node: node.logs(low, high, topics, addresses))

    def raw_logs(
        self,
        low: BlockNumber,
        high: BlockNumber,
        topics: Sequence[Sequence[bytes] | None],
        addresses: Sequence[Address] | None = None,
        *,
        provider: int | None = None,
    ) -> RawLogs:
        return self._at(provider, lambda node: node.raw_logs(low, high, topics, addresses))

    def raw_headers(
        self, low: BlockNumber, high: BlockNumber, *, provider: int | None = None
    ) -> tuple[str, list[Header]]:
        return self._at(provider, lambda node: node.raw_headers(low, high))

    def raw_receipts(
        self, hashes: Sequence[BlockHash], *, provider: int | None = None
    ) -> tuple[str, list[list[Receipt]]]:
        return self._at(provider, lambda node: node.raw_receipts(hashes))

    def wire_receipts(
        self, hashes: Sequence[BlockHash], *, provider: int | None = None
    ) -> tuple[str, list[list[WireReceipt]]]:
        return self._at(provider, lambda node: node.wire_receipts(hashes))

    def transaction_receipt(self, tx_hash: TxHash) -> Receipt | None:
        return self._first(lambda node: node.transaction_receipt(tx_hash))

    def _reachable(self) -> list[FakeChain]:
        return [node for node in self.nodes if node.name not in self.unreachable]

    def _first(self, ask: Callable[[FakeChain], T]) -> T:
        for node in self._reachable():
            return ask(node)
        raise RpcUnavailable("no node answers")

    def _at(self, provider: int | None, ask: Callable[[FakeChain], T]) -> T:
        if provider is None:
            return self._first(ask)
        name = self.providers[provider]
        for node in self._reachable():
            if node.name == name:
                return ask(node)
        raise RpcUnavailable(f"{name} does not answer")
