"""What reading blocks anew needs, and what it finds."""

from dataclasses import dataclass
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
from indexer.restated import TableChange
from indexer.tables import marks


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

    @property
    def is_change(self) -> bool:
        """Whether some row was missing or false."""
        return any(one.is_change for one in self.changes)

    @property
    def finding(self) -> FindingKind:
        """What that says of who served it."""
        return "logs_missing" if any(one.missing for one in self.changes) else "logs_false"


@dataclass(frozen=True, slots=True)
class Scene:
    """What reading anew needs: where to write, whom to ask, and whose contracts count."""

    engine: Engine
    source: BlockSource
    chain_id: ChainId
    deployed: KnownContracts

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
            chain_id=network.chain_id,
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
