"""What the database says of a lane, as Prometheus collects it at each scrape."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import OperationalError

from indexer.chain.networks import Network
from indexer.chain.types import Address, Wei, to_checksum
from settlement.due import OPEN_STATES
from settlement.nonces import slots_of
from settlement.record_tables import wallets
from settlement.reporting.accounts import SignerStanding
from settlement.reporting.overview import Overview, read_overview
from settlement.reporting.standing import REASON_CLASSES, runway_hours
from settlement.switches import SCOPES
from settlement.tables import nonce_slots, requests
from settlement.types import Nonce

PREFIX: Final = "lastro_settlement_"

_Labelled = Iterable[tuple[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True)
class Account:
    """What a node said of the lane's account in the newest turn."""

    balance_wei: Wei
    chain_nonce: Nonce
    """Its transaction count in the newest block."""
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class _Counted:
    """What an overview leaves out."""

    requests: Mapping[str, int]
    gas_used: int
    gas_wasted: int
    wallets: Mapping[tuple[str, str], int]


class Figures:
    """Collects what the database knows of a lane, and what its process last saw of the account."""

    def __init__(
        self, engine: Engine, network: Network, signer: Address, gas_budget_wei: Wei | None
    ) -> None:
        """Prepare, as ``SettlementMetrics`` does."""
        self._engine = engine
        self._network = network
        self._signer = signer
        self._gas_budget_wei = gas_budget_wei
        self.account: Account | None = None

    def describe(self) -> list[Metric]:
        """Nothing: else registering would already ask the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the database; while it does not answer, only say so."""
        account = self.account
        try:
            with self._engine.connect() as connection:
                seen = read_overview(connection, self._network, whole=False)
                counted = _count(connection, self._network, self._signer)
        except OperationalError:
            yield self._gauge("database_up", "Whether Postgres answers", 0)
            return
        yield self._gauge("database_up", "Whether Postgres answers", 1)
        yield from self._of_payments(seen, counted)
        yield from self._of_stops(seen)
        yield from self._of_gas(counted)
        for standing in seen.signers:
            if standing.address == self._signer:
                yield from self._of_signer(standing, account)
        if account is not None:
            yield self._gauge(
                "turn_timestamp_seconds", "When a turn last ended", account.seen_at.timestamp()
            )

    def _of_payments(self, seen: Overview, counted: _Counted) -> Iterator[Metric]:
        oldest = {one.state: one.oldest_s for one in seen.requests}
        yield self._family(
            "requests",
            "Payments, by state",
            ("state",),
            (((state,), count) for state, count in counted.requests.items()),
        )
        yield self._family(
            "oldest_seconds",
            "How long ago the oldest payment in a state was asked to be settled",
            ("state",),
            (((state,), oldest.get(state, 0)) for state in OPEN_STATES),
        )
        yield self._family(
            "actions",
            "What treasuries and wallets were asked for, by kind and state",
            ("kind", "state"),
            ((tuple(name.split(".")), count) for name, count in seen.actions.items()),
        )
        yield self._family(
            "wallets",
            "Accounts of backers and creators at the key service",
            ("owner_kind", "state"),
            counted.wallets.items(),
        )
        yield self._gauge("runs_open", "Campaigns that have their turn", seen.runs.open)

    def _of_stops(self, seen: Overview) -> Iterator[Metric]:
        blocked = dict.fromkeys(REASON_CLASSES, 0)
        for one in seen.stopped:
            if one.what == "payments" and one.state == "blocked":
                blocked[one.reason_class] += one.count
        yield self._family(
            "blocked",
            "Blocked payments, by what blocks them",
            ("reason",),
            (((name,), count) for name, count in blocked.items()),
        )
        on = [switch.scope for switch in seen.switches]
        yield self._family(
            "switches_on",
            "Scopes that are stopped",
            ("scope",),
            (((scope,), on.count(scope)) for scope in SCOPES),
        )
        yield self._gauge(
            "quarantined_signers",
            "Signers that seal nothing until a person has looked",
            sum(one.mode == "quarantine" for one in seen.signers),
        )

    def _of_gas(self, counted: _Counted) -> Iterator[Metric]:
        yield self._counter("gas_used", "Gas of all mined transactions", counted.gas_used)
        yield self._counter(
            "gas_wasted", "Gas of transactions mined without effect", counted.gas_wasted
        )

    def _of_signer(self, standing: SignerStanding, account: Account | None) -> Iterator[Metric]:
        lowest, spent = standing.lowest, standing.gas_spent_24h_wei
        values: dict[str, tuple[str, float | None]] = {
            "in_flight": ("Transactions sealed and not mined", standing.in_flight),
            "lowest_nonce_age_seconds": (
                "How long the lowest unmined nonce has been sent",
                0 if lowest is None else lowest.age_s,
            ),
            "lowest_nonce_attempts": (
                "Transactions signed for the lowest unmined nonce",
                0 if lowest is None else lowest.attempts,
            ),
            "attempts_per_slot": (
                "Transactions signed per nonce in 24 hours",
                standing.attempts_per_slot,
            ),
            "gas_spent_24h_wei": ("Coins spent on gas in 24 hours, or on the way to be", spent),
            "gas_budget_wei": ("Coins that may be", self._gas_budget_wei),
        }
        if account is not None:
            values |= {
                "balance_wei": ("Coins of the signer", account.balance_wei),
                "runway_hours": (
                    "Hours until the signer has no coins at today's pace",
                    runway_hours(account.balance_wei, spent),
                ),
                "nonce_drift": (
                    "Nonces of the signer that the chain has seen and we have not used",
                    account.chain_nonce - standing.next_nonce,
                ),
            }
        for name, (meaning, value) in values.items():
            if value is not None:
                yield self._signers_gauge(name, meaning, value)

    def _gauge(self, name: str, meaning: str, value: float) -> Metric:
        return self._family(name, meaning, (), (((), value),))

    def _signers_gauge(self, name: str, meaning: str, value: float) -> Metric:
        return self._family(name, meaning, ("signer",), (((to_checksum(self._signer),), value),))

    def _family(
        self, name: str, meaning: str, labels: tuple[str, ...], values: _Labelled
    ) -> Metric:
        family = GaugeMetricFamily(f"{PREFIX}{name}", f"{meaning}.", labels=("network", *labels))
        for own, value in values:
            family.add_metric((self._network.name, *own), float(value))
        return family

    def _counter(self, name: str, meaning: str, value: float) -> Metric:
        family = CounterMetricFamily(f"{PREFIX}{name}", f"{meaning}.", labels=("network", "signer"))
        family.add_metric((self._network.name, to_checksum(self._signer)), float(value))
        return family


def _count(connection: Connection, network: Network, signer: Address) -> _Counted:
    chain_id = network.chain_id
    by_state = connection.execute(
        select(requests.c.state, func.count().label("rows"))
        .where(requests.c.chain_id == chain_id)
        .group_by(requests.c.state)
    )
    wasted = func.sum(nonce_slots.c.gas_used).filter(nonce_slots.c.state == "mined_failed")
    used, lost = connection.execute(
        select(func.sum(nonce_slots.c.gas_used), wasted).where(slots_of(chain_id, signer))
    ).one()
    provisioned = wallets.c.address.is_not(None)
    kept = connection.execute(
        select(wallets.c.owner_kind, provisioned, func.count()).group_by(
            wallets.c.owner_kind, provisioned
        )
    )
    return _Counted(
        requests={row.state: row.rows for row in by_state},
        gas_used=int(used or 0),
        gas_wasted=int(lost or 0),
        wallets={
            (kind, "provisioned" if is_there else "requested"): count
            for kind, is_there, count in kept
        },
    )
