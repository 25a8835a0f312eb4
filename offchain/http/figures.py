"""What the database says of the off-chain half, as Prometheus collects it at each scrape.

Nothing is counted in a process: figures survive every restart, and each process tells the same.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import ColumnElement, Connection, Interval, case, func, literal, select
from sqlalchemy.exc import OperationalError
from typing_extensions import override

from offchain.claim_tables import recon_cursors, refunds
from offchain.jobs.sweeps.handing_over import is_waiting
from offchain.jobs.sweeps.registry import SWEEPS
from offchain.media.rows import State
from offchain.media.tables import files
from offchain.media.verdicts import BY_OPERATOR, GRACE
from offchain.payments.feedback import ON_THE_WAY
from offchain.payments.lattice import FIAT_RANK, may_expire
from offchain.reconciliation.tables import corrections, listed_payments
from offchain.reconciliation.walking import STREAM
from offchain.services import Services
from offchain.tables import inbox, job_runs, payment_attempts, webhook_refusals

PREFIX: Final = "lastro_offchain_"
HELD: Final = ("late_paid", "mismatch")
REMOVAL_TRIES_MANY: Final = 4
OPEN: Final = tuple(status for status in FIAT_RANK if may_expire(status))

_Labelled = Iterable[tuple[tuple[str, ...], float]]
_attempts = payment_attempts.c


class Figures(Collector):
    """Collects what the database knows. Every method may be called from any thread."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> list[Metric]:
        """Nothing: else registering would already ask the database."""
        return []

    @override
    def collect(self) -> Iterator[Metric]:
        """Read the database; while it does not answer, only say so."""
        try:
            with self._services.engine.connect() as connection:
                metrics = list(self._read(connection))
        except OperationalError:
            yield _gauge("database_up", "Whether Postgres answers", (), [((), 0)])
            return
        yield _gauge("database_up", "Whether Postgres answers", (), [((), 1)])
        yield from metrics

    def _read(self, connection: Connection) -> Iterator[Metric]:
        yield from _of_inbox(connection)
        yield from _of_reconciliation(connection, self._services.gateways)
        yield from _of_disabled(connection, self._services.gateways)
        yield from _of_money(connection)
        yield from _of_media(connection, self._services.clock())
        yield from _of_sweeps(connection)


