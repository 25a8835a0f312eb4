"""What commands about one chain work with: its database, its nodes, and the right to write.

Database, nodes and deployment records are those of the environment, or else of the local stack
that runs here.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import InterfaceError, OperationalError

from indexer.backfill.ranges import Depth
from indexer.chain.deployments import Deployment, load_deployment
from indexer.chain.networks import Network
from indexer.chain.rpc import ChainReader, check_chain_id
from indexer.chain.types import BlockNumber
from indexer.db.base import ROLES
from indexer.db.locks import lock_key, try_session_lock
from indexer.db.session import open_engine, require_answer
from indexer.errors import ConfigurationError, TransientError
from indexer.loop import lock_name
from indexer.maintenance import nothing_indexed
from indexer.queries import read_marks
from indexer.settings import CallsPerSecond, RpcUrls, checked
from migrations.run import require_current
from stack.local import running_topology, service_database_url
from stack.settings import StackSettings
from stack.topology import NETWORKS

_64_BITS = 2**64 - 1
_32_BITS = 2**32 - 1
_POSTGRES_BUSY = ("starting up", "shutting down", "recovery mode", "too many")
"""Refusals of a login that pass by themselves."""


_OPTION = "--rpc-url"


class NodeSettings(BaseSettings):
    """The indexer's own variables, where they are set."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    named_urls: RpcUrls = Field((), validation_alias=_OPTION)
    """Of the command line: here, so that its faults are listed with those of the environment."""
    rpc_urls: RpcUrls = Field((), validation_alias="LASTRO_RPC_URLS")
    deployments_dir: Path | None = Field(None, validation_alias="LASTRO_DEPLOYMENTS_DIR")
    calls_per_s: CallsPerSecond | None = Field(None, validation_alias="LASTRO_RPC_REQUESTS_PER_S")
    history: Depth = Field("checked", validation_alias="LASTRO_INDEXER_HISTORY")


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

    Raises:
        ConfigurationError: Postgres does not let us in, or its revision is another.
        TransientError: Postgres is not there, or gives up half way.
    """
    url = service_database_url(StackSettings.from_environment())
    engine = open_engine(url, role=ROLES[owner], pool_size=2)
    try:
        _require_postgres(engine)
        require_current(engine)
        yield engine
    except (OperationalError, InterfaceError) as failure:
        raise TransientError(
            f"Postgres gave up: {failure.orig}; whole transactions stand"
        ) from failure
    finally:
        engine.dispose()


def name_at_settlement(payment: UUID) -> UUID:
    """What settlement has a payment as, by its own id; any other name as it is.

    Raises:
        ConfigurationError: Postgres does not let us in, or its revision is another.
    """
    from offchain.payments.handover import name_at_settlement as named

    with opened("api") as engine, engine.connect() as connection:
        return named(connection, payment)


def _require_postgres(engine: Engine) -> None:
    """Tell a Postgres that is not there, which may come back, from one that refuses our login."""
    try:
        require_answer(engine)
    except ConfigurationError as refusal:
        words = str(refusal)
        if "FATAL" in words and not any(one in words for one in _POSTGRES_BUSY):
            raise
        raise TransientError(words) from None


def require_indexed(engine: Engine, network: Network) -> None:
    """Refuse a database in which no block of the chain is indexed; raises as ``indexed_marks``."""
    with engine.connect() as connection:
        indexed_marks(connection, network)


def indexed_marks(
    connection: Connection, network: Network
) -> tuple[BlockNumber, BlockNumber | None]:
    """The highest block that is indexed, and the highest that is final too, if there is one.

    Raises:
        ConfigurationError: None is indexed; says what to do.
    """
    marks = read_marks(connection, network.chain_id)
    if marks is None or marks.indexed is None:
        raise ConfigurationError(nothing_indexed(network.name))
    return marks.indexed.number, None if marks.finalized is None else marks.finalized.number


def nodes_of(network: Network, rpc_urls: Sequence[str] = ()) -> Nodes:
    """The nodes to ask: those named, else the environment's, else the running local stack's.

    Raises:
        ConfigurationError: None is known, or a setting is wrong; lists all that are.
    """
    settings = checked(NodeSettings, **{_OPTION: ",".join(rpc_urls)})
    budget = network.rpc_calls_per_s if settings.calls_per_s is None else settings.calls_per_s
    urls = settings.named_urls or settings.rpc_urls
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
