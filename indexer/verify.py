"""Check a node's answers against their own hashes. Pure: nothing here asks anybody.

A header is what hashes to its hash; receipts are what their block's ``receiptsRoot`` commits to; a
bloom that excludes a topic proves its absence. Used by the follower, by the backfill, straight from
a node's hex, and by ``lastro proof verify``. Encodings of receipts: ``chain.receipts``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from indexer.chain.blocks import Header, Log, Receipt
from indexer.chain.receipts import UnknownReceiptType, encode_receipt, encode_wire_receipt
from indexer.chain.trie import keccak, ordered_trie_root, rlp_encode
from indexer.chain.types import BlockNumber, to_hex
from indexer.chain.wire import WireReceipt
from indexer.errors import ChainContradiction

_BLOOM_BITS = 2048
_BLOOM_BYTES = _BLOOM_BITS // 8
_BLOOM_HASH_PAIRS = (0, 2, 4)

_POLYGON_STATE_SYNC_KEY = b"matic-bor-receipt-"


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
class ProvenWire:
    """As ``Proven``, of receipts as a node sent them."""

    receipts: tuple[WireReceipt, ...]
    """Those the root commits to."""


@dataclass(frozen=True, slots=True)
class Unprovable:
    """Some header or receipt is of a kind whose encoding is unknown: neither proven nor refuted."""

    reason: str


@dataclass(frozen=True, slots=True)
class Contradicted:
    """The answer is not the block's: something was dropped, added or changed."""

    reason: str


Verdict = Proven | Unprovable | Contradicted
WireVerdict = ProvenWire | Unprovable | Contradicted


class UnprovableHeader(ChainContradiction):
    """A header is of a kind whose hash cannot be recomputed: nothing can be built on it."""


def header_hash(header: Header) -> bytes:
    """Recompute a header's hash from its fields."""
    return keccak(rlp_encode(list(header.fields)))


def judge_header(
    header: Header, *, at: BlockNumber | None = None
) -> Unprovable | Contradicted | None:
    """Judge whether a header's fields hash to the hash the node claims; None when they do.

    Args:
        header: As a node gave it.
        at: Height that was asked for; None when it was asked for by tag or hash.
    """
    if at is not None and header.number != at:
        return Contradicted(f"asked for block {at}, got {header.number}")
    computed = header_hash(header)
    if computed == header.hash:
        return None
    if not header.is_known_kind:
        return Unprovable(f"header {header.number} is of a kind whose hash cannot be recomputed")
    return Contradicted(
        f"header {header.number} hashes to 0x{computed.hex()}, not to the claimed "
        f"0x{header.hash.hex()}: the node serves a false or an unknown kind of header"
    )


def check_header(header: Header, *, at: BlockNumber | None = None) -> Header:
    """Return a header whose fields hash to the hash the node claims.

    Args:
        header: As a node gave it.
        at: Height that was asked for; None when it was asked for by tag or hash.

    Raises:
        UnprovableHeader: It is of a kind that cannot be re-hashed.
        ChainContradiction: It does not, or is of another height.
    """
    match judge_header(header, at=at):
        case None:
            return header
        case Unprovable(reason):
            raise UnprovableHeader(reason)
        case Contradicted(reason):
            raise ChainContradiction(reason)


def receipts_root(receipts: Sequence[Receipt]) -> bytes:
    """Recompute a block's receipts root.

    Raises:
        UnknownReceiptType: Some receipt has a type whose encoding is unknown.
    """
    return ordered_trie_root([encode_receipt(receipt) for receipt in receipts])


def receipts_root_raw(receipts: Sequence[WireReceipt]) -> bytes:
    """Recompute a block's receipts root from a node's hex, several times as fast.

    Raises:
        UnknownReceiptType: Some receipt has a type whose encoding is unknown.
        ValueError: A field is not what its name says.
    """
    return ordered_trie_root([encode_wire_receipt(receipt) for receipt in receipts])


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
    except UnknownReceiptType as error:
        return _without_root(header, committed, str(error))
    if computed != header.receipts_root:
        return Contradicted(_wrong_root(header, computed))
    misplaced = _misplaced(header, committed)
    return Proven(tuple(committed)) if misplaced is None else Contradicted(misplaced)


