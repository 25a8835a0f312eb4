"""One lane: a chain, the one account that sends on it, and everything its steps need."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine

from indexer.chain.deployments import Deployment
from indexer.chain.networks import Network
from indexer.chain.rpc import ChainReader
from indexer.chain.types import Address, ChainId, Wei, to_checksum
from indexer.errors import ConfigurationError
from settlement.batching import BATCH_PAYMENTS_MAX, RUN_BATCHES_MAX
from settlement.fees import WorthBound
from settlement.head import Prices
from settlement.routes import DIRECT, CallRoute
from settlement.settings import SettlementSettings
from settlement.signer import Signer
from settlement.signers.book import SignerBook

_THOUSAND_GWEI = Wei(1000 * 10**9)


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's bounds."""

    linger: timedelta = timedelta(0)
    """How long a payment waits for company."""
    batch_items_max: int = 5_000
    """Payments of one transaction."""
    batch_payments_max: int = BATCH_PAYMENTS_MAX
    """Payments of a campaign that are planned at once and cut into transactions."""
    run_batches_max: int = RUN_BATCHES_MAX
    """Such batches in one run of a campaign."""
    in_flight_max: int = 16
    """Transactions sealed and not mined."""
    max_fee_per_gas_wei: Wei = _THOUSAND_GWEI
    resend_after: timedelta = timedelta(seconds=3)
    bump_after: timedelta = timedelta(seconds=30)
    bump_blocks: int = 5
    """Blocks that must have passed an accepted transaction by, besides, before it is replaced: a
    chain that stands still is no reason to pay more."""
    payment_life: timedelta = timedelta(days=30)
    gas_budget_wei: Wei | None = None
    """Coins that may be spent on gas in 24 hours; None for any."""
    worth: WorthBound | None = None
    """What settling may cost by what it settles; None for any."""

    @property
    def run_payments_max(self) -> int:
        """Payments of one run of a campaign."""
        return self.run_batches_max * self.batch_payments_max

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
            gas_budget_wei=settings.gas_budget_wei,
            worth=settings.worth,
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
    route: CallRoute = DIRECT
    """How treasuries are called."""
    book: SignerBook | None = None
    """Who signs for whom, where people's wallets are kept; None where none are."""
    is_platform: bool = True
    """Whether the account is the platform's: of all others only actions of their own are sent."""

    def close(self) -> None:
        """Close every connection it holds."""
        if self.book is not None:
            self.book.close()
        self.reader.close()
        self.engine.dispose()

    def decimals_of(self, token: Address) -> int:
        """Decimals of a token of the deployment.

        Raises:
            ConfigurationError: The deployment does not know it.
        """
        for known in self.deployment.tokens:
            if known.address == token:
                return known.decimals
        raise ConfigurationError(
            f"{to_checksum(token)} is no token of {self.network.name}'s deployment record"
        )

    def prices(self) -> Prices:
        """What gas costs: asked anew by each turn that wants to know."""
        return Prices(
            self.reader, Wei(self.network.min_priority_fee_wei), self.policy.max_fee_per_gas_wei
        )

    @property
    def chain_id(self) -> ChainId:
        """The chain of this lane."""
        return self.network.chain_id

    @property
    def sender(self) -> Address:
        """The account of this lane."""
        return self.signer.address
