"""What Prometheus reads of one indexer: its own counters, and what the database says.

Marks, ledger, reorgs, findings and audits are read from the database at each scrape, so that they
survive a restart and a second process that waits tells the same. Requests, commits and memory are
this process's own. No label ever holds a URL with a key in it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import (
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import OperationalError

from indexer.chain.networks import Network
from indexer.chain.observer import Outcome
from indexer.chain.types import BlockStamp, ChainId
from indexer.chain.urls import public_url
from indexer.lag import finality_alarm_s, finality_trails_s
from indexer.notices import Notices
from indexer.providers import LIES
from indexer.status import Status, read_status
from indexer.tables import provider_findings, reorgs

CONTENT_TYPE = CONTENT_TYPE_LATEST
REQUEST_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LAG_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 1800)
BATCH_BUCKETS = (0, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
DEPTH_BUCKETS = (1, 2, 5, 10, 50, 100, 500, 2_000, 10_000)

_PREFIX = "lastro_indexer_"


class IndexerMetrics:
    """The metrics of one process; implements ``RpcObserver`` and hears of every commit.

    Every method may be called from any thread.
    """

    def __init__(self, engine: Engine, network: Network, notices: Notices | None = None) -> None:
        """Prepare; the database is asked at each scrape only.

        Args:
            engine: May read schema ``chain``.
            network: The chain of this process; a label of every metric.
            notices: What the process knows of itself.
        """
        self._network = network.name
        self._registry = CollectorRegistry()
        self._requests = self._counter("rpc_requests", "Requests sent", "provider", "method")
        self._errors = self._counter(
            "rpc_errors", "Requests that failed", "provider", "method", "kind"
        )
        self._seconds = self._histogram(
            "rpc_seconds", "Duration of a request", REQUEST_BUCKETS_S, "provider", "method"
        )
        self._failed_checks = self._counter(
            "checks_failed", "Answers that failed a check", "provider", "kind"
        )
        self._rows = self._counter("rows_written", "Fact rows committed")
        self._batch = self._histogram("commit_rows", "Fact rows of one commit", BATCH_BUCKETS)
        self._lag = self._histogram(
            "commit_lag_seconds", "From a block's time to its commit at the head", LAG_BUCKETS_S
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(_Stored(engine, network, notices or Notices()))

    def expect(self, providers: Iterable[str]) -> None:
        """Show that these providers were not caught: a rise from nothing is seen by no query.

        Args:
            providers: Those that will be asked.
        """
        for provider in providers:
            for kind in LIES:
                self._failed_checks.labels(self._network, provider_label(provider), kind)

    def request(self, provider: str, method: str, seconds: float, outcome: Outcome) -> None:
        """Count one request, as ``RpcObserver`` says."""
        name = provider_label(provider)
        self._requests.labels(self._network, name, method).inc()
        self._seconds.labels(self._network, name, method).observe(seconds)
        if outcome != "ok":
            self._errors.labels(self._network, name, method, outcome).inc()

    def charged(self, provider: str, kind: str) -> None:
        """Count one failed check, as ``RpcObserver`` says."""
        self._failed_checks.labels(self._network, provider_label(provider), kind).inc()

    def committed(
        self, newest: BlockStamp, *, rows: int, at_head: bool, now: datetime | None = None
    ) -> None:
        """Count one commit of blocks that follow the head.

        Args:
            newest: The highest block that was committed.
            rows: Fact rows that were written.
            at_head: Whether that block is the head: behind it, its age says nothing of us.
            now: Aware UTC; the time of the commit, which is now unless told.
        """
        self.history_committed(rows=rows)
        if at_head:
            lag = (now or datetime.now(UTC)) - newest.timestamp
            self._lag.labels(self._network).observe(max(lag.total_seconds(), 0.0))

    def history_committed(self, *, rows: int) -> None:
        """Count one commit of history, by its fact rows."""
        self._rows.labels(self._network).inc(rows)
        self._batch.labels(self._network).observe(rows)

    def render(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(
            f"{_PREFIX}{name}", f"{meaning}.", ("network", *labels), registry=self._registry
        )

    def _histogram(
        self, name: str, meaning: str, buckets: Iterable[float], *labels: str
    ) -> Histogram:
        return Histogram(
            f"{_PREFIX}{name}",
            f"{meaning}.",
            ("network", *labels),
            registry=self._registry,
            buckets=tuple(buckets),
        )


def provider_label(provider: str) -> str:
    """A provider's name as a label: of a URL its scheme, host and port alone."""
    return public_url(provider) if "://" in provider else provider.rpartition("@")[2]


