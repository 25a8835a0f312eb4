"""A chain in memory with true hashes: it mines, forks, lags and, told to, lies."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from indexer.chain.blocks import Header, Log, Receipt
from indexer.chain.source import Block, Opinion
from indexer.chain.trie import keccak, rlp_encode, rlp_integer
from indexer.chain.types import Address, BlockHash, BlockNumber, TxHash, Wei
from indexer.errors import RpcError
from indexer.verify import bloom_of, receipts_root

GENESIS_UNIX = 1_750_000_000
GAS = 50_000
ZERO_HASH = bytes(32)


@dataclass(frozen=True, slots=True)
class FakeLog:
    """What a contract logs; the block gives it its place."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class FakeBlock:
    header: Header
    receipts: tuple[Receipt, ...]


class FakeChain:
    """Implements ``BlockSource``; attributes make it misbehave."""

    def __init__(self, *, finality_lag: int = 8, seed: int = 0) -> None:
        self.finality_lag = finality_lag
        self.lag = 0
        """Blocks by which the node is behind."""
        self.drops_log_from_receipts = False
        self.drops_listed_logs = False
        self.widest_range: int | None = None
        """Blocks of a logs range above which the node refuses."""
        self.others: list[FakeChain] = []
        """What further nodes hold; only their opinions are asked."""
        self.distrusted = 0
        self.asked: list[str] = []
        self._salt = itertools.count(seed)
        self.blocks: list[FakeBlock] = []
        self._finalized = 0
        self.mine()

    # -- what tests do to it

    @property
    def height(self) -> int:
        return len(self.blocks) - 1

    @property
    def finalized_height(self) -> int:
        self._finalized = max(self._finalized, self.height - self.finality_lag)
        return max(self._finalized, 0)

    @property
    def head(self) -> Header:
        return self.blocks[-1].header

    def mine(self, *transactions: Sequence[FakeLog]) -> Header:
        """Add a block of transactions, each given by its logs."""
        parent = self.head.hash if self.blocks else ZERO_HASH
        number = len(self.blocks)
        salt = rlp_integer(next(self._salt))
        drafts = _receipts(transactions, salt + parent)
        fields = (
            parent,
            ZERO_HASH,
            bytes(20),
            ZERO_HASH,
            keccak(salt),
            receipts_root(drafts),
            bloom_of(log for receipt in drafts for log in receipt.logs),
            b"",
            rlp_integer(number),
            rlp_integer(30_000_000),
            rlp_integer(GAS * len(drafts)),
            rlp_integer(GENESIS_UNIX + number),
            salt,
            ZERO_HASH,
            bytes(8),
            rlp_integer(10**9),
        )
        header = Header(BlockHash(keccak(rlp_encode(list(fields)))), fields)
        self.blocks.append(FakeBlock(header, _placed(drafts, header)))
        return header

    def fork(self, depth: int) -> None:
        """Forget the newest ``depth`` blocks; what is mined next differs from them."""
        assert 0 < depth < len(self.blocks)
        del self.blocks[-depth:]

    def canonical_logs(self) -> list[Log]:
        return [log for block in self.blocks for log in _logs(block)]

    # -- BlockSource

    @property
    def provider(self) -> str:
        return "fake"

    @property
    def node_count(self) -> int:
        return 1 + len(self.others)

    def opinions(self, number: BlockNumber) -> Iterator[Opinion]:
        for node in (self, *self.others):
            yield Opinion(node.provider, node.block_by_number(number))

    def distrust(self) -> None:
        self.distrusted += 1

    def block_by_number(self, block: Block) -> Header | None:
        self.asked.append("block_by_number")
        visible = self.height - self.lag
        number = {"latest": visible, "finalized": min(self.finalized_height, visible)}.get(
            str(block), block
        )
        assert isinstance(number, int)
        return self.blocks[number].header if number <= visible else None

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
        if not self.drops_log_from_receipts:
            return list(block.receipts)
        return [replace(receipt, logs=receipt.logs[:-1]) for receipt in block.receipts]

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
            for log in _logs(block)
            if _matches(log, topics, addresses)
        ]
        return found[:-1] if self.drops_listed_logs else found

    def transaction_receipt(self, tx_hash: TxHash) -> Receipt | None:
        for block in self.blocks:
            for receipt in block.receipts:
                if receipt.tx_hash == tx_hash:
                    return receipt
        return None

    def _find(self, block_hash: BlockHash) -> FakeBlock | None:
        return next((one for one in self.blocks if one.header.hash == block_hash), None)


def _logs(block: FakeBlock) -> list[Log]:
    return [log for receipt in block.receipts for log in receipt.logs]


def _matches(
    log: Log, topics: Sequence[Sequence[bytes] | None], addresses: Sequence[Address] | None
) -> bool:
    if addresses is not None and log.address not in addresses:
        return False
    return all(
        any_of is None or (place < len(log.topics) and log.topics[place] in any_of)
        for place, any_of in enumerate(topics)
    )


def _receipts(transactions: Sequence[Sequence[FakeLog]], salt: bytes) -> list[Receipt]:
    """Receipts in order; the block's hash and number are filled in when they are known."""
    receipts = []
    log_index = 0
    for tx_index, emitted in enumerate(transactions):
        tx_hash = TxHash(keccak(salt + bytes([tx_index])))
        logs = []
        for one in emitted:
            logs.append(
                Log(
                    address=one.address,
                    topics=one.topics,
                    data=one.data,
                    block_number=BlockNumber(0),
                    block_hash=BlockHash(ZERO_HASH),
                    tx_hash=tx_hash,
                    tx_index=tx_index,
                    log_index=log_index,
                )
            )
            log_index += 1
        receipts.append(
            Receipt(
                type=2,
                succeeded=True,
                cumulative_gas_used=GAS * (tx_index + 1),
                gas_used=GAS,
                effective_gas_price=Wei(1),
                logs_bloom=bloom_of(logs),
                logs=tuple(logs),
                tx_hash=tx_hash,
                tx_index=tx_index,
                block_number=BlockNumber(0),
                block_hash=BlockHash(ZERO_HASH),
            )
        )
    return receipts


def _placed(drafts: Sequence[Receipt], header: Header) -> tuple[Receipt, ...]:
    number, block_hash = header.number, header.hash
    return tuple(
        replace(
            receipt,
            block_number=number,
            block_hash=block_hash,
            logs=tuple(
                replace(log, block_number=number, block_hash=block_hash) for log in receipt.logs
            ),
        )
        for receipt in drafts
    )
