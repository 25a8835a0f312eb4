"""Headers, receipts and logs as values; a header's values are read from the very bytes it hashes.

Source of the layouts: Ethereum yellow paper §4.3 (headers, receipts), EIP-1559, 4399, 4895, 4844,
4788 and 7685 (header fields, in the order in which forks appended them).
"""

from dataclasses import dataclass
from datetime import datetime

from indexer.chain.types import (
    Address,
    BlockHash,
    BlockNumber,
    BlockStamp,
    TxHash,
    Wei,
    utc_from_unix,
)

_PARENT_HASH = 0
_TRANSACTIONS_ROOT = 4
_RECEIPTS_ROOT = 5
_LOGS_BLOOM = 6
_NUMBER = 8
_GAS_LIMIT = 9
_TIMESTAMP = 11
_BASE_FEE = 15
HEADER_FIELDS_MIN = 15
"""Fields of a header before any fork appended one."""


@dataclass(frozen=True, slots=True)
class Header:
    """A block header: the hash a node claims for it, and the fields that must hash to that."""

    hash: BlockHash
    """As claimed by the node; believed only after ``verify.check_header``."""
    fields: tuple[bytes, ...]
    """In hashing order; integers big-endian without leading zeros, as RLP wants them."""
    is_known_kind: bool = True
    """False when the chain hashes such headers in a way that is not known here."""

    @property
    def number(self) -> BlockNumber:
        """Height."""
        return BlockNumber(int.from_bytes(self.fields[_NUMBER], "big"))

    @property
    def parent_hash(self) -> BlockHash:
        """Hash of the block before."""
        return BlockHash(self.fields[_PARENT_HASH])

    @property
    def transactions_root(self) -> bytes:
        """Root of the trie of this block's transactions."""
        return self.fields[_TRANSACTIONS_ROOT]

    @property
    def receipts_root(self) -> bytes:
        """Root of the trie of this block's receipts."""
        return self.fields[_RECEIPTS_ROOT]

    @property
    def logs_bloom(self) -> bytes:
        """Bloom filter (256 bytes) of every address and topic this block logged."""
        return self.fields[_LOGS_BLOOM]

    @property
    def gas_limit(self) -> int:
        """Gas that fits the block."""
        return int.from_bytes(self.fields[_GAS_LIMIT], "big")

    @property
    def base_fee_per_gas(self) -> Wei:
        """EIP-1559 base fee; 0 on a chain without one."""
        if len(self.fields) <= _BASE_FEE:
            return Wei(0)
        return Wei(int.from_bytes(self.fields[_BASE_FEE], "big"))

    @property
    def timestamp(self) -> datetime:
        """When the block says it was made, aware UTC."""
        return utc_from_unix(int.from_bytes(self.fields[_TIMESTAMP], "big"))

    @property
    def stamp(self) -> BlockStamp:
        """This block as the point a statement is true as of."""
        return BlockStamp(number=self.number, hash=self.hash, timestamp=self.timestamp)


@dataclass(frozen=True, slots=True)
class Log:
    """One log, with its place in the chain."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    block_number: BlockNumber
    block_hash: BlockHash
    tx_hash: TxHash
    tx_index: int
    log_index: int
    """Position among all logs of the block."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one mined transaction did. Logs are in order of emission."""

    type: int
    """EIP-2718 transaction type; 0 is legacy."""
    succeeded: bool
    cumulative_gas_used: int
    gas_used: int
    effective_gas_price: Wei
    logs_bloom: bytes
    logs: tuple[Log, ...]
    tx_hash: TxHash
    tx_index: int
    block_number: BlockNumber
    block_hash: BlockHash
    contract_address: Address | None = None
    deposit_nonce: int | None = None
    """OP-stack deposits (type 0x7e)."""
    deposit_version: int | None = None
    """OP-stack deposits since Canyon."""
    base_fee: int | None = None
    """Celo CIP-64 (type 0x7b): base fee in the fee currency."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a node says of a transaction; ``block_hash`` is None while it waits in the pool."""

    tx_hash: TxHash
    sender: Address
    to: Address | None
    nonce: int
    input: bytes
    value: Wei
    block_number: BlockNumber | None
    block_hash: BlockHash | None


@dataclass(frozen=True, slots=True)
class FeeHistory:
    """``eth_feeHistory`` of the newest blocks, oldest first."""

    base_fees: tuple[Wei, ...]
    """One more than the blocks asked for: the last is the next block's."""
    rewards: tuple[tuple[Wei, ...], ...]
    """Per block, one tip for each percentile asked for; empty when none was."""
