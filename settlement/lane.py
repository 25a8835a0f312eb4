"""One lane: a chain, the one account that sends on it, and everything its steps need."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine

from indexer.chain.deployments import Deployment
from indexer.chain.networks import Network
from indexer.chain.rpc import ChainReader
from indexer.chain.types import Address, ChainId, Wei
from settlement.settings import SettlementSettings
from settlement.signer import Signer

_THOUSAND_GWEI = Wei(1000 * 10**9)


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's bounds."""

    linger: timedelta = timedelta(0)
    """How long a payment waits for company."""
    batch_items_max: int = 5_000
    in_flight_max: int = 16
    """Transactions sealed and not mined."""
    max_fee_per_gas_wei: Wei = _THOUSAND_GWEI
    resend_after: timedelta = timedelta(seconds=3)
    bump_after: timedelta = timedelta(seconds=30)
    bump_blocks: int = 5
    """Blocks that must have passed an accepted transaction by, besides, before it is replaced: a
    chain that stands still is no reason to pay more."""
    payment_life: timedelta = timedelta(days=30)

    @classmethod
    def of(cls, settings: SettlementSettings, *, payment_life: timedelta) -> "Policy":
        """Take the bounds from the settings.

        Args:
            settings: The process's settings.
            payment_life: Life of an on-chain payment, already within the protocol's maximum.
        """
        return cls(
            linger=settings.linger,
            batch_items_max=settings.batch_items_max,
            in_flight_max=settings.in_flight_max,
            max_fee_per_gas_wei=settings.max_fee_per_gas_wei,
            resend_after=timedelta(seconds=settings.resend_after_s),
            bump_after=timedelta(seconds=settings.bump_after_s),
            payment_life=payment_life,
        )


@dataclass(frozen=True, slots=True)
class Lane:
    """What one settlement loop works with; the steps open their own transactions on ``engine``."""

    engine: Engine
    reader: ChainReader
    signer: Signer
    network: Network
    deployment: Deployment
    policy: Policy

    @property
    def chain_id(self) -> ChainId:
        """The chain of this lane."""
        return self.network.chain_id

    @property
    def sender(self) -> Address:
        """The account of this lane."""
        return self.signer.address
