"""Where a follower stands, as the database says."""

from dataclasses import dataclass

from sqlalchemy import Connection

from indexer.chain.deployments import Deployment
from indexer.chain.networks import Network
from indexer.chain.source import BlockSource
from indexer.chain.types import BlockHash, BlockNumber, BlockStamp, ChainId
from indexer.cursor import read_fetched
from indexer.errors import ConfigurationError, InvariantError
from indexer.known import KnownContracts
from indexer.queries import Marks, read_marks
from indexer.write import known_contracts


@dataclass(frozen=True, slots=True)
class Position:
    """Where a follower stands; made anew from the database after any failure."""

    marks: Marks
    fetched: BlockStamp | None
    """The writer's cursor; ahead of ``marks.indexed`` while facts wait to be projected."""
    known: KnownContracts
    """As of ``marks.indexed``."""

    @property
    def is_projected(self) -> bool:
        """Whether readers see all that was fetched."""
        return self.fetched == self.marks.indexed


def require_same_chain(source: BlockSource, network: Network, deployment: Deployment) -> BlockHash:
    """Make sure that node and deployment record speak of one chain; gives its genesis hash.

    Raises:
        ConfigurationError: They do not.
        TransientError: The node does not answer.
    """
    genesis = source.block_by_number(BlockNumber(0))
    if genesis is None:
        raise ConfigurationError(f"{source.provider} has no genesis block")
    if genesis.hash != deployment.genesis_hash:
        raise ConfigurationError(
            f"{source.provider} serves a chain whose genesis is 0x{genesis.hash.hex()}, but the "
            f"deployment record of {network.name} is of another chain "
            f"(0x{deployment.genesis_hash.hex()}): deploy again, or mend LASTRO_RPC_URLS or "
            "LASTRO_DEPLOYMENTS_DIR"
        )
    return genesis.hash


def read_position(connection: Connection, chain_id: ChainId, deployed: KnownContracts) -> Position:
    """Read where the writer of a chain stands; waits for a commit that is under way.

    Args:
        connection: In a transaction.
        chain_id: The chain; its marks are open.
        deployed: The deployment's own contracts.

    Raises:
        InvariantError: There are no marks.
    """
    fetched = read_fetched(connection, chain_id)  # first: what it waited for, the rest then sees
    marks = read_marks(connection, chain_id)
    if marks is None:
        raise InvariantError(f"marks of chain {chain_id} vanished")
    if marks.indexed is None:
        return Position(marks, fetched, deployed)
    known = known_contracts(connection, chain_id, deployed, at=marks.indexed.number)
    return Position(marks, fetched, known)
