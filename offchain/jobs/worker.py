"""``python -m offchain worker``: run bells and sweeps one at a time in this process.

``SimpleWorker`` and not a fork per job: jobs are short and share warm connections, and a crash of
the whole process is as safe as one of a fork, because Postgres holds all state. RQ's worker ends
when Redis is flushed or away for long; here it is started again until a signal asks to stop.
"""

from threading import Event
from types import FrameType

import redis
import structlog
from rq import Queue, SimpleWorker
from rq.worker import DequeueStrategy
from typing_extensions import override

from offchain.jobs.bell import BELLS, open_redis, tick_queue
from offchain.jobs.runtime import Runtime, install
from offchain.jobs.sweeps.registry import SWEEPS
from offchain.media.opening import open_media
from offchain.services import open_services
from offchain.settings import WorkerSettings

RESTART_PAUSE_S = 1.0

_log = structlog.get_logger(__name__)


class _Worker(SimpleWorker):
    """Remembers that a signal asked it to stop, so that any other end is known as a fault."""

    is_stop_wanted = False

    @override
    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        self.is_stop_wanted = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]  # RQ


def serve(settings: WorkerSettings) -> None:
    """Work until SIGTERM or SIGINT; the job at hand is finished first.

    Raises:
        ConfigurationError: A setting or a deployment record is wrong.
    """
    services = open_services(settings, late_money=settings.late_money, media=open_media(settings))
    install(Runtime(services, settings.poll_gap, settings.job_seconds_max))
    client = open_redis(settings.redis_url_text)
    pause = Event()
    try:
        while not _work_once(client):
            pause.wait(RESTART_PAUSE_S)
    finally:
        install(None)
        services.close()


def make_worker(client: redis.Redis) -> _Worker:
    """Make a worker of every queue; run it in turn over them (``ROUND_ROBIN``)."""
    names = (BELLS, *map(tick_queue, SWEEPS))
    worker = _Worker([Queue(name, connection=client) for name in names], connection=client)
    worker.log_job_description = False
    return worker


def _work_once(client: redis.Redis) -> bool:
    """Work until the worker ends; whether it was asked to."""
    try:
        worker = make_worker(client)
        _log.info("worker_started")
        worker.work(logging_level="WARNING", dequeue_strategy=DequeueStrategy.ROUND_ROBIN)
    except redis.RedisError as error:
        _log.warning("worker_lost_redis", error=type(error).__name__)
        return False
    if not worker.is_stop_wanted:
        _log.warning("worker_ended_unasked")
    return worker.is_stop_wanted
