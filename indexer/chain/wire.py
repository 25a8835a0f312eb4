"""JSON-RPC answers, typed: each shape is checked once, here, and becomes a value of ``blocks``.

Shapes: the Ethereum execution API specification; OP-stack deposit fields and Celo's ``baseFee`` as
their nodes add them. Unknown fields are ignored, missing ones are an error.
"""

import msgspec

from indexer.chain.blocks import FeeHistory, Header, Log, Receipt, Transaction
from indexer.chain.types import (
    BlockHash,
    BlockNumber,
    TxHash,
    Wei,
    address_from_hex,
    bytes_from_hex,
    hash_from_hex,
)

_BLOOM_BYTES = 256
_NO_HASH = "0x" + "00" * 32
_ISTANBUL_MIX_HASH = "0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365"
"""Marks headers that are hashed without their aggregated seal (celo-blockchain ``core/types``)."""
_NO_NONCE = "0x" + "00" * 8
_NUMBER_END = 2**63
"""Postgres counts blocks in 63 bits."""
_TIMESTAMP_END = 253_402_300_800
"""Year 10000, which no datetime reaches."""


class _Wire(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """Base of every shape: camelCase names, immutable, invisible to the cyclic collector."""


class WireHeader(_Wire, frozen=True):
    """A block without its transactions' bodies."""

    hash: str
    parent_hash: str
    miner: str
    state_root: str
    transactions_root: str
    receipts_root: str
    logs_bloom: str
    number: str
    gas_used: str
    timestamp: str
    extra_data: str
    # Celo's blocks before its move to the OP stack may lack these five.
    sha3_uncles: str | None = msgspec.field(name="sha3Uncles", default=None)
    gas_limit: str | None = None
    mix_hash: str | None = None
    nonce: str | None = None
    difficulty: str | None = None
    base_fee_per_gas: str | None = None
    withdrawals_root: str | None = None
    blob_gas_used: str | None = None
    excess_blob_gas: str | None = None
    parent_beacon_block_root: str | None = None
    requests_hash: str | None = None

    def value(self) -> Header:
        """Turn it into a Header.

        Raises:
            ValueError: A field is not what its name says.
        """
        fields = [
            hash_from_hex(self.parent_hash),
            hash_from_hex(self.sha3_uncles or _NO_HASH),
            address_from_hex(self.miner),
            hash_from_hex(self.state_root),
            hash_from_hex(self.transactions_root),
            hash_from_hex(self.receipts_root),
            _bloom(self.logs_bloom),
            _minimal(self.difficulty or "0x0"),
            _minimal(self.number, below=_NUMBER_END),
            _minimal(self.gas_limit or "0x0"),
            _minimal(self.gas_used),
            _minimal(self.timestamp, below=_TIMESTAMP_END),
            bytes_from_hex(self.extra_data),
            hash_from_hex(self.mix_hash or _NO_HASH),
            bytes_from_hex(self.nonce or _NO_NONCE),
        ]
        if self.base_fee_per_gas is not None:
            fields.append(_minimal(self.base_fee_per_gas))
        if self.withdrawals_root is not None:
            fields.append(hash_from_hex(self.withdrawals_root))
        fields += [_minimal(n) for n in (self.blob_gas_used, self.excess_blob_gas) if n is not None]
        fields += [
            hash_from_hex(root)
            for root in (self.parent_beacon_block_root, self.requests_hash)
            if root is not None
        ]
        return Header(
            hash=BlockHash(hash_from_hex(self.hash)),
            fields=tuple(fields),
            is_known_kind=self._is_known_kind(),
        )

    def _is_known_kind(self) -> bool:
        """Celo before its move to the OP stack hashed fewer fields, later the seal's absence."""
        later = (self.sha3_uncles, self.gas_limit, self.mix_hash, self.nonce, self.difficulty)
        return None not in later and self.mix_hash != _ISTANBUL_MIX_HASH


class WireLog(_Wire, frozen=True):
    """A log of a mined block."""

    address: str
    topics: list[str]
    data: str
    block_number: str
    block_hash: str
    transaction_hash: str
    transaction_index: str
    log_index: str
    block_timestamp: str | None = None
    """Unix seconds, where the node adds them."""
    removed: bool = False
    """Whether the node itself says that a reorg took the log away."""

    def value(self) -> Log:
        """Turn it into a Log.

        Raises:
            ValueError: A field is not what its name says.
        """
        return Log(
            address=address_from_hex(self.address),
            topics=tuple(map(hash_from_hex, self.topics)),
            data=bytes_from_hex(self.data),
            block_number=BlockNumber(_integer(self.block_number)),
            block_hash=BlockHash(hash_from_hex(self.block_hash)),
            tx_hash=TxHash(hash_from_hex(self.transaction_hash)),
            tx_index=_integer(self.transaction_index),
            log_index=_integer(self.log_index),
        )


class WireReceipt(_Wire, frozen=True):
    """A receipt of a mined transaction."""

    status: str
    cumulative_gas_used: str
    gas_used: str
    logs_bloom: str
    logs: list[WireLog]
    transaction_hash: str
    transaction_index: str
    block_number: str
    block_hash: str
    type: str = "0x0"
    effective_gas_price: str = "0x0"
    contract_address: str | None = None
    deposit_nonce: str | None = None
    deposit_receipt_version: str | None = None
    base_fee: str | None = None

    def value(self) -> Receipt:
        """Turn it into a Receipt.

        Raises:
            ValueError: A field is not what its name says.
        """
        created = self.contract_address
        return Receipt(
            type=_integer(self.type),
            succeeded=_integer(self.status) == 1,
            cumulative_gas_used=_integer(self.cumulative_gas_used),
            gas_used=_integer(self.gas_used),
            effective_gas_price=Wei(_integer(self.effective_gas_price)),
            logs_bloom=_bloom(self.logs_bloom),
            logs=tuple(log.value() for log in self.logs),
            tx_hash=TxHash(hash_from_hex(self.transaction_hash)),
            tx_index=_integer(self.transaction_index),
            block_number=BlockNumber(_integer(self.block_number)),
            block_hash=BlockHash(hash_from_hex(self.block_hash)),
            contract_address=None if created is None else address_from_hex(created),
            deposit_nonce=_optional_integer(self.deposit_nonce),
            deposit_version=_optional_integer(self.deposit_receipt_version),
            base_fee=_optional_integer(self.base_fee),
        )


class WireSent(_Wire, frozen=True):
    """Of a transaction in a block, whose it is."""

    hash: str
    sender: str = msgspec.field(name="from")
    nonce: str


class WireFullBlock(_Wire, frozen=True):
    """A block with its transactions whole, of which only the senders are read."""

    transactions: list[WireSent]


class WireTransaction(_Wire, frozen=True):
    """A transaction, mined or waiting."""

    hash: str
    sender: str = msgspec.field(name="from")
    nonce: str
    input: str
    value_wei: str = msgspec.field(name="value")
    to: str | None = None
    block_number: str | None = None
    block_hash: str | None = None

    def value(self) -> Transaction:
        """Turn it into a Transaction.

        Raises:
            ValueError: A field is not what its name says.
        """
        number = _optional_integer(self.block_number)
        block_hash = self.block_hash
        return Transaction(
            tx_hash=TxHash(hash_from_hex(self.hash)),
            sender=address_from_hex(self.sender),
            to=None if self.to is None else address_from_hex(self.to),
            nonce=_integer(self.nonce),
            input=bytes_from_hex(self.input),
            value=Wei(_integer(self.value_wei)),
            block_number=None if number is None else BlockNumber(number),
            block_hash=None if block_hash is None else BlockHash(hash_from_hex(block_hash)),
        )


class WireFeeHistory(_Wire, frozen=True):
    """Base fees and tips of recent blocks."""

    base_fee_per_gas: list[str]
    reward: list[list[str]] | None = None

    def value(self) -> FeeHistory:
        """Turn it into a FeeHistory.

        Raises:
            ValueError: A field is not what its name says.
        """
        return FeeHistory(
            base_fees=tuple(Wei(_integer(fee)) for fee in self.base_fee_per_gas),
            rewards=tuple(
                tuple(Wei(_integer(tip)) for tip in block) for block in self.reward or ()
            ),
        )


def _integer(text: str) -> int:
    if not text.startswith("0x"):
        raise ValueError(f"{text!r} is not a quantity: expected a 0x prefix")
    return int(text, 16)


def _optional_integer(text: str | None) -> int | None:
    return None if text is None else _integer(text)


def _minimal(text: str, *, below: int | None = None) -> bytes:
    """An integer as RLP writes it: big-endian, no leading zero, empty for zero."""
    number = _integer(text)
    if below is not None and number >= below:
        raise ValueError(f"{text} is more than any chain has reached")
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _bloom(text: str) -> bytes:
    raw = bytes_from_hex(text)
    if len(raw) != _BLOOM_BYTES:
        raise ValueError(f"a logs bloom has {_BLOOM_BYTES} bytes, not {len(raw)}")
    return raw
