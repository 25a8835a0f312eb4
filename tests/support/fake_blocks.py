"""Blocks in memory with true hashes: transactions, given by their logs, made into receipts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from indexer.chain.blocks import Header, Log, Receipt
from indexer.chain.trie import keccak, rlp_encode, rlp_integer
from indexer.chain.types import Address, BlockHash, BlockNumber, TxHash, Wei
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
class FakeTransaction:
    """A transaction that was mined before and is mined again, under the same hash."""

    tx_hash: TxHash
    logs: tuple[FakeLog, ...]


@dataclass(frozen=True, slots=True)
class FakeBlock:
    """A header and the receipts that it commits to."""

    header: Header
    receipts: tuple[Receipt, ...]

    @property
    def logs(self) -> list[Log]:
        """What was logged in the block, in order."""
        return [log for receipt in self.receipts for log in receipt.logs]


def block_after(
    parent: Header | None,
    transactions: Sequence[Sequence[FakeLog] | FakeTransaction],
    *,
    salt: bytes,
) -> FakeBlock:
    """The block of these transactions.

    Args:
        parent: The block before; None for a genesis.
        transactions: Each given by its logs, or mined before.
        salt: Tells the block from others of the same transactions.
    """
    number = 0 if parent is None else parent.number + 1
    parent_hash = ZERO_HASH if parent is None else parent.hash
    drafts = _receipts(transactions, salt + parent_hash)
    fields = (
        parent_hash,
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
    return FakeBlock(header, _placed(drafts, header))


def _receipts(
    transactions: Sequence[Sequence[FakeLog] | FakeTransaction], salt: bytes
) -> list[Receipt]:
    """Receipts in order; the block's hash and number are filled in when they are known."""
    receipts = []
    log_index = 0
    for tx_index, transaction in enumerate(transactions):
        if isinstance(transaction, FakeTransaction):
            tx_hash, emitted = transaction.tx_hash, transaction.logs
        else:
            tx_hash, emitted = TxHash(keccak(salt + bytes([tx_index]))), tuple(transaction)
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
