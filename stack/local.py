"""Bring one local stack up: lock, ports, servers, migrations, contracts, services; and down."""

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from indexer.chain.networks import Network
from indexer.chain.rpc import ChainReader
from indexer.chain.types import to_checksum
from indexer.db.session import open_engine
from indexer.errors import ConfigurationError
from indexer.queries import read_marks
from migrations.run import migrate
from stack.outside import require_outside
from stack.ports import require_free
from stack.settings import CHECKOUT, StackSettings
from stack.supervisor import Supervisor, supervisor_lives
from stack.topology import NETWORKS, Topology

DEPLOY_TIMEOUT_S = 120
DEMO_BRL_CENTAVOS = 100_000_000_00
"""Test BRLA the platform starts with on each local chain: one hundred million reais."""

Narrate = Callable[[str], None]


@contextmanager
def running_stack(
    settings: StackSettings,
    *,
    name: str,
    narrate: Narrate,
    tuning: Mapping[str, str] | None = None,
    sink: Callable[[str, str], None] | None = None,
) -> Iterator[tuple[Topology, Supervisor]]:
    """Run a whole stack until the block ends, then stop all of it.

    Args:
        settings: The user's choices.
        name: ``up`` keeps its data between runs; ``demo`` starts empty each time.
        narrate: Told each step in a few words.
        tuning: Environment variables for the service processes.
        sink: Receives every log line.

    Raises:
        ConfigurationError: Something the user can mend is in the way; says what.
        StackFailed: A program did not start.
    """
    with _only_one(settings.data_dir):
        directory = settings.data_dir / name
        topology = Topology(settings, directory, name != "demo", tuning or {})
        _require_ports(topology)
        require_outside(settings)
        _prepare(directory, starts_empty=name == "demo")
        supervisor = Supervisor(directory, sink)
        try:
            narrate("starting Postgres, Valkey, two chains, three gateways and S3")
            if topology.postgres is not None:
                topology.postgres.initialize()
            supervisor.start_together(topology.servers())
            if topology.postgres is not None:
                topology.postgres.create_database()
            for chain in topology.anvils:
                chain.set_clock()
            narrate("migrating the database and deploying the contracts")
            before, after = migrate(topology.database_url)
            if before not in {None, after}:
                narrate(f"the database was at revision {before} and is now at {after}")
            for network in NETWORKS:
                _require_continuity(topology, network)
            deploy(topology)
            for chain in topology.anvils:
                chain.start_interval_mining()
            narrate("starting the indexers, settlement, webhooks, worker, cron and API")
            supervisor.start_together(topology.services())
            yield topology, supervisor
        finally:
            # From here on nothing may interrupt the stop half way; the children's own limits do.
            for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(ending, signal.SIG_IGN)
            supervisor.stop()


def running_topology(settings: StackSettings) -> Topology:
    """The stack that runs in the data directory, for commands that talk to it from outside.

    Raises:
        ConfigurationError: None runs there.
    """
    for name in ("up", "demo"):
        directory = settings.data_dir / name
        if supervisor_lives(directory):
            return Topology(settings, directory, keeps_chains=name == "up", tuning={})
    raise ConfigurationError(
        f"no stack is running in {settings.data_dir}: start one with 'lastro up'"
    )


def service_database_url(settings: StackSettings) -> str:
    """The database of the environment, or else of the running stack.

    Raises:
        ConfigurationError: Neither is there.
    """
    if settings.database_url is not None:
        return str(settings.database_url)
    return running_topology(settings).database_url


def deploy(topology: Topology) -> None:
    """Deploy the contracts with Ape to every local chain, side by side; nothing is done twice.

    Raises:
        ConfigurationError: A deployment failed; the message is Ape's.
    """
    topology.deployments.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(len(NETWORKS)) as pool:
        list(pool.map(lambda network: _deploy_to(topology, network), NETWORKS))


def _deploy_to(topology: Topology, network: Network) -> None:
    python = CHECKOUT / ".venv-contracts" / "bin" / "python"
    if not python.exists():
        raise ConfigurationError("Ape is not installed: run 'make setup'")
    done = subprocess.run(
        [
            str(python),
            str(CHECKOUT / "contracts" / "deploy" / "protocol.py"),
            "--network",
            network.name,
            "--rpc-url",
            topology.rpc_url(network),
            "--record",
            str(topology.deployments / f"{network.name}.json"),
            "--platform-admin",
            to_checksum(topology.platform_key.address),
            "--mint-brl-centavos",
            str(DEMO_BRL_CENTAVOS),
        ],
        cwd=CHECKOUT,
        env=topology.environment(LASTRO_PLATFORM_ADMIN_KEY=topology.platform_key.private_key()),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEPLOY_TIMEOUT_S,
    )
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise ConfigurationError(f"deploying to {network.name} failed:\n{tail}")


def _require_ports(topology: Topology) -> None:
    ports = topology.settings.ports
    require_free(ports.api, "the read API")
    require_free(ports.http, "webhooks and checkout")
    for place in topology.gateways:
        if place.own_url is None:
            require_free(place.port, f"the fake {place.title}")
    if not topology.objects.is_own:
        require_free(topology.objects.port, "the local S3")
    if topology.postgres is not None:
        require_free(topology.postgres.port, "Postgres")
    if topology.valkey is not None:
        require_free(topology.valkey.port, "Valkey")
    for chain in topology.anvils:
        require_free(chain.port, f"the chain {chain.network.name}")


def _require_continuity(topology: Topology, network: Network) -> None:
    """Refuse a chain that does not hold what the database knows as final on it.

    Raises:
        ConfigurationError: The chain lost blocks, or the database is another chain's.
    """
    engine = open_engine(topology.database_url, role=None, pool_size=1)
    try:
        with engine.connect() as connection:
            marks = read_marks(connection, network.chain_id)
    finally:
        engine.dispose()
    if marks is None or marks.finalized is None:
        return
    with closing(ChainReader([topology.rpc_url(network)])) as reader:
        header = reader.block_by_number(marks.finalized.number)
    if header is None or header.hash != marks.finalized.hash:
        raise ConfigurationError(
            f"{network.name} no longer holds block {marks.finalized.number}, which the database "
            "knows as final: the local chain was killed before it saved, or the database belongs "
            f"to another chain. They cannot go on together: remove {topology.directory}, or give "
            "an empty database in DATABASE_URL. Nothing was changed."
        )


def _prepare(directory: Path, *, starts_empty: bool) -> None:
    """Make the stack's directory; empty an old one, but only one that a stack made.

    Raises:
        ConfigurationError: The directory holds something else.
    """
    marker = directory / ".lastro-stack"
    if directory.exists() and any(directory.iterdir()) and not marker.exists():
        raise ConfigurationError(
            f"{directory} holds files that no stack made: move them, or choose another "
            "LASTRO_DATA_DIR; nothing was changed"
        )
    if starts_empty:
        shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    marker.touch()


@contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    """Hold the data directory for this stack alone; the kernel lets go when we die.

    Raises:
        ConfigurationError: Another stack holds it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / "lock"
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ConfigurationError(
                f"a stack is already running in {data_dir} (process {lock.read().strip()}): stop "
                "it, or choose another LASTRO_DATA_DIR and LASTRO_PORT_BASE"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
