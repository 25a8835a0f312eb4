"""``python -m offchain cron``: ring for each sweep at its interval.

RQ's ``CronScheduler`` takes intervals of whole seconds, which is what is needed here. It has no
lock, so two of them enqueue every tick twice, and it ends when Redis goes: slots in Postgres make
the first harmless, and the loop here starts it again after the second.
"""

import logging
from threading import Event
from types import FrameType
from typing import Any

import redis
import structlog
from rq.cron import CronScheduler
from typing_extensions import override

from offchain.jobs.bell import FAILURE_LIFE_S, JOB_TIMEOUT_S, QUEUE, open_redis
from offchain.jobs.entry import run_sweep
from offchain.settings import CronSettings

RESTART_PAUSE_S = 1.0
TICK_LIFE_MIN_S = 2
"""A tick that nobody takes evaporates, so that no backlog builds up while workers are away."""

_log = structlog.get_logger(__name__)


class _Scheduler(CronScheduler):
    """Remembers that a signal asked it to stop, so that any other end is known as a fault."""

    is_stop_wanted = False

    @override
    def _request_stop(self, signum: int, frame: FrameType | None) -> None:
        self.is_stop_wanted = True
        super()._request_stop(signum, frame)  # type: ignore[no-untyped-call]  # RQ


def intervals(settings: CronSettings) -> dict[str, int]:
    """Seconds between ticks of each sweep."""
    return {
        "inbox_sweep": settings.sweep_interval_s,
        "handover_sweep": settings.sweep_interval_s,
        "chain_feedback": settings.sweep_interval_s,
        "payment_poll": settings.poll_interval_s,
        "expire_pix": settings.poll_interval_s,
    }


def serve(settings: CronSettings) -> None:
    """Ring until SIGTERM or SIGINT."""
    client = open_redis(settings.redis_url_text)
    pause = Event()
    while not _ring_until_ended(client, settings):
        pause.wait(RESTART_PAUSE_S)


def _ring_until_ended(client: redis.Redis, settings: CronSettings) -> bool:
    """Ring until the scheduler ends; whether it was asked to."""
    scheduler = _Scheduler(client, logging_level=logging.WARNING)
    for name, interval_s in intervals(settings).items():
        options: dict[str, Any] = {
            "kwargs": {"name": name, "interval_s": interval_s},
            "interval": interval_s,
            "name": name,
            "ttl": max(TICK_LIFE_MIN_S, interval_s),
            "job_timeout": JOB_TIMEOUT_S,
            "result_ttl": 0,
            "failure_ttl": FAILURE_LIFE_S,
        }
        scheduler.register(run_sweep, QUEUE, **options)
    try:
        _log.info("cron_started")
        scheduler.start()  # type: ignore[no-untyped-call]  # RQ
    except redis.RedisError as error:
        _log.warning("cron_lost_redis", error=type(error).__name__)
    return scheduler.is_stop_wanted
