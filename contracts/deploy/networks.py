"""The networks the protocol may be deployed to, and how Ape connects to one."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import ape
from ape.exceptions import ApeException
from chain import Chain
from faults import UnreachableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTRACTS = Path(__file__).resolve().parent.parent
RECORDS = CONTRACTS / "deployments"
ANVIL_LISTENS = "Listening on "


@dataclass(frozen=True, slots=True)
class Network:
    """A network; ``choice`` is Ape's name of it, if it has one.

    ``gas_price_gwei`` prices a dry run, which sees no network: what Celo's and Polygon's fee floors
    ask in quiet hours. A real deployment asks the network.
    """

    name: str
    chain_id: int
    gas_price_gwei: int
    choice: str | None = None
    mainnet: bool = False

    @property
    def local(self) -> bool:
        """A chain of the local stack, known by its URL alone."""
        return self.choice is None


NETWORKS = {
    network.name: network
    for network in (
        Network("celo-local", 31337, 25),
        Network("polygon-local", 31338, 30),
        Network("celo", 42220, 25, "celo:mainnet:node", mainnet=True),
        Network("celo-sepolia", 11142220, 25, "celo:sepolia:node"),
        Network("polygon", 137, 30, "polygon:mainnet:node", mainnet=True),
        Network("polygon-amoy", 80002, 30, "polygon:amoy:node"),
    )
}


@contextmanager
def connect(network: Network, rpc_url: str | None) -> Iterator[Chain]:
    """Connect to a network, and make sure that it is the one.

    Raises:
        UnreachableError: Nobody answers, or another chain does.
    """
    try:
        context = ape.networks.parse_network_choice(rpc_url or network.choice)
        provider = context.__enter__()
    except ApeException as error:
        raise UnreachableError(str(error)) from None
    try:
        chain = Chain(provider)
        if chain.chain_id != network.chain_id:
            raise UnreachableError(f"the RPC serves chain {chain.chain_id}, not {network.chain_id}")
        yield chain
    finally:
        context.__exit__(None, None, None)


@contextmanager
def throwaway_chain(network: Network) -> Iterator[Chain]:
    """Run an empty local chain with a network's chain id; it forks nothing and keeps nothing.

    Raises:
        UnreachableError: It did not start.
    """
    command = [find_anvil(), "--port", "0", "--chain-id", str(network.chain_id), "--order", "fifo"]
    with tempfile.TemporaryDirectory(prefix="lastro-anvil-") as home:
        process = subprocess.Popen(  # noqa: S603 -- our own anvil, by its path
            command, stdout=subprocess.PIPE, text=True, env={"HOME": home}
        )
        try:
            lines = iter(process.stdout or ())
            listening = next((line for line in lines if line.startswith(ANVIL_LISTENS)), None)
            if listening is None:
                raise UnreachableError("the throwaway chain did not start: does anvil run here?")
            # It logs every request, and would wait for ever once nobody reads that.
            Thread(target=deque, args=(lines, 0), daemon=True).start()
            with connect(network, "http://" + listening.removeprefix(ANVIL_LISTENS).strip()) as it:
                yield it
        finally:
            process.terminate()
            process.wait()


def find_anvil() -> str:
    """Find anvil: on the PATH, or as the npm packages brought it.

    Raises:
        UsageError: It is nowhere.
    """
    packages = (CONTRACTS / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil")
    found = shutil.which("anvil") or next(map(str, packages), None)
    if found is None:
        raise UsageError("anvil is not installed, and a dry run needs it: run 'make setup'")
    return found
