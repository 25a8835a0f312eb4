"""anvil as a local chain: found on PATH or in the contracts' node_modules, started with safe order.

``--order fifo`` always: anvil's default order silently drops transactions of one sender that mix
fee levels. Blocks are mined at once until ``start_interval_mining``, so that deploying is quick.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from indexer.chain.networks import Network
from indexer.errors import ConfigurationError
from stack.ports import LOOPBACK

CHECKOUT = Path(__file__).resolve().parents[1]
_PLATFORM_PACKAGES = CHECKOUT / "contracts" / "node_modules" / "@foundry-rs"
FINALITY_EPOCH_SLOTS = 1
"""anvil calls a block safe after one epoch and finalized after two: here one and two blocks."""
RPC_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Anvil:
    """One local chain."""

    network: Network
    port: int
    state_file: Path | None = None
    """Where the chain is kept between runs; None forgets it."""
    epoch_slots: int = FINALITY_EPOCH_SLOTS
    """Blocks of an epoch: what is deeper than two of them is final."""

    @property
    def url(self) -> str:
        """Its JSON-RPC URL."""
        return f"http://{LOOPBACK}:{self.port}"

    def command(self) -> list[str]:
        """The command that runs it in the foreground."""
        persistence = []
        if self.state_file is not None:
            # Without a fixed time anvil makes another genesis block at every start.
            genesis_time = _genesis_time(self.state_file.with_suffix(".genesis"))
            persistence = ["--state", str(self.state_file), "--state-interval", "5"]
            persistence += ["--timestamp", genesis_time]
        return [
            anvil_program(),
            "--host",
            LOOPBACK,
            "--port",
            str(self.port),
            "--chain-id",
            str(self.network.chain_id),
            "--order",
            "fifo",
            "--slots-in-an-epoch",
            str(self.epoch_slots),
            "--quiet",
            *persistence,
        ]

    def answers(self) -> bool:
        """Whether it answers with its chain id."""
        try:
            return int(self.call("eth_chainId"), 16) == self.network.chain_id
        except httpx.HTTPError:
            return False

    def call(self, method: str, *parameters: object) -> Any:  # noqa: ANN401 - JSON-RPC results vary
        """Call a JSON-RPC method and return its result.

        Raises:
            ConfigurationError: The node answers with an error.
            httpx.HTTPError: The node does not answer.
        """
        answer = httpx.post(
            self.url,
            json={"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)},
            timeout=RPC_TIMEOUT_S,
        ).json()
        if "error" in answer:
            raise ConfigurationError(f"{method} failed: {answer['error']['message']}")
        return answer["result"]

    def set_clock(self) -> None:
        """Bring the chain's clock to ours: a loaded chain goes on where it was stopped."""
        self.call("evm_setTime", int(time.time()))

    def start_interval_mining(self) -> None:
        """Mine one block every ``block_time_s`` from now on, full or empty."""
        self.call("evm_setAutomine", False)
        self.call("evm_setIntervalMining", self.network.block_time_s)


def _genesis_time(path: Path) -> str:
    """Unix seconds of a kept chain's first start."""
    if not path.exists():
        path.write_text(str(int(time.time())))
    return path.read_text()


def anvil_program() -> str:
    """Find anvil: the user's own first, else the one from npm.

    Raises:
        ConfigurationError: There is none.
    """
    own = shutil.which("anvil")
    if own is not None:
        return own
    for program in sorted(_PLATFORM_PACKAGES.glob("anvil-*/bin/anvil")):
        return str(program)
    raise ConfigurationError("anvil is not installed: run 'make setup'")
