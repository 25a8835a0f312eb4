"""How each type of receipt stands in the receipts trie: one entry of ``KINDS`` each. Pure.

Sources: EIP-2718, 2930, 1559, 4844, 7702; OP-stack deposits (op-geth ``core/types/receipt.go``);
Celo CIP-64 (celo op-geth ``core/types/celo_receipt.go``); Polygon PIP-74 state-sync transactions
since Madhugiri (bor ``core/types``). A receipt of any other type cannot be proven, which is not the
same as being wrong. To add one: an entry here, and a fixture beside the tests.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from indexer.chain.blocks import Receipt
from indexer.chain.trie import list_prefix, rlp_encode, rlp_integer, string_prefix
from indexer.chain.wire import WireLog, WireReceipt

LEGACY = 0x00
ACCESS_LIST = 0x01
DYNAMIC_FEE = 0x02
BLOB = 0x03
SET_CODE = 0x04
CELO_FEE_CURRENCY = 0x7B
OPTIMISM_DEPOSIT = 0x7E
POLYGON_STATE_SYNC = 0x7F

_ADDRESS_TEXT = 2 + 40
_TOPIC_TEXT = 2 + 64
_BLOOM_TEXT = 2 + 512
_BLOOM_PREFIX = "b90100"
_ADDRESS_RLP = 21
_SINGLE_BYTE_END = 0x80


class UnknownReceiptType(ValueError):  # noqa: N818 - says what was found
    """The encoding of a receipt's type is unknown: it can neither be proven nor refuted."""

    def __init__(self, receipt_type: int) -> None:
        super().__init__(f"no encoding is known for receipts of type {receipt_type:#04x}")


@dataclass(frozen=True, slots=True)
class Extras:
    """What some types commit to beside the standard fields; None where a node gave nothing."""

    deposit_nonce: int | None
    deposit_version: int | None
    base_fee: int | None


Trailing = Callable[[Extras], tuple[int, ...]]
"""The integers that follow the standard fields."""


def _deposit(extras: Extras) -> tuple[int, ...]:
    """Since Canyon a deposit's receipt also commits to its nonce and to a version."""
    if extras.deposit_version is None:
        return ()
    return (extras.deposit_nonce or 0, extras.deposit_version)


def _celo(extras: Extras) -> tuple[int, ...]:
    """A CIP-64 receipt also commits to the base fee in the currency the fee was paid in."""
    return () if extras.base_fee is None else (extras.base_fee,)


KINDS: dict[int, Trailing | None] = {
    LEGACY: None,
    ACCESS_LIST: None,
    DYNAMIC_FEE: None,
    BLOB: None,
    SET_CODE: None,
    CELO_FEE_CURRENCY: _celo,
    OPTIMISM_DEPOSIT: _deposit,
    POLYGON_STATE_SYNC: None,
}
"""By EIP-2718 type, which no two of our networks use differently; None: the standard fields."""


def encode_receipt(receipt: Receipt) -> bytes:
    """Encode a receipt as the receipts trie holds it.

    Raises:
        UnknownReceiptType: The encoding of its type is unknown.
    """
    trailing = _trailing_of(receipt.type)
    fields: list[object] = [
        b"\x01" if receipt.succeeded else b"",
        rlp_integer(receipt.cumulative_gas_used),
        receipt.logs_bloom,
        [[log.address, list(log.topics), log.data] for log in receipt.logs],
    ]
    if trailing is not None:
        extras = Extras(receipt.deposit_nonce, receipt.deposit_version, receipt.base_fee)
        fields += map(rlp_integer, trailing(extras))
    payload = rlp_encode(fields)
    return payload if receipt.type == LEGACY else bytes([receipt.type]) + payload


def encode_wire_receipt(receipt: WireReceipt) -> bytes:
    """Encode a receipt straight from a node's hex, as ``encode_receipt`` does from values.

    The hex of all fields is put together first and turned into bytes once: proving history is bound
    by this function.

    Raises:
        UnknownReceiptType: The encoding of its type is unknown.
        ValueError: A field is not what its name says.
    """
    receipt_type = _quantity(receipt.type)
    trailing = _trailing_of(receipt_type)
    if len(receipt.logs_bloom) != _BLOOM_TEXT:
        raise ValueError("a logs bloom has 256 bytes")
    logs = "".join([_log_hex(log) for log in receipt.logs])
    status = rlp_encode(b"\x01" if _quantity(receipt.status) == 1 else b"")
    head = status + rlp_encode(rlp_integer(_quantity(receipt.cumulative_gas_used)))
    tail = b"" if trailing is None else _tail(receipt, trailing)
    body = bytes.fromhex(
        f"{_BLOOM_PREFIX}{receipt.logs_bloom[2:]}{_list_hex(len(logs) // 2)}{logs}"
    )
    length = len(head) + len(body) + len(tail)
    payload = b"".join((list_prefix(length), head, body, tail))
    return payload if receipt_type == LEGACY else bytes([receipt_type]) + payload


def _tail(receipt: WireReceipt, trailing: Trailing) -> bytes:
    extras = Extras(
        _optional_quantity(receipt.deposit_nonce),
        _optional_quantity(receipt.deposit_receipt_version),
        _optional_quantity(receipt.base_fee),
    )
    return b"".join([rlp_encode(rlp_integer(number)) for number in trailing(extras)])


def _log_hex(log: WireLog) -> str:
    address, topics, data = log.address, log.topics, log.data
    joined = "".join(topics)
    if len(address) != _ADDRESS_TEXT or len(joined) != _TOPIC_TEXT * len(topics):
        raise ValueError("a log has an address of 20 bytes and topics of 32")
    length = len(data) // 2 - 1
    is_bare = length == 1 and int(data, 16) < _SINGLE_BYTE_END
    prefix = "" if is_bare else _string_hex(length)
    topics_length = 33 * len(topics)  # each is its own 0xa0 and 32 bytes
    topics_prefix = _list_hex(topics_length)
    whole = _ADDRESS_RLP + topics_length + (len(topics_prefix) + len(prefix)) // 2 + length
    return (
        f"{_list_hex(whole)}94{address[2:]}{topics_prefix}{joined.replace('0x', 'a0')}"
        f"{prefix}{data[2:]}"
    )


@lru_cache(maxsize=1 << 14)
def _list_hex(length: int) -> str:
    return list_prefix(length).hex()


@lru_cache(maxsize=1 << 14)
def _string_hex(length: int) -> str:
    return string_prefix(length).hex()


def _trailing_of(receipt_type: int) -> Trailing | None:
    try:
        return KINDS[receipt_type]
    except KeyError:
        raise UnknownReceiptType(receipt_type) from None


def _quantity(text: str) -> int:
    return int(text, 16)


def _optional_quantity(text: str | None) -> int | None:
    return None if text is None else int(text, 16)
