"""Check a node's answers against their own hashes. Pure: nothing here asks anybody.

A header is what hashes to its hash; receipts are what their block's ``receiptsRoot`` commits to; a
bloom that excludes a topic proves its absence. Used by the follower and by ``lastro proof verify``.

Receipt encodings: EIP-2718, 2930, 1559, 4844, 7702; OP-stack deposits (0x7e, op-geth
``core/types/receipt.go``); Celo CIP-64 (0x7b, celo op-geth ``core/types/celo_receipt.go``). A
receipt of any other type cannot be proven, which is not the same as being wrong.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from indexer.chain.blocks import Header, Log, Receipt
from indexer.chain.trie import keccak, ordered_trie_root, rlp_encode, rlp_integer
from indexer.chain.types import BlockNumber
from indexer.errors import ChainContradiction

_BLOOM_BITS = 2048
_BLOOM_BYTES = _BLOOM_BITS // 8
_BLOOM_HASH_PAIRS = (0, 2, 4)

LEGACY = 0x00
CELO_FEE_CURRENCY = 0x7B
OPTIMISM_DEPOSIT = 0x7E
_STANDARD_TYPES = (0x01, 0x02, 0x03, 0x04)

_POLYGON_STATE_SYNC_KEY = b"matic-bor-receipt-"

RlpFields = list[object]


@dataclass(frozen=True, slots=True)
class Proven:
    """The receipts are the block's, all of them, unchanged and in order."""

    receipts: tuple[Receipt, ...]
    """Those the root commits to: a pre-Madhugiri Polygon state-sync receipt is not among them."""

    @property
    def logs(self) -> tuple[Log, ...]:
        """Every log of the block, in order."""
        return tuple(log for receipt in self.receipts for log in receipt.logs)


@dataclass(frozen=True, slots=True)
class Unprovable:
    """Some receipt has a type whose encoding is unknown: neither proven nor refuted."""

    reason: str


@dataclass(frozen=True, slots=True)
class Contradicted:
    """The receipts are not the block's: something was dropped, added or changed."""

    reason: str


Verdict = Proven | Unprovable | Contradicted


def header_hash(header: Header) -> bytes:
    """Recompute a header's hash from its fields."""
    return keccak(rlp_encode(list(header.fields)))


def check_header(header: Header, *, at: BlockNumber | None = None) -> Header:
    """Return a header whose fields hash to the hash the node claims.

    Args:
        header: As a node gave it.
        at: Height that was asked for; None when it was asked for by tag or hash.

    Raises:
        ChainContradiction: They do not, or the header is of another height.
    """
    computed = header_hash(header)
    if computed != header.hash:
        raise ChainContradiction(
            f"header {header.number} hashes to 0x{computed.hex()}, not to the claimed "
            f"0x{header.hash.hex()}: the node serves a false or an unknown kind of header"
        )
    if at is not None and header.number != at:
        raise ChainContradiction(f"asked for block {at}, got {header.number}")
    return header


def receipts_root(receipts: Sequence[Receipt]) -> bytes:
    """Recompute a block's receipts root.

    Raises:
        ValueError: Some receipt has a type whose encoding is unknown.
    """
    return ordered_trie_root([encode_receipt(receipt) for receipt in receipts])


def prove_receipts(header: Header, receipts: Sequence[Receipt]) -> Verdict:
    """Judge whether these are all the receipts of the block, as they are.

    Args:
        header: Checked by ``check_header``.
        receipts: As the node lists them.
    """
    committed = [
        receipt for receipt in receipts if receipt.tx_hash != _polygon_state_sync_hash(header)
    ]
    try:
        computed = receipts_root(committed)
    except ValueError as error:
        return Unprovable(str(error))
    if computed != header.receipts_root:
        return Contradicted(
            f"receipts of block {header.number} have root 0x{computed.hex()}, "
            f"its header says 0x{header.receipts_root.hex()}"
        )
    misplaced = _misplaced(header, committed)
    return Proven(tuple(committed)) if misplaced is None else Contradicted(misplaced)