def count_unread(connection: Connection, enabled: Iterable[str]) -> dict[str, int]:
    """Count the open payments of each gateway that is not enabled: nobody reads them."""
    query = (
        select(_attempts.gateway, func.count())
        .where(_attempts.fiat_status.in_(OPEN), _attempts.gateway.not_in(tuple(enabled)))
        .group_by(_attempts.gateway)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _of_inbox(connection: Connection) -> Iterator[Metric]:
    open_states = inbox.c.state.in_(("new", "unmatched"))
    counted = {"new": 0.0, "unmatched": 0.0, "dead": 0.0}
    oldest = {"new": 0.0, "unmatched": 0.0}
    age_s = func.extract("epoch", func.now() - func.min(inbox.c.received_at))
    query = select(inbox.c.state, func.count(), age_s).where(open_states)
    for state, count, seconds in connection.execute(query.group_by(inbox.c.state)):
        counted[state], oldest[state] = count, float(seconds)
    dead = select(func.count()).select_from(inbox).where(inbox.c.state == "dead")
    counted["dead"] = connection.execute(dead).scalar_one()
    yield _gauge(
        "inbox_events",
        "Webhooks that are not worked off, by state",
        ("state",),
        (((state,), count) for state, count in counted.items()),
    )
    yield _gauge(
        "inbox_oldest_seconds",
        "How long ago the oldest such webhook came",
        ("state",),
        (((state,), seconds) for state, seconds in oldest.items()),
    )
    refused = select(
        webhook_refusals.c.gateway, webhook_refusals.c.reason, webhook_refusals.c["count"]
    )
    yield _counter(
        "webhooks_refused",
        "Webhooks that were refused, by why",
        ("gateway", "reason"),
        (((row[0], row[1]), row[2]) for row in connection.execute(refused)),
    )


def _of_reconciliation(connection: Connection, gateways: Iterable[str]) -> Iterator[Metric]:
    listed = listed_payments.c
    by_effect = (
        select(listed.gateway, listed.effect, func.count())
        .where(listed.state == "unmatched")
        .group_by(listed.gateway, listed.effect)
    )
    unmatched = Counter({(name, "captured"): 0 for name in gateways})
    for gateway, effect, count in connection.execute(by_effect):
        unmatched[gateway, effect or "unknown"] += count
    yield _gauge(
        "unmatched_payments",
        "Payments that a gateway lists and no attempt of ours has, by what became of their money",
        ("gateway", "effect"),
        unmatched.items(),
    )
    found = select(corrections.c.gateway, corrections.c.found_by, corrections.c["count"])
    yield _counter(
        "corrections",
        "Payments that had moved without a webhook telling, by what found it",
        ("gateway", "found_by"),
        (((row[0], row[1]), row[2]) for row in connection.execute(found)),
    )
    walked = dict.fromkeys(gateways, 0.0)
    cursors = select(recon_cursors.c.gateway, recon_cursors.c.high_water).where(
        recon_cursors.c.stream == STREAM, recon_cursors.c.high_water.is_not(None)
    )
    for name, moment in connection.execute(cursors):
        walked[name] = moment.timestamp()
    yield _gauge(
        "list_walked_timestamp_seconds",
        "Until when a gateway's list of changed payments was walked",
        ("gateway",),
        (((name,), moment) for name, moment in walked.items()),
    )


def _of_disabled(connection: Connection, enabled: Iterable[str]) -> Iterator[Metric]:
    unread = count_unread(connection, enabled)
    yield _gauge(
        "open_payments_of_disabled_gateways",
        "Payments that wait for money at a gateway that is not enabled: nobody reads them",
        ("gateway",),
        (((name,), count) for name, count in unread.items()),
    )


def _of_money(connection: Connection) -> Iterator[Metric]:
    on_the_way = _attempts.chain_status.in_(ON_THE_WAY) & (_attempts.claim_status == "none")
    oldest = max(_oldest_s(connection, where) for where in (on_the_way, is_waiting()))
    yield _gauge(
        "captured_oldest_seconds",
        "How long ago the oldest payment was captured that is to be final on-chain and is not",
        (),
        [((), oldest)],
    )
    held = dict.fromkeys(HELD, 0.0)
    counted = (
        select(_attempts.fiat_status, func.count())
        .where(_attempts.fiat_status.in_(HELD), _attempts.claim_status == "none")
        .group_by(_attempts.fiat_status)
    )
    held |= {row[0]: row[1] for row in connection.execute(counted)}
    yield _gauge(
        "held_payments",
        "Payments whose money waits for an operator's decision",
        ("fiat_status",),
        (((status,), count) for status, count in held.items()),
    )
    waited_s = func.extract("epoch", func.now() - func.min(refunds.c.created_at))
    due = select(func.count(), func.coalesce(waited_s, 0)).where(refunds.c.state == "requested")
    count, seconds = connection.execute(due).one()
    yield _gauge("refunds_due", "Refunds that a gateway has yet to hear of", (), [((), count)])
    yield _gauge(
        "refunds_due_oldest_seconds",
        "How long ago the oldest such refund was asked for",
        (),
        [((), float(seconds))],
    )


def _oldest_s(connection: Connection, where: ColumnElement[bool]) -> float:
    age_s = func.extract("epoch", func.now() - func.min(_attempts.captured_at))
    return float(connection.execute(select(func.coalesce(age_s, 0)).where(where)).scalar_one())


def _of_media(connection: Connection, now: datetime) -> Iterator[Metric]:
    counted = dict.fromkeys(get_args(State), 0.0)
    by_state = select(files.c.state, func.count()).group_by(files.c.state)
    counted |= {row[0]: row[1] for row in connection.execute(by_state)}
    yield _gauge(
        "media_files",
        "Creators' files, by state",
        ("state",),
        (((state,), count) for state, count in counted.items()),
    )
    # One that never came waits from when it cannot come any more.
    since = func.coalesce(files.c.uploaded_at, files.c.url_expires_at + literal(GRACE, Interval()))
    oldest = select(func.min(since)).where(files.c.decided_at.is_(None))
    moment = connection.execute(oldest).scalar_one()
    yield _gauge(
        "media_undecided_oldest_seconds",
        "How long ago the oldest file came, or should have come, that is not decided",
        (),
        [((), 0 if moment is None else max((now - moment).total_seconds(), 0))],
    )
    # One that had failed and was taken down since has failed: what is counted never gets fewer.
    end = case((files.c.state == "removed", "failed"), else_=files.c.state).label("end")
    unfit = files.c.state.in_(("refused", "failed", "removed")) & (files.c.reason != BY_OPERATOR)
    by_reason = select(end, files.c.reason, func.count()).where(unfit)
    grouped = by_reason.group_by(end, files.c.reason)
    yield _counter(
        "media_unfit_files",
        "Files that were refused or failed, by why",
        ("state", "reason"),
        (((row[0], row[1]), row[2]) for row in connection.execute(grouped)),
    )
    stuck = (files.c.removal == "due") & (files.c.tries >= REMOVAL_TRIES_MANY)
    count = connection.execute(select(func.count()).select_from(files).where(stuck)).scalar_one()
    yield _gauge(
        "media_removals_stuck",
        "Objects that must go and that the store has kept through several tries",
        (),
        [((), count)],
    )


def _of_sweeps(connection: Connection) -> Iterator[Metric]:
    ended = dict.fromkeys(SWEEPS, 0.0)
    well = job_runs.c.finished_at.is_not(None) & job_runs.c.error.is_(None)
    query = (
        select(job_runs.c.name, func.max(job_runs.c.finished_at))
        .where(well, job_runs.c.name.in_(SWEEPS))
        .group_by(job_runs.c.name)
    )
    for name, moment in connection.execute(query):
        ended[name] = moment.timestamp()
    yield _gauge(
        "sweep_success_timestamp_seconds",
        "When a sweep last ended without a fault",
        ("sweep",),
        (((name,), moment) for name, moment in ended.items()),
    )
    checked = (
        select(job_runs.c.done)
        .where(well, job_runs.c.name == "ledger_check")
        .order_by(job_runs.c.slot.desc())
        .limit(1)
    )
    yield _gauge(
        "ledger_faults",
        "Rows that broke a promise of the ledger when it was last checked",
        (),
        [((), row.done) for row in connection.execute(checked)],
    )


def _gauge(name: str, meaning: str, labels: tuple[str, ...], values: _Labelled) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}{name}", f"{meaning}.", labels=labels)
    for own, value in values:
        family.add_metric(own, float(value))
    return family


def _counter(name: str, meaning: str, labels: tuple[str, ...], values: _Labelled) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}{name}", f"{meaning}.", labels=labels)
    for own, value in values:
        family.add_metric(own, float(value))
    return family
