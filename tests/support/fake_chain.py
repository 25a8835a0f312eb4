"""A chain in memory with true hashes: it mines, forks, lags and, told to, lies."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, Self

from indexer.chain.blocks import Header, Log, Receipt
from indexer.chain.reads import RawLogs
from indexer.chain.source import Block, Opinion
from indexer.chain.trie import keccak, rlp_integer
from indexer.chain.types import Address, BlockHash, BlockNumber, TxHash
from indexer.chain.wire import WireReceipt
from indexer.errors import RpcError, RpcUnavailable
from tests.support.fake_blocks import FakeBlock, FakeLog, FakeTransaction, block_after
from tests.support.fake_wire import wire_log, wire_receipt

LIES: Final = (
    "drops_log_from_receipts",
    "drops_listed_logs",
    "serves_false_headers",
    "reorders_receipts",
    "moves_logs",
    "answers_emptily",
)
"""Attributes of a fake chain, each one way to lie."""


class FakeChain:
    """Implements ``BlockSource``; attributes make it misbehave."""

    def __init__(self, *, finality_lag: int = 8, seed: int = 0, name: str = "fake") -> None:
        self.finality_lag = finality_lag
        self.name = name
        self.lag = 0
        """Blocks by which the node is behind."""
        self.drops_log_from_receipts = False
        self.drops_listed_logs = False
        self.serves_false_headers = False
        """Headers that do not hash to what they claim."""
        self.reorders_receipts = False
        self.moves_logs = False
        """Logs say that they stand elsewhere than they do."""
        self.answers_emptily = False
        """No receipts, no logs."""
        self.stalls_finality = False
        self.prunes_receipts = False
        """Blocks are there, what they did is not."""
        self.widest_range: int | None = None
        """Blocks of a logs range above which the node refuses."""
        self.others: list[FakeChain] = []
        """What further nodes hold; only their opinions are asked."""
        self.distrusted = 0
        self.charged: list[tuple[str, str]] = []
        """Providers and kinds, in order."""
        self.asked: list[str] = []
        self._salt = itertools.count(seed)
        self.blocks: list[FakeBlock] = []
        self._finalized = [0]
        """One number, which all nodes of a chain share: what one called final is final."""
        self.mine()

    def view(self, name: str) -> Self:
        """Another node of this chain: it holds the same blocks and misbehaves on its own."""
        node = type(self)(finality_lag=self.finality_lag, name=name)
        node.blocks, node._finalized = self.blocks, self._finalized
        return node

    # -- what tests do to it

    @property
    def height(self) -> int:
        return len(self.blocks) - 1

    @property
    def finalized_height(self) -> int:
        if not self.stalls_finality:
            self._finalized[0] = max(self._finalized[0], self.height - self.finality_lag)
        return self._finalized[0]

    @property
    def head(self) -> Header:
        return self.blocks[-1].header

    def mine(self, *transactions: Sequence[FakeLog] | FakeTransaction) -> Header:
        """Add a block of transactions, each given by its logs or mined before."""
        parent = self.head if self.blocks else None
        block = block_after(parent, transactions, salt=rlp_integer(next(self._salt)))
        self.blocks.append(block)
        return block.header

    def fork(self, depth: int) -> list[FakeTransaction]:
        """Forget the newest ``depth`` blocks; what is mined next differs from them.

        Returns the transactions that they held, in order: they may be mined again.
        """
        assert 0 < depth < len(self.blocks)
        gone = self.blocks[-depth:]
        del self.blocks[-depth:]
        return [
            FakeTransaction(
                receipt.tx_hash,
                tuple(FakeLog(log.address, log.topics, log.data) for log in receipt.logs),
            )
            for block in gone
            for receipt in block.receipts
        ]

    def canonical_logs(self) -> list[Log]:
        return [log for block in self.blocks for log in block.logs]

    # -- BlockSource

    @property
    def provider(self) -> str:
        return self.name

    @property
    def providers(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def provider_count(self) -> int:
        return 1

    @property
    def node_count(self) -> int:
        return 1 + len(self.others)

    def opinions(self, number: BlockNumber) -> Iterator[Opinion]:
        for node in (self, *self.others):
            yield Opinion(node.provider, node.block_by_number(number))

    def distrust(self) -> None:
        self.distrusted += 1

    def charge(self, provider: str, kind: str) -> None:
        self.charged.append((provider, kind))
        self.distrusted += provider == self.name

    def second(self, provider: str) -> int | None:
        return None if provider == self.name else 0

    def block_by_number(self, block: Block) -> Header | None:
        self.asked.append("block_by_number")
        visible = max(self.height - self.lag, 0)
        finalized = min(self.finalized_height, visible)
        tags = {"latest": visible, "finalized": finalized, "safe": finalized}
        number = tags.get(str(block), block)
        assert isinstance(number, int)
        if number > visible:
            return None
        header = self.blocks[number].header
        return _falsified(header) if self.serves_false_headers and number else header

    def block_by_hash(self, block_hash: BlockHash) -> Header | None:
        block = self._find(block_hash)
        return None if block is None else block.header

    def headers(self, numbers: Iterable[BlockNumber]) -> list[Header]:
        found = []
        for number in numbers:
            header = self.block_by_number(number)
            if header is None:
                break
            found.append(header)
        return found

    def receipts(self, block_hash: BlockHash) -> list[Receipt] | None:
        self.asked.append("receipts")
        block = self._find(block_hash)
        if block is None:
            return None
        if self.prunes_receipts:
            raise RpcError(-32000, "missing trie node: the state of this block is pruned")
        return self._told(block)

    def _told(self, block: FakeBlock) -> list[Receipt]:
        """A block's receipts as this node tells them."""
        receipts = list(block.receipts)
        if self.answers_emptily:
            return []
        if self.reorders_receipts:
            receipts.reverse()
        if self.drops_log_from_receipts:
            receipts = [replace(receipt, logs=receipt.logs[:-1]) for receipt in receipts]
        if self.moves_logs:
            receipts = [
                replace(receipt, logs=tuple(map(_moved, receipt.logs))) for receipt in receipts
            ]
        return receipts

    def logs(
        self,
        low: BlockNumber,
        high: BlockNumber,
        topics: Sequence[Sequence[bytes] | None],
        addresses: Sequence[Address] | None = None,
    ) -> list[Log]:
        self.asked.append("logs")
        if self.widest_range is not None and high - low + 1 > self.widest_range:
            raise RpcError(-32005, "query returns too many results")
        found = [
            log
            for block in self.blocks[low : high + 1]
            for log in block.logs
            if _matches(log, topics, addresses)
        ]
        if self.answers_emptily:
            return []
        if self.moves_logs:
            found = list(map(_moved, found))
        return found[:-1] if self.drops_listed_logs else found

    def raw_logs(
        self,
        low: BlockNumber,
        high: BlockNumber,
        topics: Sequence[Sequence[bytes] | None],
        addresses: Sequence[Address] | None = None,
        *,
        provider: int | None = None,
    ) -> RawLogs:
        assert provider in {None, 0}
        last = self.block_by_number(high)
        if last is None:
            raise RpcUnavailable(f"{self.name} does not have block {high} yet")
        found = self.logs(low, high, topics, addresses)
        return RawLogs(self.name, last, list(map(wire_log, found)))

    def raw_headers(
        self, low: BlockNumber, high: BlockNumber, *, provider: int | None = None
    ) -> tuple[str, list[Header]]:
        assert provider in {None, 0}
        return self.name, self.headers(map(BlockNumber, range(low, high + 1)))

    def raw_receipts(
        self, hashes: Sequence[BlockHash], *, provider: int | None = None
    ) -> tuple[str, list[list[Receipt]]]:
        assert provider in {None, 0}
        found = [self.receipts(one) for one in hashes]
        return self.name, [_required(one, self.name) for one in found]

    def wire_receipts(
        self, hashes: Sequence[BlockHash], *, provider: int | None = None
    ) -> tuple[str, list[list[WireReceipt]]]:
        name, found = self.raw_receipts(hashes, provider=provider)
        return name, [list(map(wire_receipt, receipts)) for receipts in found]

    def transaction_receipt(self, tx_hash: TxHash) -> Receipt | None:
        for block in self.blocks:
            for receipt in block.receipts:
                if receipt.tx_hash == tx_hash:
                    return receipt
        return None

    def _find(self, block_hash: BlockHash) -> FakeBlock | None:
        return next((one for one in reversed(self.blocks) if one.header.hash == block_hash), None)


def _matches(
    log: Log, topics: Sequence[Sequence[bytes] | None], addresses: Sequence[Address] | None
) -> bool:
    if addresses is not None and log.address not in addresses:
        return False
    return all(
        any_of is None or (place < len(log.topics) and log.topics[place] in any_of)
        for place, any_of in enumerate(topics)
    )


def _falsified(header: Header) -> Header:
    """The same claim over other fields: a bloom that holds nothing."""
    fields = list(header.fields)
    fields[6] = bytes(256)
    fields[13] = keccak(fields[13])
    return replace(header, fields=tuple(fields))


def _moved(log: Log) -> Log:
    return replace(log, log_index=log.log_index + 1)


def _required(receipts: list[Receipt] | None, name: str) -> list[Receipt]:
    if receipts is None:
        raise RpcUnavailable(f"{name} does not have a block")
    return receipts
