"""JSON-RPC over HTTP to one chain: every method, with its answer as a value.

Which node answers is the business of ``nodes``. An answer is read while its node is being asked, so
that another node is asked when it has no usable shape.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from indexer.chain.blocks import FeeHistory, Header, Log, Receipt, Transaction
from indexer.chain.networks import Network
from indexer.chain.node import Call, Node
from indexer.chain.nodes import Nodes
from indexer.chain.source import Block, Opinion
from indexer.chain.types import (
    Address,
    BlockHash,
    BlockNumber,
    TxHash,
    Wei,
    bytes_from_hex,
    hash_from_hex,
    to_hex,
)
from indexer.chain.wire import (
    WireFeeHistory,
    WireHeader,
    WireLog,
    WireReceipt,
    WireTransaction,
)
from indexer.errors import RpcError, RpcUnavailable

BATCH_SIZE = 100
"""Calls in one HTTP request; common providers refuse batches above 100 to 1,000."""

T = TypeVar("T")
W = TypeVar("W")

_TEXT: msgspec.json.Decoder[str] = msgspec.json.Decoder(str)
_HEADER: msgspec.json.Decoder[WireHeader | None] = msgspec.json.Decoder(WireHeader | None)
_LOGS: msgspec.json.Decoder[list[WireLog]] = msgspec.json.Decoder(list[WireLog])
_RECEIPT: msgspec.json.Decoder[WireReceipt | None] = msgspec.json.Decoder(WireReceipt | None)
_RECEIPTS: msgspec.json.Decoder[list[WireReceipt] | None] = msgspec.json.Decoder(
    list[WireReceipt] | None
)
_TRANSACTION: msgspec.json.Decoder[WireTransaction | None] = msgspec.json.Decoder(
    WireTransaction | None
)
_FEE_HISTORY: msgspec.json.Decoder[WireFeeHistory] = msgspec.json.Decoder(WireFeeHistory)


class ChainReader:
    """A chain, read and written through its nodes. Safe to share between threads."""

    def __init__(self, urls: Sequence[str]) -> None:
        """Prepare one pool per URL; nothing is sent yet.

        Args:
            urls: HTTP URLs of nodes of one chain, the preferred first.

        Raises:
            ConfigurationError: There are none.
        """
        self._nodes = Nodes(urls)

    @property
    def provider(self) -> str:
        """Name of the node asked first, without credentials."""
        return self._nodes.preferred.name

    @property
    def node_count(self) -> int:
        """How many nodes are configured."""
        return len(self._nodes)

    def close(self) -> None:
        """Close every connection."""
        self._nodes.close()

    def distrust(self) -> None:
        """Ask another node first from now on: this one's answer contradicted itself."""
        self._nodes.distrust()

    def require_network(self, network: Network) -> None:
        """Use only nodes of this network, as ``check_chain_id`` says."""
        self._nodes.require(network)

    def chain_id(self) -> int:
        """``eth_chainId``."""
        return self._quantity("eth_chainId")

    def block_by_number(self, block: Block) -> Header | None:
        """The header at a height or tag; None when the node has no such block."""
        return self._nodes.first(lambda node: _block_at(node, block))

    def opinions(self, number: BlockNumber) -> Iterator[Opinion]:
        """What each node says stands at a height; a node is asked when its turn comes."""
        for node, header in self._nodes.each(lambda node: _block_at(node, number)):
            yield Opinion(node.name, header)

    def block_by_hash(self, block_hash: BlockHash) -> Header | None:
        """The header with this hash; None when the node does not have it."""
        return self._ask(_HEADER, _header, "eth_getBlockByHash", to_hex(block_hash), False)

    def headers(self, numbers: Iterable[BlockNumber]) -> list[Header]:
        """The headers at these heights, in order; fewer when the chain ends before."""
        calls: list[Call] = [("eth_getBlockByNumber", (hex(n), False)) for n in numbers]
        found: list[Header] = []
        for start in range(0, len(calls), BATCH_SIZE):
            read = partial(_blocks_of, calls=calls[start : start + BATCH_SIZE])
            for header in self._nodes.first(read):
                if header is None:
                    return found
                found.append(header)
        return found

    def receipts(self, block_hash: BlockHash) -> list[Receipt] | None:
        """Every receipt of a block, in order; None when the node does not have the block."""
        return self._ask(_RECEIPTS, _receipts, "eth_getBlockReceipts", to_hex(block_hash))

    def logs(
        self,
        low: BlockNumber,
        high: BlockNumber,
        topics: Sequence[Sequence[bytes] | None],
        addresses: Sequence[Address] | None = None,
    ) -> list[Log]:
        """Logs of ``low`` to ``high``, both included.

        Args:
            low: First block.
            high: Last block.
            topics: For each position the values accepted there; None accepts any.
            addresses: Contracts to look at; None looks at all.

        Raises:
            RpcUnavailable: No node gave a usable answer.
            RpcError: Refused, mostly because the range holds too much.
        """
        wanted: dict[str, object] = {
            "fromBlock": hex(low),
            "toBlock": hex(high),
            "topics": [None if any_of is None else list(map(to_hex, any_of)) for any_of in topics],
        }
        if addresses is not None:
            wanted["address"] = [to_hex(address) for address in addresses]
        return self._ask(_LOGS, lambda found: [log.value() for log in found], "eth_getLogs", wanted)

    def call(self, to: Address, data: bytes, block: Block = "latest") -> bytes:
        """``eth_call`` without a sender.

        Raises:
            RpcError: It reverted; ``data`` holds the revert data.
        """
        return self._bytes("eth_call", {"to": to_hex(to), "data": to_hex(data)}, _block(block))

    def simulate(self, transaction: Mapping[str, object], block: Block = "latest") -> bytes:
        """``eth_call`` of a whole transaction object (``from``, ``to``, ``data``, ``gas`` …).

        Raises:
            RpcError: It reverted; ``data`` holds the revert data.
        """
        return self._bytes("eth_call", dict(transaction), _block(block))

    def code(self, address: Address, block: Block = "latest") -> bytes:
        """Deployed code; empty where there is no contract."""
        return self._bytes("eth_getCode", to_hex(address), _block(block))

    def balance(self, address: Address, block: Block = "latest") -> Wei:
        """Balance in the chain's own coin."""
        return Wei(self._quantity("eth_getBalance", to_hex(address), _block(block)))

    def nonce(self, address: Address, block: Block = "latest") -> int:
        """Transactions this account has sent, up to ``block``; ``pending`` counts the pool's."""
        return self._quantity("eth_getTransactionCount", to_hex(address), _block(block))

    def estimate_gas(self, transaction: Mapping[str, object]) -> int:
        """Gas the transaction would use now; keys and values as in JSON-RPC.

        Raises:
            RpcError: It would revert; ``data`` holds the revert data.
        """
        return self._quantity("eth_estimateGas", dict(transaction))

    def fee_history(self, blocks: int, percentiles: Sequence[float] = ()) -> FeeHistory:
        """Base fees of the newest ``blocks`` and the next, and tips at ``percentiles``."""
        wanted = (hex(blocks), "latest", list(percentiles))
        return self._ask(_FEE_HISTORY, WireFeeHistory.value, "eth_feeHistory", *wanted)

    def transaction_receipt(self, tx_hash: TxHash) -> Receipt | None:
        """The receipt of a mined transaction; None while it is not."""
        return self._ask(
            _RECEIPT,
            lambda one: None if one is None else one.value(),
            "eth_getTransactionReceipt",
            to_hex(tx_hash),
        )

    def transaction_by_hash(self, tx_hash: TxHash) -> Transaction | None:
        """The transaction, mined or in the node's pool; None when the node does not know it."""
        return self._ask(
            _TRANSACTION,
            lambda one: None if one is None else one.value(),
            "eth_getTransactionByHash",
            to_hex(tx_hash),
        )

    def send_raw(self, raw: bytes, *, url_index: int | None = None) -> TxHash:
        """Hand a signed transaction to one node.

        Args:
            raw: Signed bytes; commit them before calling.
            url_index: Which node; None lets the first that answers take it.

        Raises:
            RpcUnavailable: No answer: the node may have it or not.
            RpcError: The node refused it; the words say why.
        """

        def send(node: Node) -> TxHash:
            return TxHash(
                hash_from_hex(_TEXT.decode(node.ask("eth_sendRawTransaction", to_hex(raw))))
            )

        return self._nodes.first(send) if url_index is None else self._nodes.at(url_index, send)

    def send_raw_to_all(self, raw: bytes) -> list[TxHash | RpcError | RpcUnavailable]:
        """Hand a signed transaction to every node; one outcome per URL, in their order."""
        outcomes: list[TxHash | RpcError | RpcUnavailable] = []
        for index in range(len(self._nodes)):
            try:
                outcomes.append(self.send_raw(raw, url_index=index))
            except (RpcError, RpcUnavailable) as refusal:
                outcomes.append(refusal)
        return outcomes

    def _ask(
        self,
        decoder: msgspec.json.Decoder[W],
        convert: Callable[[W], T],
        method: str,
        *parameters: object,
    ) -> T:
        return self._nodes.first(
            lambda node: convert(decoder.decode(node.ask(method, *parameters)))
        )

    def _quantity(self, method: str, *parameters: object) -> int:
        return self._ask(_TEXT, _integer, method, *parameters)

    def _bytes(self, method: str, *parameters: object) -> bytes:
        return self._ask(_TEXT, bytes_from_hex, method, *parameters)


def check_chain_id(reader: ChainReader, network: Network) -> None:
    """Make sure that every node serves the configured chain: now, or before its first use.

    Raises:
        ConfigurationError: One serves another chain; names its URL and both ids. A node that does
            not answer now raises it later, in the first call that needs that node.
        RpcUnavailable: None answers.
    """
    reader.require_network(network)


def _block_at(node: Node, block: Block) -> Header | None:
    return _header(_HEADER.decode(node.ask("eth_getBlockByNumber", _block(block), False)))


def _blocks_of(node: Node, *, calls: Sequence[Call]) -> list[Header | None]:
    return [_header(_HEADER.decode(raw)) for raw in node.ask_many(calls)]


def _header(wire: WireHeader | None) -> Header | None:
    return None if wire is None else wire.value()


def _receipts(wires: list[WireReceipt] | None) -> list[Receipt] | None:
    return None if wires is None else [wire.value() for wire in wires]


def _integer(text: str) -> int:
    return int(text, 16)


def _block(block: Block) -> str:
    return block if isinstance(block, str) else hex(block)
