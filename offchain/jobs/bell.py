"""The wake-up bell: tell a worker that a webhook or a file waits. Redis may be away, or forget.

Bells of money, bells of files and the ticks of each sweep have a queue of their own. Workers serve
the queues in turn, so that neither a burst of bells nor one slow sweep keeps another from its turn.
"""

from uuid import UUID

import redis
import structlog
from rq import Queue

from offchain.inbox.store import InboxId

BELLS = "lastro-bells"
FILE_BELLS = "lastro-files"
RING = "offchain.jobs.entry.ring"
RING_FILE = "offchain.jobs.entry.ring_file"
RUN_SWEEP = "offchain.jobs.entry.run_sweep"
CONNECT_TIMEOUT_S = 0.5
JOB_TIMEOUT_S = 120
BELL_LIFE_S = 300
"""An unheard bell is dropped after this: the sweep has long found what it rang for."""
FAILURE_LIFE_S = 300

_log = structlog.get_logger(__name__)


def open_redis(url: str) -> redis.Redis:
    """Open a client that gives up quickly when Redis cannot be reached."""
    return redis.Redis.from_url(url, socket_connect_timeout=CONNECT_TIMEOUT_S)


def tick_queue(sweep: str) -> str:
    """Name the queue of one sweep's ticks."""
    return f"lastro-{sweep}"


class Bell:
    """Rings for stored webhooks and for uploaded files."""

    def __init__(self, client: redis.Redis) -> None:
        self._queue = Queue(BELLS, connection=client)
        self._files = Queue(FILE_BELLS, connection=client)

    def ring(self, inbox_id: InboxId) -> None:
        """Ask for one event to be worked off soon; a lost bell costs only latency."""
        self._ring(self._queue, RING, int(inbox_id))

    def ring_file(self, file_id: UUID) -> None:
        """Ask for one file to be decided soon; a lost bell costs only latency."""
        self._ring(self._files, RING_FILE, str(file_id))

    def _ring(self, queue: Queue, function: str, subject: int | str) -> None:
        try:
            queue.enqueue(
                function,
                subject,
                job_timeout=JOB_TIMEOUT_S,
                ttl=BELL_LIFE_S,
                result_ttl=0,
                failure_ttl=FAILURE_LIFE_S,
            )
        except redis.RedisError as error:
            _log.warning(
                "bell_not_rung", function=function, subject=subject, error=type(error).__name__
            )

    def answers(self) -> bool:
        """Whether Redis can be reached."""
        try:
            return bool(self._queue.connection.ping())
        except redis.RedisError:
            return False
