"""JSON-RPC over HTTP to one chain, through one or several nodes.

The first healthy node is asked; one that fails to answer is passed over until the next failure. A
node that answers with an error has answered: that is an ``RpcError``, and no other node is asked.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from indexer.chain.blocks import FeeHistory, Header, Log, Receipt, Transaction
from indexer.chain.networks import Network
from indexer.chain.node import Call, Node
from indexer.chain.source import Block
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
from indexer.errors import ConfigurationError, RpcError, RpcUnavailable

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
        if not urls:
            raise ConfigurationError("no RPC URL is set: LASTRO_RPC_URLS needs at least one")
        self.nodes = tuple(Node(url) for url in urls)
        self._preferred = 0

    @property
    def provider(self) -> str:
        """Name of the node asked first, without credentials."""
        return self.nodes[self._preferred].name

    def close(self) -> None:
        """Close every connection."""
        for node in self.nodes:
            node.close()

    def distrust(self) -> None:
        """Ask another node first from now on: this one's answer contradicted itself."""
        self._preferred = (self._preferred + 1) % len(self.nodes)

    def chain_id(self) -> int:
        """``eth_chainId``."""
        return self._quantity("eth_chainId")

    def block_by_number(self, block: Block) -> Header | None:
        """The header at a height or tag; None when the node has no such block."""
        return _read(_HEADER, self._ask("eth_getBlockByNumber", _block(block), False), _header)

    def block_by_hash(self, block_hash: BlockHash) -> Header | None:
        """The header with this hash; None when the node does not have it."""
        return _read(_HEADER, self._ask("eth_getBlockByHash", to_hex(block_hash), False), _header)

    def headers(self, numbers: Iterable[BlockNumber]) -> list[Header]:
        """The headers at these heights, in order; fewer when the chain ends before."""
        calls: list[Call] = [("eth_getBlockByNumber", (hex(n), False)) for n in numbers]
        found: list[Header] = []
        for start in range(0, len(calls), BATCH_SIZE):
            chunk = calls[start : start + BATCH_SIZE]
            for raw in self._ask_many(chunk):
                header = _read(_HEADER, raw, _header)
                if header is None:
                    return found
                found.append(header)
        return found

    def receipts(self, block_hash: BlockHash) -> list[Receipt] | None:
        """Every receipt of a block, in order; None when the node does not have the block."""
        return _read(_RECEIPTS, self._ask("eth_getBlockReceipts", to_hex(block_hash)), _receipts)

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
        return _read(
            _LOGS, self._ask("eth_getLogs", wanted), lambda found: [log.value() for log in found]
        )

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
        raw = self._ask("eth_feeHistory", hex(blocks), "latest", list(percentiles))
        return _read(_FEE_HISTORY, raw, WireFeeHistory.value)

    def transaction_receipt(self, tx_hash: TxHash) -> Receipt | None:
        """The receipt of a mined transaction; None while it is not."""
        raw = self._ask("eth_getTransactionReceipt", to_hex(tx_hash))
        return _read(_RECEIPT, raw, lambda one: None if one is None else one.value())

    def transaction_by_hash(self, tx_hash: TxHash) -> Transaction | None:
        """The transaction, mined or in the node's pool; None when the node does not know it."""
        raw = self._ask("eth_getTransactionByHash", to_hex(tx_hash))
        return _read(_TRANSACTION, raw, lambda one: None if one is None else one.value())

    def send_raw(self, raw: bytes, *, url_index: int | None = None) -> TxHash:
        """Hand a signed transaction to one node.

        Args:
            raw: Signed bytes; commit them before calling.
            url_index: Which node; None lets the first that answers take it.

        Raises:
            RpcUnavailable: No answer: the node may have it or not.
            RpcError: The node refused it; the words say why.
        """
        if url_index is None:
            answer = self._ask("eth_sendRawTransaction", to_hex(raw))
        else:
            answer = self.nodes[url_index].ask("eth_sendRawTransaction", to_hex(raw))
        return TxHash(_read(_TEXT, answer, hash_from_hex))

    def send_raw_to_all(self, raw: bytes) -> list[TxHash | RpcError | RpcUnavailable]:
        """Hand a signed transaction to every node; one outcome per URL, in their order."""
        outcomes: list[TxHash | RpcError | RpcUnavailable] = []
        for index in range(len(self.nodes)):
            try:
                outcomes.append(self.send_raw(raw, url_index=index))
            except (RpcError, RpcUnavailable) as refusal:
                outcomes.append(refusal)
        return outcomes

    def _ask(self, method: str, *parameters: object) -> msgspec.Raw:
        return self._try_nodes(lambda node: node.ask(method, *parameters))

    def _try_nodes(self, attempt: Callable[[Node], T]) -> T:
        """Try every node once, the preferred first; remember the first that answers."""
        first = self._preferred
        failures: list[str] = []
        for offset in range(len(self.nodes)):
            index = (first + offset) % len(self.nodes)
            try:
                answer = attempt(self.nodes[index])
            except RpcUnavailable as failure:
                failures.append(str(failure))
                continue
            self._preferred = index
            return answer
        raise RpcUnavailable("; ".join(failures))

    def _ask_many(self, calls: Sequence[Call]) -> list[msgspec.Raw]:
        return self._try_nodes(lambda node: node.ask_many(calls))

    def _quantity(self, method: str, *parameters: object) -> int:
        return _read(_TEXT, self._ask(method, *parameters), _integer)

    def _bytes(self, method: str, *parameters: object) -> bytes:
        return _read(_TEXT, self._ask(method, *parameters), bytes_from_hex)


def check_chain_id(reader: ChainReader, network: Network) -> None:
    """Make sure that every node that answers serves the configured chain.

    Raises:
        ConfigurationError: One serves another chain; names its URL and both ids.
        RpcUnavailable: None answers.
    """
    failures: list[str] = []
    for node in reader.nodes:
        try:
            raw = node.ask("eth_chainId")
        except RpcUnavailable as failure:
            failures.append(str(failure))
            continue
        answered = _read(_TEXT, raw, _integer)
        if answered != network.chain_id:
            raise ConfigurationError(
                f"{node.name} serves chain {answered}, but {network.name} is "
                f"{network.chain_id}: mend LASTRO_RPC_URLS or LASTRO_CHAIN"
            )
    if len(failures) == len(reader.nodes):
        raise RpcUnavailable("; ".join(failures))


def _header(wire: WireHeader | None) -> Header | None:
    return None if wire is None else wire.value()


def _receipts(wires: list[WireReceipt] | None) -> list[Receipt] | None:
    return None if wires is None else [wire.value() for wire in wires]


def _integer(text: str) -> int:
    return int(text, 16)


def _block(block: Block) -> str:
    return block if isinstance(block, str) else hex(block)


def _read(decoder: msgspec.json.Decoder[W], raw: msgspec.Raw, convert: Callable[[W], T]) -> T:
    """Decode one result and turn it into a value; whatever does not fit is no answer at all."""
    try:
        return convert(decoder.decode(raw))
    except (msgspec.DecodeError, ValueError) as error:
        raise RpcUnavailable(f"a node's answer has an unexpected shape: {error}") from error
