"""Ring the bell off the hot path: no webhook waits for Redis, and Redis may be away.

Each bell costs several calls to Redis. While webhooks pour in, workers are busy for a while anyway:
then one bell a turn keeps them awake, and the inbox sweep finds the others.
"""

from collections import deque
from collections.abc import Sequence
from threading import Event, Thread

import structlog

from offchain.inbox.store import InboxId
from offchain.jobs.bell import Bell

RINGS_PER_TURN = 10
"""More than that in one turn is a burst."""
TURN_S = 0.1
STOP_WITHIN_S = 1.0

_log = structlog.get_logger(__name__)


class Ringer:
    """Rings for stored webhooks in a thread of its own."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._waiting: deque[InboxId] = deque(maxlen=RINGS_PER_TURN + 1)
        self._wake = Event()
        self._is_stopping = Event()
        self._thread = Thread(target=self._run, name="ringer", daemon=True)

    def start(self) -> None:
        """Start ringing."""
        self._thread.start()

    def stop(self) -> None:
        """Ring for what waits, unless Redis keeps us waiting."""
        self._is_stopping.set()
        self._wake.set()
        self._thread.join(STOP_WITHIN_S)

    def ring(self, inbox_ids: Sequence[InboxId]) -> None:
        """Have the bell rung soon; never blocks."""
        self._waiting.extend(inbox_ids)
        self._wake.set()

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            self._ring_waiting()
            self._is_stopping.wait(TURN_S)
        self._ring_waiting()

    def _ring_waiting(self) -> None:
        if len(self._waiting) > RINGS_PER_TURN:
            newest = self._waiting.pop()
            self._waiting.clear()
            self._ring(newest)
        while self._waiting:
            self._ring(self._waiting.popleft())

    def _ring(self, inbox_id: InboxId) -> None:
        try:
            self._bell.ring(inbox_id)
        except Exception as error:  # noqa: BLE001 - the webhook is stored: only latency is lost
            _log.error("bell_broke", inbox_id=inbox_id, error=type(error).__name__)
