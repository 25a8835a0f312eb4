"""Ticks and bells in a real queue: one slow sweep and many bells keep nobody from its turn."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest
import redis
from rq import Queue
from rq.cron import CronScheduler
from rq.utils import now
from sqlalchemy import select

from offchain.jobs import entry
from offchain.jobs.bell import BELLS, Bell, open_redis, tick_queue
from offchain.jobs.cron import intervals, make_scheduler
from offchain.jobs.runtime import Budget, Runtime
from offchain.jobs.sweeps.registry import MEDIA_SWEEPS, SWEEPS
from offchain.jobs.worker import make_worker
from offchain.services import Services
from offchain.settings import CronSettings
from offchain.tables import job_runs
from stack.valkey import EmbeddedValkey
from tests.support.crowdsplit import FakeCrowdSplit
from tests.support.jobs import known, opened, receive, state_of, status
from tests.support.offchain import environment

DATABASE = 7
"""Of the shared Valkey: no other test's worker hears these queues."""


@pytest.fixture
def client(valkey: EmbeddedValkey) -> Iterator[redis.Redis]:
    with open_redis(f"{valkey.url.rstrip('/').removesuffix('/0')}/{DATABASE}") as opened:
        opened.flushdb()
        yield opened
        opened.flushdb()


@pytest.fixture
def scheduler(client: redis.Redis, database_url: str, valkey: EmbeddedValkey) -> CronScheduler:
    settings = CronSettings.model_validate(environment(database_url, valkey.url))
    return make_scheduler(client, settings)


def pass_time(scheduler: CronScheduler) -> None:
    """Make every sweep due and tick."""
    for job in scheduler.get_jobs():
        job.set_enqueue_time(now() - timedelta(days=1))
    scheduler.enqueue_jobs()


def waiting(client: redis.Redis) -> dict[str, int]:
    return {name: Queue(tick_queue(name), connection=client).count for name in SWEEPS}


def work(client: redis.Redis, *, jobs: int) -> None:
    make_worker(client).work(burst=True, max_jobs=jobs, logging_level="WARNING")


def test_every_sweep_has_a_tick_and_every_tick_a_sweep(database_url: str) -> None:
    settings = CronSettings.model_validate(environment(database_url, "redis://127.0.0.1:9"))
    assert set(intervals(settings)) == set(SWEEPS)


def test_ticks_wait_at_most_once_each_and_long_enough_when_no_worker_takes_them(
    client: redis.Redis, scheduler: CronScheduler
) -> None:
    for _ in range(5):
        pass_time(scheduler)
    assert waiting(client) == dict.fromkeys(SWEEPS, 1)
    for name in SWEEPS:
        (job,) = Queue(tick_queue(name), connection=client).jobs
        assert job.timeout is not None
        assert client.ttl(job.key) > job.timeout * len(SWEEPS) * len(MEDIA_SWEEPS)


def test_every_sweep_runs_when_the_inbox_sweep_is_slow_and_bells_pour_in(
    client: redis.Redis,
    scheduler: CronScheduler,
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bell = Bell(client)
    inbox_id = receive(runtime.services.engine)

    def slow(_runtime: Runtime, _budget: Budget) -> int:
        """Take so long that every other tick and many bells come in meanwhile."""
        for _ in range(30):
            bell.ring(inbox_id)
            pass_time(scheduler)
        return 0

    monkeypatch.setattr(entry, "SWEEPS", {**SWEEPS, "inbox_sweep": slow})
    pass_time(scheduler)
    slow(runtime, Budget(30))
    # One turn of the queues for money, and as many as there are sweeps of files.
    work(client, jobs=len(SWEEPS) - len(MEDIA_SWEEPS) + 1 + 2 * len(MEDIA_SWEEPS))
    with runtime.services.engine.connect() as connection:
        ran = connection.execute(select(job_runs.c.name, job_runs.c.error)).all()
    assert {name for name, error in ran if error is None} == set(SWEEPS)
    assert Queue(BELLS, connection=client).count > 30


def test_what_waited_is_done_by_the_next_ticks_when_redis_was_flushed(
    client: redis.Redis,
    scheduler: CronScheduler,
    runtime: Runtime,
    services: Services,
    crowdsplit: FakeCrowdSplit,
) -> None:
    """Survives: bells and ticks that are lost before any worker heard them."""
    heard, unheard = opened(services), opened(services)
    payments = [known(services, one) for one in (heard, unheard)]
    for payment in payments:
        crowdsplit.pay(payment)
    inbox_id = receive(runtime.services.engine, id=payments[0])
    Bell(client).ring(inbox_id)
    pass_time(scheduler)
    client.flushdb()
    work(client, jobs=100)
    assert [status(services, one) for one in (heard, unheard)] == ["awaiting", "awaiting"]
    pass_time(scheduler)
    work(client, jobs=100)
    assert state_of(services.engine, inbox_id) == ("done", None)
    assert [status(services, one) for one in (heard, unheard)] == ["captured", "captured"]


def test_a_sweep_ends_its_work_when_redis_is_flushed_under_it(
    client: redis.Redis,
    scheduler: CronScheduler,
    runtime: Runtime,
    services: Services,
    crowdsplit: FakeCrowdSplit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attempt_id = opened(services)
    crowdsplit.pay(known(services, attempt_id))

    def flushed(of: Runtime, budget: Budget) -> int:
        client.flushdb()
        return SWEEPS["payment_poll"](of, budget)

    monkeypatch.setattr(entry, "SWEEPS", {**SWEEPS, "payment_poll": flushed})
    pass_time(scheduler)
    # RQ's worker may end over it; the process starts a new one.
    with suppress(redis.RedisError, ValueError):
        work(client, jobs=100)
    assert status(services, attempt_id) == "captured"
    with runtime.services.engine.connect() as connection:
        query = select(job_runs.c.done, job_runs.c.error).where(job_runs.c.name == "payment_poll")
        assert [tuple(row) for row in connection.execute(query)] == [(1, None)]