def encode_receipt(receipt: Receipt) -> bytes:
    """Encode a receipt as the receipts trie holds it.

    Raises:
        ValueError: The encoding of its type is unknown.
    """
    encode = _ENCODERS.get(receipt.type)
    if encode is None:
        raise ValueError(f"no encoding is known for receipts of type {receipt.type:#04x}")
    payload = rlp_encode(encode(receipt))
    return payload if receipt.type == LEGACY else bytes([receipt.type]) + payload


def bloom_of(logs: Iterable[Log]) -> bytes:
    """The 256-byte bloom of logs (yellow paper §4.3.1)."""
    bits = 0
    for log in logs:
        for value in (log.address, *log.topics):
            bits |= _bloom_bits(value)
    return bits.to_bytes(_BLOOM_BYTES, "big")


def bloom_may_hold(bloom: bytes, values: Iterable[bytes]) -> bool:
    """Whether a bloom leaves open that some of these addresses or topics were logged.

    False is a proof of absence as strong as the header that holds the bloom.
    """
    bits = int.from_bytes(bloom, "big")
    return any(bits & (mask := _bloom_bits(value)) == mask for value in values)


def _standard_fields(receipt: Receipt) -> RlpFields:
    return [
        b"\x01" if receipt.succeeded else b"",
        rlp_integer(receipt.cumulative_gas_used),
        receipt.logs_bloom,
        [[log.address, list(log.topics), log.data] for log in receipt.logs],
    ]


def _deposit_fields(receipt: Receipt) -> RlpFields:
    """Since Canyon a deposit's receipt also commits to its nonce and to a version."""
    fields = _standard_fields(receipt)
    if receipt.deposit_version is not None:
        fields += [rlp_integer(receipt.deposit_nonce or 0), rlp_integer(receipt.deposit_version)]
    return fields


def _celo_fields(receipt: Receipt) -> RlpFields:
    """A CIP-64 receipt also commits to the base fee in the currency the fee was paid in."""
    fields = _standard_fields(receipt)
    if receipt.base_fee is not None:
        fields.append(rlp_integer(receipt.base_fee))
    return fields


_ENCODERS: dict[int, Callable[[Receipt], RlpFields]] = {
    LEGACY: _standard_fields,
    **dict.fromkeys(_STANDARD_TYPES, _standard_fields),
    CELO_FEE_CURRENCY: _celo_fields,
    OPTIMISM_DEPOSIT: _deposit_fields,
}


def _misplaced(header: Header, receipts: Sequence[Receipt]) -> str | None:
    """Name the first receipt or log whose stated place is not its real one.

    The root commits to order and content, but hashes, indexes and numbers beside them are the
    node's word only.
    """
    log_index = 0
    for tx_index, receipt in enumerate(receipts):
        place = (receipt.block_hash, receipt.block_number, receipt.tx_index)
        if place != (header.hash, header.number, tx_index):
            return f"receipt {tx_index} of block {header.number} says it stands elsewhere"
        for log in receipt.logs:
            stated = (log.block_hash, log.block_number, log.tx_index, log.tx_hash, log.log_index)
            real = (header.hash, header.number, tx_index, receipt.tx_hash, log_index)
            if stated != real:
                return f"log {log_index} of block {header.number} says it stands elsewhere"
            log_index += 1
    return None


def _polygon_state_sync_hash(header: Header) -> bytes:
    """Hash under which bor lists a receipt that, before Madhugiri, no root commits to.

    Source: bor ``core/types/bor_receipt.go``: keccak256 of prefix, 8-byte number and block hash.
    """
    return keccak(_POLYGON_STATE_SYNC_KEY + header.number.to_bytes(8, "big") + header.hash)


@lru_cache(maxsize=1 << 16)
def _bloom_bits(value: bytes) -> int:
    digest = keccak(value)
    bits = 0
    for start in _BLOOM_HASH_PAIRS:
        bits |= 1 << (int.from_bytes(digest[start : start + 2], "big") % _BLOOM_BITS)
    return bits