def prove_wire_receipts(header: Header, receipts: Sequence[WireReceipt]) -> WireVerdict:
    """Judge as ``prove_receipts`` does, without turning a log into a value.

    Args:
        header: Checked by ``check_header``.
        receipts: As the node lists them.
    """
    beside_root = to_hex(_polygon_state_sync_hash(header))
    committed = [one for one in receipts if one.transaction_hash.lower() != beside_root]
    try:
        computed = receipts_root_raw(committed)
        misplaced = _misplaced_wire(header, committed)
    except UnknownReceiptType as error:
        try:
            values = [receipt.value() for receipt in committed]
        except ValueError as fault:
            return Contradicted(f"receipts of block {header.number} are malformed: {fault}")
        return _without_root(header, values, str(error))
    except ValueError as error:
        return Contradicted(f"receipts of block {header.number} are malformed: {error}")
    if computed != header.receipts_root:
        return Contradicted(_wrong_root(header, computed))
    return ProvenWire(tuple(committed)) if misplaced is None else Contradicted(misplaced)


def _without_root(
    header: Header, receipts: Sequence[Receipt], reason: str
) -> Unprovable | Contradicted:
    """Judge receipts whose root cannot be recomputed: they must fit all else that is hashed.

    A header's bloom holds exactly the addresses and topics of its receipts' logs.
    """
    misplaced = _misplaced(header, receipts)
    if misplaced is not None:
        return Contradicted(misplaced)
    if bloom_of(log for receipt in receipts for log in receipt.logs) != header.logs_bloom:
        return Contradicted(f"the logs of block {header.number} do not make up its header's bloom")
    return Unprovable(reason)


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
    return bloom_holds_any(bloom, map(_bloom_bits, values))


def bloom_masks(values: Iterable[bytes]) -> tuple[int, ...]:
    """The bits of each address or topic, for asking many blooms with ``bloom_holds_any``."""
    return tuple(map(_bloom_bits, values))


def bloom_holds_any(bloom: bytes, masks: Iterable[int]) -> bool:
    """``bloom_may_hold`` for values whose bits are known."""
    bits = int.from_bytes(bloom, "big")
    return any(bits & mask == mask for mask in masks)


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


def _misplaced_wire(header: Header, receipts: Sequence[WireReceipt]) -> str | None:
    """``_misplaced`` on a node's hex: equal text is the usual case, and needs no reading."""
    block_hash, number = to_hex(header.hash), hex(header.number)
    log_index = 0
    for tx_index, receipt in enumerate(receipts):
        place = (receipt.block_hash, receipt.block_number, receipt.transaction_index)
        if not _same(place, (block_hash, number, hex(tx_index))):
            return f"receipt {tx_index} of block {header.number} says it stands elsewhere"
        tx_hash, position = receipt.transaction_hash, hex(tx_index)
        for log in receipt.logs:
            stated = (log.block_hash, log.block_number, log.transaction_index, log.transaction_hash)
            real = (block_hash, number, position, tx_hash)
            if not _same((*stated, log.log_index), (*real, hex(log_index))):
                return f"log {log_index} of block {header.number} says it stands elsewhere"
            log_index += 1
    return None


def _same(stated: tuple[str, ...], real: tuple[str, ...]) -> bool:
    """Whether two rows of hex numbers are equal, however they are written."""
    return stated == real or [int(text, 16) for text in stated] == [int(one, 16) for one in real]


def _wrong_root(header: Header, computed: bytes) -> str:
    return (
        f"receipts of block {header.number} have root 0x{computed.hex()}, "
        f"its header says 0x{header.receipts_root.hex()}"
    )


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
