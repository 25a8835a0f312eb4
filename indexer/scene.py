"""What reading blocks anew needs, and what it finds."""

from dataclasses import dataclass, replace
from typing import Self

from sqlalchemy import Connection, Engine, select

from indexer.chain.deployments import Deployment
from indexer.chain.networks import Network
from indexer.chain.source import BlockSource
from indexer.chain.types import BlockNumber, ChainId
from indexer.errors import InvariantError
from indexer.known import KnownContracts
from indexer.providers import FindingKind
from indexer.queries import Marks, read_marks
from indexer.tables import marks


@dataclass(frozen=True, slots=True)
class TableChange:
    """What a table held of a range, and how that differed from the chain."""

    table: str
    before: int
    """Rows."""
    missing: int
    """Rows that the chain states and the table lacked."""
    false: int
    """Rows that the table held and the chain does not state."""
    reclaimed: int = 0
    """Rows that were right but for the block that made their contract known."""

    @property
    def after(self) -> int:
        """Rows, once the table says what the chain says."""
        return self.before + self.missing - self.false

    @property
    def is_change(self) -> bool:
        """Whether anything differed."""
        return bool(self.missing or self.false or self.reclaimed)

    def joined(self, other: Self) -> Self:
        """This and what the same table held of the blocks that follow."""
        return type(self)(
            self.table,
            self.before + other.before,
            self.missing + other.missing,
            self.false + other.false,
            self.reclaimed + other.reclaimed,
        )


@dataclass(frozen=True, slots=True)
class RepairOutcome:
    """What reading a range anew found and did."""

    low: BlockNumber
    high: BlockNumber
    proven: bool
    """Every block is, by its receipts or by its bloom."""
    changes: tuple[TableChange, ...]
    """Every table of facts, with its rows before and after."""
    contracts_changed: bool
    """A contract became known or unknown: whoever remembers the known ones must read them anew."""
    charged: tuple[str, ...] = ()
    """Who had served what was wrong."""
    refuted: tuple[BlockNumber, ...] = ()
    """Blocks whose rows a proof showed to be wrong."""
    disputed: tuple[BlockNumber, ...] = ()
    """Blocks told otherwise by a reading that could not be proven: their rows stand."""

    @property
    def is_change(self) -> bool:
        """Whether some row was missing, false or claimed by another block."""
        return any(one.is_change for one in self.changes)

    @property
    def finding(self) -> FindingKind:
        """What that says of who served it."""
        return "logs_missing" if any(one.missing for one in self.changes) else "logs_false"

    def joined(self, other: Self) -> Self:
        """This outcome and that of the blocks that follow, as one."""
        return replace(
            self,
            high=other.high,
            proven=self.proven and other.proven,
            changes=tuple(
                one.joined(two) for one, two in zip(self.changes, other.changes, strict=True)
            ),
            contracts_changed=self.contracts_changed or other.contracts_changed,
            charged=tuple(sorted({*self.charged, *other.charged})),
            refuted=(*self.refuted, *other.refuted),
            disputed=(*self.disputed, *other.disputed),
        )


@dataclass(frozen=True, slots=True)
class Scene:
    """What reading anew needs: where to write, whom to ask, and whose contracts count."""

    engine: Engine
    source: BlockSource
    network: Network
    deployed: KnownContracts

    @property
    def chain_id(self) -> ChainId:
        """The chain."""
        return self.network.chain_id

    @classmethod
    def of(
        cls,
        engine: Engine,
        source: BlockSource,
        network: Network,
        deployment: Deployment,
    ) -> Self:
        """Gather it.

        Args:
            engine: Acting as the role that owns schema ``chain``.
            source: Where to ask.
            network: The chain.
            deployment: Where the protocol stands on it.
        """
        return cls(
            engine=engine,
            source=source,
            network=network,
            deployed=KnownContracts.of_deployment(deployment),
        )

    def marks(self, connection: Connection, *, locked: bool = False) -> Marks:
        """The chain's marks; locked, no other writer commits before this transaction ends.

        Raises:
            InvariantError: There are none: the chain was never indexed.
        """
        if locked:
            connection.execute(
                select(marks.c.chain_id).where(marks.c.chain_id == self.chain_id).with_for_update()
            )
        found = read_marks(connection, self.chain_id)
        if found is None:
            raise InvariantError(f"chain {self.chain_id} was never indexed: nothing to read anew")
        return found
