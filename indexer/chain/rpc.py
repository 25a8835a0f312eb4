"""JSON-RPC over HTTP to one chain: every method, with its answer as a value.

Which node answers is the business of ``nodes``. An answer is read while its node is being asked, so
that another node is asked when it has no usable shape.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from indexer.chain import reads
from indexer.chain.blocks import FeeHistory, Header, Log, Receipt, Transaction
from indexer.chain.networks import Network
from indexer.chain.node import Node
from indexer.chain.nodes import CHAIN_ID_TRIES, Nodes
from indexer.chain.observer import UNOBSERVED, RpcObserver
from indexer.chain.reads import RawLogs, Topics, block_text
from indexer.chain.source import Block, Opinion
from indexer.chain.types import Address, BlockHash, BlockNumber, TxHash, Wei, to_hex
from indexer.chain.wire import WireReceipt
from indexer.errors import RpcError, RpcUnavailable

T = TypeVar("T")


class ChainReader:
    """A chain, read and written through its nodes. Safe to share between threads."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        calls_per_s: float = 0.0,
        observer: RpcObserver = UNOBSERVED,
    ) -> None:
        """Prepare one pool per URL; nothing is sent yet.

        Args:
            urls: HTTP URLs of nodes of one chain, the preferred first.
            calls_per_s: Budget that each provider grants; 0 for any.
            observer: Told of every request and of every provider charged.

        Raises:
            ConfigurationError: There are none.
        """
        self._nodes = Nodes(urls, calls_per_s=calls_per_s, observer=observer)

    @property
    def provider(self) -> str:
        """Name of the node that answered last, without credentials; at first the preferred."""
        return self._nodes.answered.name

    @property
    def node_count(self) -> int:
        """How many nodes are configured."""
        return len(self._nodes)

    @property
    def providers(self) -> tuple[str, ...]:
        """Names of the nodes, unique and without credentials, in the order of their URLs."""
        return self._nodes.names

    @property
    def provider_count(self) -> int:
        """How many nodes are configured."""
        return len(self._nodes)

    @property
    def charges(self) -> dict[str, dict[str, int]]:
        """Failed checks by provider and kind, since this process started."""
        return self._nodes.charges

    def close(self) -> None:
        """Close every connection."""
        self._nodes.close()

    def distrust(self) -> None:
        """Ask another node first from now on: this one's answer contradicted itself."""
        self._nodes.distrust()

    def charge(self, provider: str, kind: str) -> None:
        """Ask a provider last for a while: what it served failed a check of this kind."""
        self._nodes.charge(provider, kind)

    def second(self, provider: str) -> int | None:
        """The place in ``providers`` of the most trusted other one; None when there is none."""
        return self._nodes.other_than(provider)

    def require_network(self, network: Network, *, tries: int = CHAIN_ID_TRIES) -> None:
        """Use only nodes of this network, as ``check_chain_id`` says."""
        self._nodes.require(network, tries=tries)

    def chain_id(self) -> int:
        """``eth_chainId``."""
        return self._quantity("eth_chainId")

    def block_by_number(self, block: Block) -> Header | None:
        """The header at a height or tag; None when the node has no such block."""
        return self._nodes.first(lambda node: reads.block_at(node, block))

    def opinions(self, number: BlockNumber) -> Iterator[Opinion]:
        """What each node says stands at a height; a node is asked when its turn comes."""
        for node, header in self._nodes.each(lambda node: reads.block_at(node, number)):
            yield Opinion(node.name, header)

    def block_by_hash(self, block_hash: BlockHash) -> Header | None:
        """The header with this hash; None when the node does not have it."""
        return self._nodes.first(lambda node: reads.block_with(node, block_hash))

    def headers(self, numbers: Iterable[BlockNumber]) -> list[Header]:
        """The headers at these heights, in order; fewer when the chain ends before."""
        wanted = list(numbers)
        return self._nodes.first(lambda node: reads.headers_at(node, wanted))

    def receipts(self, block_hash: BlockHash) -> list[Receipt] | None:
        """Every receipt of a block, in order; None when the node does not have the block."""
        return self._nodes.first(lambda node: reads.receipts_in(node, block_hash))

    def logs(
        self,
        low: BlockNumber,
        high: BlockNumber,
        topics: Topics,
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
        wanted = reads.logs_filter(low, high, topics, addresses)
        return self._nodes.first(lambda node: reads.logs_in(node, wanted))

    def raw_logs(
        self,
        low: BlockNumber,
        high: BlockNumber,
        topics: Topics,
        addresses: Sequence[Address] | None = None,
        *,
        provider: int | None = None,
    ) -> RawLogs:
        """Logs of ``low`` to ``high`` as sent, with the header at ``high``, by one node.

        Args:
            low: First block.
            high: Last block; a node that lacks it gives no answer.
            topics: For each position the values accepted there; None accepts any.
            addresses: Contracts to look at; None looks at all.
            provider: Place in ``providers`` of the only node to ask; None asks as always.

        Raises:
            RpcUnavailable: No node gave a usable answer; ``NodeUnusable.kind`` says why.
            RpcError: Refused; ``refusals.refusal_of`` says why and what would do.
        """
        return self._from(provider, lambda node: reads.logs_of(node, low, high, topics, addresses))

    def raw_headers(
        self, low: BlockNumber, high: BlockNumber, *, provider: int | None = None
    ) -> tuple[str, list[Header]]:
        """Who answered, and its headers of ``low`` to ``high``; fewer when its chain ends before.

        Raises as ``raw_logs`` does.
        """
        return self._from(provider, lambda node: (node.name, reads.headers_of(node, low, high)))

    def raw_receipts(
        self, hashes: Sequence[BlockHash], *, provider: int | None = None
    ) -> tuple[str, list[list[Receipt]]]:
        """Who answered, and the receipts of each block; one missing block is no answer.

        Raises as ``raw_logs`` does.
        """
        name, found = self.wire_receipts(hashes, provider=provider)
        return name, [[wire.value() for wire in wires] for wires in found]

    def wire_receipts(
        self, hashes: Sequence[BlockHash], *, provider: int | None = None
    ) -> tuple[str, list[list[WireReceipt]]]:
        """``raw_receipts`` as sent, for ``verify.prove_wire_receipts``: nothing is converted."""
        return self._from(provider, lambda node: (node.name, reads.receipts_of(node, hashes)))

    def call(self, to: Address, data: bytes, block: Block = "latest") -> bytes:
        """``eth_call`` without a sender.

        Raises:
            RpcError: It reverted; ``data`` holds the revert data.
        """
        return self._bytes("eth_call", {"to": to_hex(to), "data": to_hex(data)}, block_text(block))

    def simulate(self, transaction: Mapping[str, object], block: Block = "latest") -> bytes:
        """``eth_call`` of a whole transaction object (``from``, ``to``, ``data``, ``gas`` …).

        Raises:
            RpcError: It reverted; ``data`` holds the revert data.
        """
        return self._bytes("eth_call", dict(transaction), block_text(block))

    def code(self, address: Address, block: Block = "latest") -> bytes:
        """Deployed code; empty where there is no contract."""
        return self._bytes("eth_getCode", to_hex(address), block_text(block))

    def balance(self, address: Address, block: Block = "latest") -> Wei:
        """Balance in the chain's own coin."""
        return Wei(self._quantity("eth_getBalance", to_hex(address), block_text(block)))

    def nonce(self, address: Address, block: Block = "latest") -> int:
        """Transactions this account has sent, up to ``block``; ``pending`` counts the pool's."""
        return self._quantity("eth_getTransactionCount", to_hex(address), block_text(block))

    def estimate_gas(self, transaction: Mapping[str, object]) -> int:
        """Gas the transaction would use now; keys and values as in JSON-RPC.

        Raises:
            RpcError: It would revert; ``data`` holds the revert data.
        """
        return self._quantity("eth_estimateGas", dict(transaction))

    def fee_history(self, blocks: int, percentiles: Sequence[float] = ()) -> FeeHistory:
        """Base fees of the newest ``blocks`` and the next, and tips at ``percentiles``."""
        return self._nodes.first(lambda node: reads.fee_history(node, blocks, percentiles))

    def transaction_receipt(self, tx_hash: TxHash) -> Receipt | None:
        """The receipt of a mined transaction; None while it is not."""
        return self._nodes.first(lambda node: reads.transaction_receipt(node, tx_hash))

    def transaction_by_hash(self, tx_hash: TxHash) -> Transaction | None:
        """The transaction, mined or in the node's pool; None when the node does not know it."""
        return self._nodes.first(lambda node: reads.transaction(node, tx_hash))

    def receipt_anywhere(self, tx_hashes: Sequence[TxHash]) -> Receipt | None:
        """The receipt of whichever of these a node knows as mined; None when none knows any.

        Raises:
            RpcUnavailable: No node knows one, and not every node answered: that proves nothing.
        """
        answered = 0
        for _, found in self._nodes.each(lambda node: reads.first_receipt(node, tx_hashes)):
            answered += 1
            if found is not None:
                return found
        if answered < len(self._nodes):
            raise RpcUnavailable("not every node says that it lacks the transaction")
        return None

    def sent_in(self, number: BlockNumber, sender: Address, nonce: int) -> TxHash | None:
        """The transaction of a block that took a nonce of an account; None when none did."""
        return self._nodes.first(lambda node: reads.sent_in(node, number, sender, nonce))

    def raw_transaction(self, tx_hash: TxHash) -> bytes | None:
        """The signed bytes of a transaction; None when the node does not know it."""
        return self._nodes.first(lambda node: reads.raw_transaction(node, tx_hash))

    def send_raw(self, raw: bytes, *, url_index: int | None = None) -> TxHash:
        """Hand a signed transaction to one node.

        Args:
            raw: Signed bytes; commit them before calling.
            url_index: Which node; None lets the first that answers take it.

        Raises:
            RpcUnavailable: No answer: the node may have it or not.
            RpcError: The node refused it; the words say why.
        """
        return self._from(url_index, lambda node: reads.send_raw(node, raw))

    def send_raw_to_all(self, raw: bytes) -> list[TxHash | RpcError | RpcUnavailable]:
        """Hand a signed transaction to every node; one outcome per URL, in their order.

        One that did not answer a moment ago is passed over, unless none does.
        """
        outcomes: list[TxHash | RpcError | RpcUnavailable] = []
        silent = [index for index in range(len(self._nodes)) if self._nodes.is_silent(index)]
        for index in range(len(self._nodes)):
            if index in silent and len(silent) < len(self._nodes):
                outcomes.append(RpcUnavailable("it did not answer a moment ago"))
                continue
            try:
                outcomes.append(self.send_raw(raw, url_index=index))
            except (RpcError, RpcUnavailable) as refusal:
                outcomes.append(refusal)
        return outcomes

    def _from(self, index: int | None, attempt: Callable[[Node], T]) -> T:
        return self._nodes.first(attempt) if index is None else self._nodes.at(index, attempt)

    def _quantity(self, method: str, *parameters: object) -> int:
        return self._nodes.first(lambda node: reads.quantity(node, method, *parameters))

    def _bytes(self, method: str, *parameters: object) -> bytes:
        return self._nodes.first(lambda node: reads.octets(node, method, *parameters))


def check_chain_id(reader: ChainReader, network: Network, *, tries: int = CHAIN_ID_TRIES) -> None:
    """Make sure that every node serves the configured chain: now, or before its first use.

    Args:
        reader: Whom to ask.
        network: The chain that is configured.
        tries: How often they are asked while none answers; 1 for who repeats the question himself.

    Raises:
        ConfigurationError: One serves another chain; names its URL and both ids. A node that does
            not answer now raises it later, in the first call that needs that node.
        RpcUnavailable: None answers.
    """
    reader.require_network(network, tries=tries)
