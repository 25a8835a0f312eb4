"""The networks Lastro knows. An unknown chain id is refused, never guessed at.

Sources: Celo docs "Celo L2 finality" and "Deployments"; Polygon docs "Finality" and PIP-35; the
local two are anvil instances with short finality, started by ``stack``.
"""

from dataclasses import dataclass

from indexer.chain.types import ChainId
from indexer.errors import ConfigurationError

GWEI = 10**9
PUBLIC_RPC_CALLS_PER_S = 25.0
"""What the free plans of public providers grant at least, by their own price lists."""


@dataclass(frozen=True, slots=True)
class Finality:
    """When a block can no longer change: the ``finalized`` tag passed it *and* it is this deep.

    ``depth_blocks`` guards against a tag that moved too early, as Polygon's did in 2025.
    """

    depth_blocks: int


@dataclass(frozen=True, slots=True)
class Network:
    """What differs between chains."""

    name: str
    chain_id: ChainId
    block_time_s: int
    finality: Finality
    logs_range_blocks_max: int
    """Widest ``eth_getLogs`` range that common providers accept."""
    min_priority_fee_wei: int
    """Tip below which the network's nodes refuse a transaction."""
    gas_per_transaction_max: int
    """Cap on one transaction's gas (EIP-7825, 2^24, where no other is known)."""
    explorer_tx_url: str | None
    """Format string with ``{tx_hash}``; None where no explorer exists."""
    is_local: bool = False

    @property
    def rpc_calls_per_s(self) -> float:
        """Calls a second that any provider grants; 0 where there is no limit."""
        return 0.0 if self.is_local else PUBLIC_RPC_CALLS_PER_S


_TRANSACTION_GAS_CAP = 2**24

NETWORKS: tuple[Network, ...] = (
    Network(
        name="celo",
        chain_id=ChainId(42220),
        block_time_s=1,
        finality=Finality(depth_blocks=1),
        logs_range_blocks_max=10_000,
        min_priority_fee_wei=GWEI // 1000,
        gas_per_transaction_max=_TRANSACTION_GAS_CAP,
        explorer_tx_url="https://celoscan.io/tx/{tx_hash}",
    ),
    Network(
        name="celo-sepolia",
        chain_id=ChainId(11142220),
        block_time_s=1,
        finality=Finality(depth_blocks=1),
        logs_range_blocks_max=10_000,
        min_priority_fee_wei=GWEI // 1000,
        gas_per_transaction_max=_TRANSACTION_GAS_CAP,
        explorer_tx_url="https://sepolia.celoscan.io/tx/{tx_hash}",
    ),
    Network(
        name="polygon",
        chain_id=ChainId(137),
        block_time_s=2,
        finality=Finality(depth_blocks=256),
        logs_range_blocks_max=2_000,
        min_priority_fee_wei=30 * GWEI,
        gas_per_transaction_max=_TRANSACTION_GAS_CAP,
        explorer_tx_url="https://polygonscan.com/tx/{tx_hash}",
    ),
    Network(
        name="polygon-amoy",
        chain_id=ChainId(80002),
        block_time_s=2,
        finality=Finality(depth_blocks=256),
        logs_range_blocks_max=2_000,
        min_priority_fee_wei=30 * GWEI,
        gas_per_transaction_max=_TRANSACTION_GAS_CAP,
        explorer_tx_url="https://amoy.polygonscan.com/tx/{tx_hash}",
    ),
    Network(
        name="celo-local",
        chain_id=ChainId(31337),
        block_time_s=1,
        finality=Finality(depth_blocks=1),
        logs_range_blocks_max=10_000,
        min_priority_fee_wei=GWEI // 1000,
        gas_per_transaction_max=_TRANSACTION_GAS_CAP,
        explorer_tx_url=None,
        is_local=True,
    ),
    Network(
        name="polygon-local",
        chain_id=ChainId(31338),
        block_time_s=2,
        finality=Finality(depth_blocks=1),
        logs_range_blocks_max=2_000,
        min_priority_fee_wei=30 * GWEI,
        gas_per_transaction_max=_TRANSACTION_GAS_CAP,
        explorer_tx_url=None,
        is_local=True,
    ),
)


def network_by_name(name: str) -> Network:
    """Look a network up by its name.

    Raises:
        ConfigurationError: No network has this name.
    """
    for network in NETWORKS:
        if network.name == name:
            return network
    known = ", ".join(network.name for network in NETWORKS)
    raise ConfigurationError(f"unknown network {name!r}: choose one of {known}")


def network_by_chain_id(chain_id: int) -> Network:
    """Look a network up by its chain id.

    Raises:
        ConfigurationError: No network has this chain id.
    """
    for network in NETWORKS:
        if network.chain_id == chain_id:
            return network
    known = ", ".join(f"{network.chain_id} ({network.name})" for network in NETWORKS)
    raise ConfigurationError(f"unknown chain id {chain_id}: Lastro knows {known}")
