"""What commands about one chain work with: its database, its nodes, and the right to write.

Database, nodes and deployment records are those of the environment, or else of the local stack
that runs here.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import Connection, Engine, text

from indexer.backfill.ranges import Depth
from indexer.chain.deployments import Deployment, load_deployment
from indexer.chain.networks import Network
from indexer.chain.rpc import ChainReader, check_chain_id
from indexer.db.base import ROLES
from indexer.db.locks import lock_key, try_session_lock
from indexer.db.session import open_engine, require_answer
from indexer.errors import ConfigurationError
from indexer.loop import lock_name
from indexer.settings import CommaSeparated
from migrations.run import require_current
from stack.local import running_topology, service_database_url
from stack.settings import StackSettings
from stack.topology import NETWORKS

_64_BITS = 2**64 - 1
_32_BITS = 2**32 - 1


class NodeSettings(BaseSettings):
    """The indexer's own variables, where they are set."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    rpc_urls: CommaSeparated = Field((), validation_alias="LASTRO_RPC_URLS")
    deployments_dir: Path | None = Field(None, validation_alias="LASTRO_DEPLOYMENTS_DIR")
    calls_per_s: float | None = Field(None, validation_alias="LASTRO_RPC_REQUESTS_PER_S")
    history: Depth = Field("listed", validation_alias="LASTRO_INDEXER_HISTORY")


@dataclass(frozen=True, slots=True)
class Nodes:
    """Where a chain can be asked, and where the protocol stands on it."""

    urls: tuple[str, ...]
    deployments_dir: Path
    calls_per_s: float
    history: Depth
    """How far what is read on is verified at once."""


@contextmanager
def opened(owner: str) -> Iterator[Engine]:
    """An engine on the service's database, which must be of this code's revision.

    Args:
        owner: Schema to own, or ``api`` to read all of them.
    """
    url = service_database_url(StackSettings.from_environment())
    engine = open_engine(url, role=ROLES[owner], pool_size=2)
    try:
        require_answer(engine)
        require_current(engine)
        yield engine
    finally:
        engine.dispose()


def nodes_of(network: Network, rpc_urls: Sequence[str] = ()) -> Nodes:
    """The nodes to ask: those named, else the environment's, else the running local stack's.

    Raises:
        ConfigurationError: None is known.
    """
    settings = NodeSettings()
    budget = network.rpc_calls_per_s if settings.calls_per_s is None else settings.calls_per_s
    urls = tuple(rpc_urls) or settings.rpc_urls
    directory = settings.deployments_dir
    if urls and directory is not None:
        return Nodes(urls, directory, budget, settings.history)
    if network not in NETWORKS:
        raise ConfigurationError(
            f"nothing tells where {network.name} is: set LASTRO_RPC_URLS and LASTRO_DEPLOYMENTS_DIR"
        )
    topology = running_topology(StackSettings.from_environment())
    return Nodes(
        urls or (topology.rpc_url(network),),
        directory or topology.deployments,
        budget,
        settings.history,
    )


@contextmanager
def asking(
    network: Network, rpc_urls: Sequence[str] = ()
) -> Iterator[tuple[ChainReader, Deployment]]:
    """A reader of the chain, and the record of what was deployed there.

    Raises:
        ConfigurationError: No node is known, or one serves another chain.
    """
    nodes = nodes_of(network, rpc_urls)
    deployment = load_deployment(nodes.deployments_dir, network)
    with closing(ChainReader(nodes.urls, calls_per_s=nodes.calls_per_s)) as reader:
        check_chain_id(reader, network)
        yield reader, deployment


@contextmanager
def sole_writer(engine: Engine, network: Network) -> Iterator[None]:
    """Be the chain's one writer until the block ends, as its indexer is otherwise.

    Raises:
        ConfigurationError: Somebody else is; says who.
    """
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    with autocommit.connect() as connection:
        if not try_session_lock(connection, lock_name(network.chain_id)):
            raise ConfigurationError(
                f"{_holder(connection, network)} is the writer of {network.name}: stop that "
                "indexer first; nothing was changed"
            )
        try:
            yield
        finally:
            connection.invalidate()  # closes the session, and with it the lock


def _holder(connection: Connection, network: Network) -> str:
    """Who holds a chain's writer lock, as far as Postgres tells this role."""
    key = lock_key(lock_name(network.chain_id)) & _64_BITS
    row = connection.execute(
        text(
            "SELECT l.pid, a.client_addr, a.client_port, a.backend_start FROM pg_locks l "
            "LEFT JOIN pg_stat_activity a USING (pid) "
            "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
            "AND l.classid::bigint = :high AND l.objid::bigint = :low"
        ),
        {"high": key >> 32, "low": key & _32_BITS},
    ).first()
    if row is None:
        return "another process"
    since = "" if row.backend_start is None else f" since {row.backend_start:%Y-%m-%d %H:%M:%S} UTC"
    at = "" if row.client_addr is None else f" of {row.client_addr}:{row.client_port}"
    return f"Postgres session {row.pid}{at}{since}"
