"""The surface of a chain that following and proving need; ``ChainReader`` has it, so has a fake."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from indexer.chain.blocks import Header, Log, Receipt
from indexer.chain.types import Address, BlockHash, BlockNumber, TxHash

BlockTag = Literal["latest", "finalized", "safe", "pending", "earliest"]
Block = BlockNumber | BlockTag


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one node says of one height."""

    provider: str
    """Name of the node, without credentials."""
    header: Header | None
    """As the node gave it, unchecked; None when it has no block there."""


class BlockSource(Protocol):
    """What following a chain needs of it: the surface a fake chain stands in for."""

    @property
    def provider(self) -> str:
        """Name of the node that answers, without credentials."""
        ...

    @property
    def node_count(self) -> int:
        """How many nodes are configured, whether they answer or not."""
        ...

    def opinions(self, number: BlockNumber) -> Iterator[Opinion]:
        """What each node says stands at a height, the preferred first; the silent are left out."""
        ...

    def block_by_number(self, block: Block) -> Header | None:
        """The header at a height or tag; None when the node has no such block."""
        ...

    def block_by_hash(self, block_hash: BlockHash) -> Header | None:
        """The header with this hash; None when the node does not have it."""
        ...

    def headers(self, numbers: Iterable[BlockNumber]) -> list[Header]:
        """The headers at these heights, in order; fewer when the chain ends before."""
        ...

    def receipts(self, block_hash: BlockHash) -> list[Receipt] | None:
        """Every receipt of a block, in order; None when the node does not have the block."""
        ...

    def logs(
        self,
        low: BlockNumber,
        high: BlockNumber,
        topics: Sequence[Sequence[bytes] | None],
        addresses: Sequence[Address] | None = None,
    ) -> list[Log]:
        """Logs of ``low`` to ``high``, both included."""
        ...

    def transaction_receipt(self, tx_hash: TxHash) -> Receipt | None:
        """The receipt of a mined transaction; None while it is not."""
        ...

    def distrust(self) -> None:
        """Ask another node first from now on: this one contradicted itself."""
        ...

    def charge(self, provider: str, kind: str) -> None:
        """Ask a node last for a while: what it served failed a check of this kind."""
        ...
