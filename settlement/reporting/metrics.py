"""What Prometheus reads of one settlement process.

Payments, stops, nonces and gas are read from the database at each scrape, so that they survive a
restart and a second process that waits tells the same. How long the stages take, what the account
holds and when the last turn ended are this process's own.
"""

from contextlib import suppress
from datetime import UTC, datetime
from threading import Lock
from typing import Final

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from indexer.chain.networks import Network
from indexer.chain.types import Address, Wei
from settlement.reporting.figures import PREFIX, Account, Figures
from settlement.reporting.stages import STAGES, Stage, StageWatch
from settlement.types import Nonce

CONTENT_TYPE = CONTENT_TYPE_LATEST
STAGE_BUCKETS_S: Final = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)


class SettlementMetrics:
    """The metrics of one lane. Every method may be called from any thread."""

    def __init__(
        self,
        engine: Engine,
        network: Network,
        signer: Address,
        *,
        gas_budget_wei: Wei | None = None,
    ) -> None:
        """Prepare; the database is asked at each scrape only.

        Args:
            engine: May read schemas ``settlement`` and ``chain``.
            network: The lane's chain; a label of every metric.
            signer: The lane's account.
            gas_budget_wei: Coins that it may spend on gas in 24 hours; None for any.
        """
        self._engine = engine
        self._network = network.name
        self._lock = Lock()
        self._watch = StageWatch(network.chain_id, signer)
        self._registry = CollectorRegistry()
        self._stages = Histogram(
            f"{PREFIX}stage_seconds",
            "From one stage of a payment, or of its transaction, to the next.",
            ("network", "stage"),
            registry=self._registry,
            buckets=STAGE_BUCKETS_S,
        )
        for stage in STAGES:
            self._stages.labels(network.name, stage)
        self._figures = Figures(engine, network, signer, gas_budget_wei)
        ProcessCollector(registry=self._registry)
        self._registry.register(self._figures)

    def observe_account(
        self, balance_wei: Wei, chain_nonce: Nonce, *, now: datetime | None = None
    ) -> None:
        """Note that a turn has ended, and what a node said of the account in it.

        Args:
            balance_wei: Coins it holds.
            chain_nonce: Its transaction count in the newest block.
            now: Aware UTC; the present unless told.
        """
        self._figures.account = Account(balance_wei, chain_nonce, now or datetime.now(UTC))

    @property
    def last_turn_at(self) -> datetime | None:
        """When a turn last ended; None when none did."""
        account = self._figures.account
        return None if account is None else account.seen_at

    def render(self) -> bytes:
        """All of it, in Prometheus' text format."""
        with self._lock:
            # While Postgres is away, the figures say so.
            with suppress(OperationalError), self._engine.connect() as connection:
                self._watch.look(connection, self._passed)
            return generate_latest(self._registry)

    def _passed(self, stage: Stage, seconds: float) -> None:
        self._stages.labels(self._network, stage).observe(seconds)
