"""``python -m offchain worker``: run bells and sweeps one at a time in this process.

``SimpleWorker`` and not a fork per job: jobs are short and share warm connections, and a crash of
the whole process is as safe as one of a fork, because Postgres holds all state. RQ's worker ends
when Redis is flushed or away for long; here it is started again until a signal asks to stop.

All queues of files have one place together in the round: every queue of money is served between any
two turns of files. ``LASTRO_WORKER_QUEUES`` gives either a worker of its own.
"""

from collections.abc import Sequence
from threading import Event
from types import FrameType

import redis
import structlog
from rq import Queue, SimpleWorker
from typing_extensions import override

from offchain.jobs.bell import BELLS, FILE_BELLS, open_redis, tick_queue
from offchain.jobs.runtime import Runtime, install
from offchain.jobs.sweeps.registry import MEDIA_SWEEPS, SWEEPS
from offchain.media.bench import clear_benches
from offchain.media.opening import open_media
from offchain.services import open_services
from offchain.settings import WorkerQueues, WorkerSettings

RESTART_PAUSE_S = 1.0

_log = structlog.get_logger(__name__)


class _Worker(SimpleWorker):
    """Serves places in turn, of one queue or of several that are served in turn at theirs.

    It remembers that a signal asked it to stop, so that any other end is known as a fault.
    """

    is_stop_wanted = False

    def __init__(self, places: Sequence[Sequence[str]], *, connection: redis.Redis) -> None:
        names = [name for place in places for name in place]
        super().__init__(
            [Queue(name, connection=connection) for name in names], connection=connection
        )
        self._places = [list(place) for place in places]

    @override
    def reorder_queues(self, reference_queue: Queue) -> None:
        """Put the place of the queue that was served last, and that queue last at its place.

        RQ's own round robin goes from queue to queue: several of one kind would follow each other.
        """
        served = reference_queue.name
        at = next(at for at, place in enumerate(self._places) if served in place)
        place = self._places[at]
        after = place.index(served) + 1
        turned = place[after:] + place[:after]
        self._places = [*self._places[at + 1 :], *self._places[:at], turned]
        ranks = [name for place in self._places for name in place]
        self._ordered_queues.sort(key=lambda queue: ranks.index(queue.name))

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
    clear_benches()
    client = open_redis(settings.redis_url_text)
    pause = Event()
    try:
        while not _work_once(client, settings.worker_queues):
            pause.wait(RESTART_PAUSE_S)
    finally:
        install(None)
        services.close()


def make_worker(client: redis.Redis, queues: WorkerQueues = "all") -> _Worker:
    """Make a worker of these queues, which serves them in turn."""
    money = [[BELLS], *([tick_queue(name)] for name in SWEEPS if name not in MEDIA_SWEEPS)]
    media = [FILE_BELLS, *(tick_queue(name) for name in SWEEPS if name in MEDIA_SWEEPS)]
    places = {"all": [*money, media], "money": money, "media": [media]}
    worker = _Worker(places[queues], connection=client)
    worker.log_job_description = False
    return worker


def _work_once(client: redis.Redis, queues: WorkerQueues) -> bool:
    """Work until the worker ends; whether it was asked to."""
    try:
        worker = make_worker(client, queues)
        _log.info("worker_started", queues=queues)
        worker.work(logging_level="WARNING")
    except redis.RedisError as error:
        _log.warning("worker_lost_redis", error=type(error).__name__)
        return False
    if not worker.is_stop_wanted:
        _log.warning("worker_ended_unasked")
    return worker.is_stop_wanted
