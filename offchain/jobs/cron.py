"""``python -m offchain cron``: ring for each sweep at its interval.

RQ's ``CronScheduler`` takes intervals of whole seconds, which is what is needed here. It has no
lock, so two of them may enqueue a tick twice, and it ends when Redis goes: slots in Postgres make
the first harmless, and the loop here starts it again after the second.

Each sweep has a queue of its own that holds at most one tick: no backlog builds up while workers
are away or slow, and the tick that waits may wait long enough to be taken.
"""

import logging
from threading import Event
from types import FrameType
from typing import Any

import redis
import structlog
from rq import Queue
from rq.cron import CronJob, CronScheduler
from rq.utils import now
from typing_extensions import override

from offchain.jobs.bell import FAILURE_LIFE_S, JOB_TIMEOUT_S, open_redis, tick_queue
from offchain.jobs.entry import run_sweep
from offchain.jobs.sweeps.registry import MEDIA_SWEEPS, SWEEPS
from offchain.settings import CronSettings

RESTART_PAUSE_S = 1.0
FORGET_INTERVAL_S = 3600
"""Who sent a file is kept for days: an hour more or less is nothing."""
TICK_LIFE_S = 2 * JOB_TIMEOUT_S * len(SWEEPS) * (len(MEDIA_SWEEPS) + 1)
"""A waiting tick outlives one turn of every other sweep, however long each takes; those of files
have one turn a round together, their bells among them."""

_log = structlog.get_logger(__name__)


class _Scheduler(CronScheduler):
    """Leaves out a tick while one waits, and remembers that a signal asked it to stop."""

    is_stop_wanted = False

    @override
    def _request_stop(self, signum: int, frame: FrameType | None) -> None:
        self.is_stop_wanted = True
        super()._request_stop(signum, frame)  # type: ignore[no-untyped-call]  # RQ

    @override
    def enqueue_jobs(self) -> list[CronJob]:
        due = [job for job in self.get_jobs() if job.should_run()]
        waiting = [job for job in due if Queue(job.queue_name, connection=self.connection).count]
        for job in waiting:
            job.set_enqueue_time(now())  # its turn comes again an interval later
        return super().enqueue_jobs()


def intervals(settings: CronSettings) -> dict[str, int]:
    """Seconds between ticks of each sweep."""
    return {
        "inbox_sweep": settings.sweep_interval_s,
        "refund_sweep": settings.sweep_interval_s,
        "handover_sweep": settings.sweep_interval_s,
        "chain_feedback": settings.sweep_interval_s,
        "payment_poll": settings.poll_interval_s,
        "expire_pix": settings.poll_interval_s,
        "read_listed": settings.poll_interval_s,
        "list_walk": settings.list_interval_s,
        "ledger_check": settings.ledger_check_interval_s,
        "media_events": settings.sweep_interval_s,
        "media_sweep": settings.sweep_interval_s,
        "media_forget": FORGET_INTERVAL_S,
    }


def serve(settings: CronSettings) -> None:
    """Ring until SIGTERM or SIGINT."""
    client = open_redis(settings.redis_url_text)
    pause = Event()
    while not _ring_until_ended(client, settings):
        pause.wait(RESTART_PAUSE_S)


def make_scheduler(client: redis.Redis, settings: CronSettings) -> _Scheduler:
    """Make the scheduler of every sweep."""
    scheduler = _Scheduler(client, logging_level=logging.WARNING)
    for name, interval_s in intervals(settings).items():
        options: dict[str, Any] = {
            "kwargs": {"name": name, "interval_s": interval_s},
            "interval": interval_s,
            "name": name,
            "ttl": TICK_LIFE_S,
            "job_timeout": JOB_TIMEOUT_S,
            "result_ttl": 0,
            "failure_ttl": FAILURE_LIFE_S,
        }
        scheduler.register(run_sweep, tick_queue(name), **options)
    return scheduler


def _ring_until_ended(client: redis.Redis, settings: CronSettings) -> bool:
    """Ring until the scheduler ends; whether it was asked to."""
    scheduler = make_scheduler(client, settings)
    try:
        _log.info("cron_started")
        scheduler.start()  # type: ignore[no-untyped-call]  # RQ
    except redis.RedisError as error:
        _log.warning("cron_lost_redis", error=type(error).__name__)
    return scheduler.is_stop_wanted
