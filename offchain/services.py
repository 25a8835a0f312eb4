"""What the off-chain processes are made of, opened once from their settings."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from indexer.chain.deployments import Deployment, Token, load_deployment
from indexer.chain.networks import Network
from indexer.chain.types import ChainId
from indexer.db.base import ROLES
from indexer.db.session import open_engine
from indexer.errors import ConfigurationError
from offchain.gateways.opening import open_gateways
from offchain.gateways.types import Gateway
from offchain.media.opening import Media
from offchain.settings import GatewaySettings, LateMoney

Clock = Callable[[], datetime]
"""Business time; aware, UTC."""


def system_clock() -> datetime:
    """The present."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Chains:
    """The chains on which campaigns may settle, with what stands for each currency there."""

    deployments: Mapping[ChainId, Deployment]
    keeps_wallets: bool = False
    """Whether settlement makes a wallet for a creator who brings none."""

    def token(self, chain_id: ChainId, currency: str) -> Token | None:
        """The token of a currency on a chain; None when the chain or the token is not served."""
        deployment = self.deployments.get(chain_id)
        try:
            return None if deployment is None else deployment.token_for(currency)
        except ConfigurationError:
            return None


@dataclass(frozen=True, slots=True)
class Services:
    """Everything an endpoint or a job may reach."""

    engine: Engine
    gateways: Mapping[str, Gateway]
    """The enabled ones, by name."""
    chains: Chains
    clock: Clock = system_clock
    late_money: LateMoney = "review"
    media: Media | None = None
    """None: no bucket is set, and no files are taken."""

    def close(self) -> None:
        """Close every connection."""
        for gateway in self.gateways.values():
            gateway.close()
        if self.media is not None:
            self.media.close()
        self.engine.dispose()


def load_chains(
    networks: Iterable[Network], deployments_dir: Path, *, keeps_wallets: bool
) -> Chains:
    """Read the deployment record of every served network.

    Raises:
        ConfigurationError: A record is missing or wrong.
    """
    return Chains(
        {network.chain_id: load_deployment(deployments_dir, network) for network in networks},
        keeps_wallets=keeps_wallets,
    )


def open_services(
    settings: GatewaySettings,
    *,
    webhook_secrets: Mapping[str, Sequence[str]] | None = None,
    late_money: LateMoney = "review",
    media: Media | None = None,
    pool_size: int = 5,
) -> Services:
    """Open the engine, the gateways and the deployment records of a process.

    Args:
        settings: The process' settings.
        webhook_secrets: Every active secret by gateway; None where no webhooks are taken.
        late_money: What becomes of money that came too late.
        media: The bucket of creators' files; None where none is set.
        pool_size: Postgres connections kept.

    Raises:
        ConfigurationError: A setting or a deployment record is wrong.
    """
    return Services(
        engine=open_engine(settings.database_url_text, role=ROLES["offchain"], pool_size=pool_size),
        gateways=open_gateways(settings, webhook_secrets=webhook_secrets or {}),
        chains=load_chains(
            settings.networks, settings.deployments_dir, keeps_wallets=settings.keeps_wallets
        ),
        late_money=late_money,
        media=media,
    )
