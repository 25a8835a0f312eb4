"""What settlement is measured on: the protocol on an anvil of its own, and an indexer behind it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from indexer.chain.deployments import Deployment
from indexer.chain.networks import network_by_name
from indexer.chain.types import Address, to_checksum, to_hex
from stack.anvil import FINALITY_EPOCH_SLOTS, Anvil
from stack.ports import free_port
from stack.postgres import clean_environment
from tests.support.real_protocol import ADMIN, SUPPLY, Deployer, deploy
from tests.support.servers import running

NETWORK = network_by_name("celo-local")
CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Site:
    """One chain with the protocol on it, and a migrated database that follows it."""

    anvil: Anvil
    deployment: Deployment
    database: str
    """URL."""
    directory: Path
    """Where the deployment record lies."""

    @property
    def token(self) -> Address:
        """The token that campaigns settle in; the platform's wallet is full of it."""
        return self.deployment.tokens[0].address


@contextmanager
def settlement_site(database: str, *, epoch_slots: int = FINALITY_EPOCH_SLOTS) -> Iterator[Site]:
    """Deploy the protocol on a fresh chain that mines every transaction at once.

    Args:
        database: URL of a migrated, empty database.
        epoch_slots: Blocks of an epoch: what is deeper than two of them is final.
    """
    with tempfile.TemporaryDirectory(prefix="lastro-settle-") as home:
        directory = Path(home)
        anvil = Anvil(NETWORK, free_port(), epoch_slots=epoch_slots)
        with running(anvil.command(), answers=anvil.answers, log=directory / "anvil.log"):
            deployment = deploy(anvil)
            owner = to_checksum(deployment.protocol_admin)
            token = to_checksum(deployment.tokens[0].address)
            Deployer(anvil, owner).send(token, "mint(address,uint256)", ADMIN.address, SUPPLY)
            record = json.dumps(deployment.model_dump(), default=to_hex)
            (directory / f"{NETWORK.name}.json").write_text(record)
            yield Site(anvil, deployment, database, directory)


@contextmanager
def indexing(site: Site, rpc_urls: Sequence[str] = ()) -> Iterator[None]:
    """Follow the chain in a process of its own, as in production, until the block ends.

    Args:
        site: The chain and the database.
        rpc_urls: Nodes to ask instead of the chain's own.
    """
    urls = rpc_urls or [site.anvil.url]
    process = subprocess.Popen(
        [sys.executable, "-m", "indexer"],
        cwd=CHECKOUT,
        env={
            **clean_environment(),
            "DATABASE_URL": site.database,
            "LASTRO_CHAIN": NETWORK.name,
            "LASTRO_RPC_URLS": ",".join(urls),
            "LASTRO_RPC_WS_URL": site.anvil.url.replace("http", "ws", 1),
            "LASTRO_DEPLOYMENTS_DIR": str(site.directory),
            "LASTRO_LOG_LEVEL": "ERROR",
            "PATH": os.environ["PATH"],
        },
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()
