"""How a node is asked for each thing, and its answers read.

Each function asks one node; ``nodes`` decides which.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from indexer.chain.answers import Call
from indexer.chain.blocks import FeeHistory, Header, Log, Receipt, Transaction
from indexer.chain.node import Node, NodeUnusable
from indexer.chain.refusals import BeyondHead, refusal_of
from indexer.chain.source import Block
from indexer.chain.types import (
    Address,
    BlockHash,
    BlockNumber,
    TxHash,
    address_from_hex,
    bytes_from_hex,
    hash_from_hex,
    to_hex,
)
from indexer.chain.wire import (
    WireFeeHistory,
    WireFullBlock,
    WireHeader,
    WireLog,
    WireReceipt,
    WireTransaction,
)
from indexer.errors import RpcError

HEADERS_PER_REQUEST = 200
RECEIPTS_PER_REQUEST = 100
"""Blocks; some hundred kilobytes each on a full chain. A node that refuses gets smaller batches."""

Topics = Sequence[Sequence[bytes] | None]
"""For each position the values accepted there; None accepts any."""

_HEADER: msgspec.json.Decoder[WireHeader | None] = msgspec.json.Decoder(WireHeader | None)
_LOGS: msgspec.json.Decoder[list[WireLog]] = msgspec.json.Decoder(list[WireLog])
_RECEIPTS: msgspec.json.Decoder[list[WireReceipt] | None] = msgspec.json.Decoder(
    list[WireReceipt] | None
)
_RECEIPT: msgspec.json.Decoder[WireReceipt | None] = msgspec.json.Decoder(WireReceipt | None)
_TRANSACTION: msgspec.json.Decoder[WireTransaction | None] = msgspec.json.Decoder(
    WireTransaction | None
)
_FULL_BLOCK: msgspec.json.Decoder[WireFullBlock | None] = msgspec.json.Decoder(WireFullBlock | None)
_TEXT_OR_NONE: msgspec.json.Decoder[str | None] = msgspec.json.Decoder(str | None)
_FEE_HISTORY: msgspec.json.Decoder[WireFeeHistory] = msgspec.json.Decoder(WireFeeHistory)
_TEXT: msgspec.json.Decoder[str] = msgspec.json.Decoder(str)


@dataclass(frozen=True, slots=True)
class RawLogs:
    """Logs of a range as one node sent them, nothing checked but their shape."""

    provider: str
    last: Header
    """The header at the end of the range, from the same request: the node had it."""
    logs: list[WireLog]


def block_at(node: Node, block: Block) -> Header | None:
    """The header at a height or tag; None when the node has no such block."""
    return header_of(_HEADER.decode(node.ask(*block_call(block))))


def block_with(node: Node, block_hash: BlockHash) -> Header | None:
    """The header with a hash; None when the node does not have it."""
    return header_of(_HEADER.decode(node.ask("eth_getBlockByHash", to_hex(block_hash), False)))


def headers_of(node: Node, low: BlockNumber, high: BlockNumber) -> list[Header]:
    """The headers of ``low`` to ``high`` up to the first that the node does not have."""
    return headers_at(node, [BlockNumber(number) for number in range(low, high + 1)])


def headers_at(node: Node, numbers: Sequence[BlockNumber]) -> list[Header]:
    """The headers at these heights up to the first that the node does not have."""
    found: list[Header] = []
    for start in range(0, len(numbers), HEADERS_PER_REQUEST):
        part = numbers[start : start + HEADERS_PER_REQUEST]
        for raw in node.ask_many([_flat(block_call(number)) for number in part]):
            header = header_of(_HEADER.decode(raw))
            if header is None:
                return found
            found.append(header)
    return found


def logs_in(node: Node, wanted: dict[str, object]) -> list[Log]:
    """The logs that a filter lets through, as values."""
    return [log.value() for log in _LOGS.decode(node.ask("eth_getLogs", wanted))]


def logs_of(
    node: Node,
    low: BlockNumber,
    high: BlockNumber,
    topics: Topics,
    addresses: Sequence[Address] | None,
) -> RawLogs:
    """The logs of a range and the header at its end, in one request where the node takes that.

    Raises:
        NodeUnusable: The node does not have the block at the end: it lags.
    """
    calls = [
        _flat(block_call(high)),
        ("eth_getLogs", (logs_filter(low, high, topics, addresses),)),
    ]
    try:
        at_end, listed = node.ask_many(calls)
    except RpcError as refusal:
        if isinstance(refusal_of(refusal), BeyondHead):
            raise NodeUnusable(f"{node.name} {_lacks(high)}", "beyond_head") from refusal
        raise
    last = header_of(_HEADER.decode(at_end))
    if last is None:
        raise node.useless(_lacks(high), "beyond_head", method="eth_getBlockByNumber")
    return RawLogs(node.name, last, _LOGS.decode(listed))


def receipts_of(node: Node, hashes: Sequence[BlockHash]) -> list[list[WireReceipt]]:
    """The receipts of blocks, in order.

    Raises:
        NodeUnusable: The node does not have one of the blocks: it lags, or left that branch.
    """
    found: list[list[WireReceipt]] = []
    for start in range(0, len(hashes), RECEIPTS_PER_REQUEST):
        part = hashes[start : start + RECEIPTS_PER_REQUEST]
        calls: list[Call] = [("eth_getBlockReceipts", (to_hex(one),)) for one in part]
        for block_hash, raw in zip(part, node.ask_many(calls), strict=True):
            receipts = _RECEIPTS.decode(raw)
            if receipts is None:
                raise node.useless(
                    _lacks(to_hex(block_hash)), "beyond_head", method="eth_getBlockReceipts"
                )
            found.append(receipts)
    return found


def receipts_in(node: Node, block_hash: BlockHash) -> list[Receipt] | None:
    """The receipts of a block as values; None when the node does not have the block."""
    wires = _RECEIPTS.decode(node.ask("eth_getBlockReceipts", to_hex(block_hash)))
    return None if wires is None else [wire.value() for wire in wires]


def transaction_receipt(node: Node, tx_hash: TxHash) -> Receipt | None:
    """The receipt of a mined transaction; None while it is not."""
    wire = _RECEIPT.decode(node.ask("eth_getTransactionReceipt", to_hex(tx_hash)))
    return None if wire is None else wire.value()


def transaction(node: Node, tx_hash: TxHash) -> Transaction | None:
    """The transaction, mined or waiting; None when the node does not know it."""
    wire = _TRANSACTION.decode(node.ask("eth_getTransactionByHash", to_hex(tx_hash)))
    return None if wire is None else wire.value()


def first_receipt(node: Node, tx_hashes: Sequence[TxHash]) -> Receipt | None:
    """The receipt of the first of these that is mined."""
    for tx_hash in tx_hashes:
        receipt = transaction_receipt(node, tx_hash)
        if receipt is not None:
            return receipt
    return None


def sent_in(node: Node, number: BlockNumber, sender: Address, nonce: int) -> TxHash | None:
    """The transaction of a block that took a nonce of an account; None when none did."""
    block = _FULL_BLOCK.decode(node.ask("eth_getBlockByNumber", hex(number), True))
    for wire in () if block is None else block.transactions:
        if address_from_hex(wire.sender) == sender and int(wire.nonce, 16) == nonce:
            return TxHash(hash_from_hex(wire.hash))
    return None


def raw_transaction(node: Node, tx_hash: TxHash) -> bytes | None:
    """The signed bytes of a transaction; None when the node does not know it."""
    text = _TEXT_OR_NONE.decode(node.ask("eth_getRawTransactionByHash", to_hex(tx_hash)))
    return bytes_from_hex(text) if text else None


def fee_history(node: Node, blocks: int, percentiles: Sequence[float]) -> FeeHistory:
    """Base fees of the newest ``blocks`` and the next, and tips at ``percentiles``."""
    wanted = (hex(blocks), "latest", list(percentiles))
    return _FEE_HISTORY.decode(node.ask("eth_feeHistory", *wanted)).value()


def send_raw(node: Node, raw: bytes) -> TxHash:
    """Hand a signed transaction to the node; its hash."""
    return TxHash(hash_from_hex(_TEXT.decode(node.ask("eth_sendRawTransaction", to_hex(raw)))))


def quantity(node: Node, method: str, *parameters: object) -> int:
    """The answer of a method that answers a number."""
    return int(_TEXT.decode(node.ask(method, *parameters)), 16)


def octets(node: Node, method: str, *parameters: object) -> bytes:
    """The answer of a method that answers bytes."""
    return bytes_from_hex(_TEXT.decode(node.ask(method, *parameters)))


def logs_filter(
    low: BlockNumber,
    high: BlockNumber,
    topics: Topics,
    addresses: Sequence[Address] | None = None,
) -> dict[str, object]:
    """The filter object of ``eth_getLogs``."""
    wanted: dict[str, object] = {
        "fromBlock": hex(low),
        "toBlock": hex(high),
        "topics": [None if any_of is None else list(map(to_hex, any_of)) for any_of in topics],
    }
    if addresses is not None:
        wanted["address"] = [to_hex(address) for address in addresses]
    return wanted


def block_call(block: Block) -> tuple[str, str, bool]:
    """Method and parameters of asking for a header."""
    return "eth_getBlockByNumber", block_text(block), False


def header_of(wire: WireHeader | None) -> Header | None:
    """The header, if there is one."""
    return None if wire is None else wire.value()


def block_text(block: Block) -> str:
    """A height or tag as JSON-RPC writes it."""
    return block if isinstance(block, str) else hex(block)


def _lacks(block: object) -> str:
    return f"does not have block {block}"


def _flat(call: tuple[str, str, bool]) -> Call:
    method, *parameters = call
    return method, parameters