class _Stored:
    """Collects what the database knows, and what the process notices, at each scrape anew."""

    def __init__(self, engine: Engine, network: Network, notices: Notices) -> None:
        self._engine = engine
        self._network = network
        self._notices = notices

    def describe(self) -> list[Metric]:
        """Nothing: else registering would already ask the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the database; while it does not answer, only say so."""
        is_unconfirmed = self._notices.finality_unconfirmed is not None
        meaning = "Whether too few providers agree on the next final block"
        yield self._gauge("finality_unconfirmed", meaning, is_unconfirmed)
        try:
            with self._engine.connect() as connection:
                status = read_status(connection, self._network)
                counted = [] if status is None else _counted(connection, status)
        except OperationalError:
            yield self._gauge("database_up", "Whether Postgres answers", 0)
            return
        yield self._gauge("database_up", "Whether Postgres answers", 1)
        if status is not None:
            yield from self._of_status(status)
            yield from counted

    def _of_status(self, status: Status) -> Iterator[Metric]:
        values: dict[str, tuple[str, float | None]] = {
            "head_block": ("Newest block a node reported", status.head),
            "safe_block": ("The node's safe mark", status.safe),
            "fetched_block": ("The writer's cursor", _number(status.fetched)),
            "indexed_block": ("What readers may rely on", _number(status.indexed)),
            "finalized_block": ("What can no longer change", _number(status.finalized)),
            "proven_block": ("Proven from the first block to here", status.ledger.proven_up_to),
            "head_seen_timestamp_seconds": (
                "When the head was last seen",
                status.updated_at.timestamp(),
            ),
            "indexed_timestamp_seconds": ("Time of the indexed block", _time(status.indexed)),
            "finalized_timestamp_seconds": ("Time of the finalized block", _time(status.finalized)),
            "lag_blocks": ("Blocks behind the head", status.lag_blocks),
            "lag_seconds": ("Age of the indexed block while newer ones wait", status.lag_s),
            "holes": ("Ranges never read", len(status.ledger.holes)),
            "holes_below_indexed": (
                "Ranges never read in what readers rely on",
                len(status.holes_below_indexed),
            ),
            "finality_trails_seconds": (
                "Chain time from the finalized to the indexed block",
                finality_trails_s(status),
            ),
            "finality_alarm_seconds": (
                "From which on that is too much on this network",
                finality_alarm_s(self._network),
            ),
            "degraded": ("Whether the writer has halted", status.degraded_reason is not None),
        }
        for name, (meaning, value) in values.items():
            if value is not None:
                yield self._gauge(name, meaning, value)
        yield from self._labelled(status)

    def _labelled(self, status: Status) -> Iterator[Metric]:
        ledger = GaugeMetricFamily(
            f"{_PREFIX}ledger_blocks", "Blocks read, by state.", labels=("network", "state")
        )
        for state, blocks in status.ledger.blocks.items():
            ledger.add_metric((self._network.name, state), blocks)
        yield ledger
        scores = GaugeMetricFamily(
            f"{_PREFIX}provider_truth_score",
            "1 is a provider that was never caught.",
            labels=("network", "provider"),
        )
        worst: dict[str, float] = {}
        for one in status.providers:  # two keys of one provider are one label
            name = provider_label(one.provider)
            worst[name] = min(worst.get(name, one.score), one.score)
        for name, score in worst.items():
            scores.add_metric((self._network.name, name), score)
        yield scores
        if status.audit is not None:
            yield self._gauge(
                "audit_different", "Totals the last audit found wrong", status.audit.different
            )
            yield self._gauge(
                "audit_timestamp_seconds", "When it ran", status.audit.ran_at.timestamp()
            )

    def _gauge(self, name: str, meaning: str, value: float) -> Metric:
        family = GaugeMetricFamily(f"{_PREFIX}{name}", f"{meaning}.", labels=("network",))
        family.add_metric((self._network.name,), float(value))
        return family


def _counted(connection: Connection, status: Status) -> list[Metric]:
    """What is counted by row rather than read from the status."""
    return [
        _findings(connection, status.chain_id, status.network),
        _reorg_depths(connection, status.chain_id, status.network),
    ]


def _findings(connection: Connection, chain_id: ChainId, network: str) -> Metric:
    rows = connection.execute(
        select(provider_findings.c.provider, provider_findings.c.kind, func.count())
        .where(provider_findings.c.chain_id == chain_id)
        .group_by(provider_findings.c.provider, provider_findings.c.kind)
    )
    family = GaugeMetricFamily(  # no counter: a doubt that is decided is dropped
        f"{_PREFIX}findings",
        "Lies, faults and doubts held against a provider.",
        labels=("network", "provider", "kind"),
    )
    counted: defaultdict[tuple[str, str], int] = defaultdict(int)
    for provider, kind, count in rows:
        counted[provider_label(provider), kind] += count
    for (provider, kind), count in counted.items():
        family.add_metric((network, provider, kind), count)
    return family


def _reorg_depths(connection: Connection, chain_id: ChainId, network: str) -> Metric:
    """A histogram: its count is the number of reorgs."""
    depth = reorgs.c.orphaned_tip_number - reorgs.c.ancestor_number
    counts = [func.count().filter(depth <= bucket) for bucket in DEPTH_BUCKETS]
    row = connection.execute(
        select(func.count(), func.coalesce(func.sum(depth), 0), *counts).where(
            reorgs.c.chain_id == chain_id
        )
    ).one()
    family = HistogramMetricFamily(
        f"{_PREFIX}reorg_depth_blocks", "Blocks undone by a reorg.", labels=("network",)
    )
    buckets = [
        (str(float(bucket)), float(n)) for bucket, n in zip(DEPTH_BUCKETS, row[2:], strict=True)
    ]
    family.add_metric((network,), [*buckets, ("+Inf", float(row[0]))], sum_value=float(row[1]))
    return family


def _number(stamp: BlockStamp | None) -> int | None:
    return None if stamp is None else stamp.number


def _time(stamp: BlockStamp | None) -> float | None:
    return None if stamp is None else stamp.timestamp.timestamp()
