"""How fresh an answer is: the block of each chain it is true as of, in the answer's snapshot."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from api.schemas.shared import AsOf
from api.values import hex_or_none
from indexer.chain.networks import network_by_chain_id
from indexer.errors import ConfigurationError
from indexer.tables import marks, reorgs


@dataclass(frozen=True, slots=True)
class ChainMark:
    """Where one chain's index stands in this snapshot."""

    chain_id: int
    network: str | None
    first_block: int | None
    head_number: int | None
    indexed_number: int | None
    indexed_hash: bytes | None
    indexed_timestamp: datetime | None
    finalized_number: int | None
    finalized_hash: bytes | None
    finalized_timestamp: datetime | None
    degraded_reason: str | None
    updated_at: datetime | None
    reorg_id: int
    """Newest row of ``chain.reorgs`` for this chain; 0 when it never reorganised."""

    @property
    def lag_blocks(self) -> int | None:
        """Blocks the index is behind the node's head; None before the first block."""
        if self.head_number is None or self.indexed_number is None:
            return None
        return max(self.head_number - self.indexed_number, 0)

    def confirmations(self, block_number: int | None) -> int:
        """Blocks on top of and including ``block_number``, as of the indexed block."""
        if block_number is None or self.indexed_number is None:
            return 0
        return max(self.indexed_number - block_number + 1, 0)

    def as_of(self) -> AsOf:
        """The freshness of an answer that rests on this chain."""
        return AsOf(
            chain_id=self.chain_id,
            network=self.network,
            block_number=self.indexed_number,
            block_hash=hex_or_none(self.indexed_hash),
            block_timestamp=self.indexed_timestamp,
            finalized_block=self.finalized_number,
            head_block=self.head_number,
            lag_blocks=self.lag_blocks,
            degraded=self.degraded_reason is not None,
        )


def network_name(chain_id: int) -> str | None:
    """The network's name; None for a chain this code does not know."""
    try:
        return network_by_chain_id(chain_id).name
    except ConfigurationError:
        return None


def read_chain_marks(connection: Connection) -> dict[int, ChainMark]:
    """Read where every followed chain stands, by chain id in ascending order."""
    newest = select(func.coalesce(func.max(reorgs.c.id), 0)).where(
        reorgs.c.chain_id == marks.c.chain_id
    )
    columns = [marks.c[name] for name in ChainMark.__slots__ if name != "reorg_id"]
    rows = connection.execute(
        select(*columns, newest.scalar_subquery().label("reorg_id")).order_by(marks.c.chain_id)
    )
    return {row.chain_id: ChainMark(**row._mapping) for row in rows}  # noqa: SLF001 - public in SQLAlchemy, underscored against column names


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One read-only transaction: everything read through it is of the same instant."""

    connection: Connection
    chains: Mapping[int, ChainMark]

    def mark(self, chain_id: int) -> ChainMark:
        """Where a chain stands; all None when its index has not started."""
        return self.chains.get(chain_id) or ChainMark(
            chain_id=chain_id,
            network=network_name(chain_id),
            first_block=None,
            head_number=None,
            indexed_number=None,
            indexed_hash=None,
            indexed_timestamp=None,
            finalized_number=None,
            finalized_hash=None,
            finalized_timestamp=None,
            degraded_reason=None,
            updated_at=None,
            reorg_id=0,
        )

    def as_of(self, chain_ids: Iterable[int] | None = None) -> list[AsOf]:
        """The freshness of an answer that rests on these chains; on all when None."""
        wanted = self.chains if chain_ids is None else chain_ids
        return [self.mark(chain_id).as_of() for chain_id in wanted]
