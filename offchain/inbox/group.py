"""Group commit: webhooks that arrive together share one commit; none is answered before it.

The writer takes whatever waits, stores it by one statement and has each request answered; while it
waits for Postgres, the next batch gathers. Nothing lingers: a webhook that comes alone is written
at once. It writes in a thread, so that commits keep their pace however busy the event loop is with
requests that it must refuse.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import Literal

import psycopg
import structlog

from indexer.errors import LastroError, PermanentError, TransientError
from offchain.inbox.link import Link
from offchain.inbox.store import Arrival, Connect, EventName, InboxId

BATCH_MAX = 500
BATCH_BYTES_MAX = 4 * 1024 * 1024
WAITING_BYTES_MAX = 64 * 1024 * 1024
"""Beside the bound by number: a thousand bodies of the greatest length are a gigabyte."""
ANSWER_WITHIN_S = 5.0
"""Senders give up after ten seconds or more; a refusal that they hear is better."""
LOOKS = 20
"""Times that the clock is looked at while one may wait: it waits at most a twentieth longer."""
DRAIN_WITHIN_S = 5.0

_ROWS_FAULT = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded, UnicodeError)
"""What Postgres or its driver say of a row that cannot be stored, however often it is tried."""

_log = structlog.get_logger(__name__)


class Overloaded(TransientError):  # noqa: N818 - reads as a state
    """As many webhooks wait as may; this one was not taken."""


class StoreUnavailable(TransientError):  # noqa: N818 - reads as a state
    """Postgres did not say in time that the row is committed; it may be."""


class Unstorable(PermanentError):  # noqa: N818 - reads as a state
    """Postgres cannot hold this event."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    arrival: Arrival
    is_new: asyncio.Future[bool]
    """Resolved after the commit, on its loop."""
    since: float
    """On the loop's clock."""


_Tell = Callable[..., None]
"""Calls a function on the loop of those who wait."""


class GroupWriter:
    """Writes webhooks to the inbox in groups."""

    def __init__(
        self,
        connect: Connect,
        *,
        waiting_max: int,
        on_stored: Callable[[Sequence[InboxId]], None],
        answer_within_s: float = ANSWER_WITHIN_S,
    ) -> None:
        """Make a writer; it writes while ``running`` runs.

        Args:
            connect: Opens a connection in autocommit mode.
            waiting_max: How many may wait for their commit.
            on_stored: Called with the new rows of each batch after its commit, in the writer's
                thread; it neither blocks nor fails.
            answer_within_s: How long one waits.
        """
        self._link = Link(connect)
        self._waiting_max = waiting_max
        self._on_stored = on_stored
        self._answer_within_s = answer_within_s
        self._waiting: deque[_Waiting] = deque()
        self._writing: Sequence[_Waiting] = ()
        self._unanswered = 0
        self._unanswered_bytes = 0
        self._wake = Event()
        self._is_closing = False

    @property
    def is_full(self) -> bool:
        """Whether the next one would be refused."""
        return (
            self._is_closing
            or self._unanswered >= self._waiting_max
            or self._unanswered_bytes >= WAITING_BYTES_MAX
        )

    async def keep(self, arrival: Arrival) -> bool:
        """Commit an event; True when it is new, False when it was stored before.

        Raises:
            Overloaded: Too many wait; it was not taken.
            StoreUnavailable: Postgres is away or slow.
            Unstorable: Postgres cannot hold it.
        """
        if self.is_full:
            raise Overloaded("as many webhooks wait for their commit as may")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(arrival, loop.create_future(), loop.time())
        self._unanswered += 1
        self._unanswered_bytes += len(arrival.body)
        self._waiting.append(waiting)
        if not self._wake.is_set():
            self._wake.set()
        return await waiting.is_new

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write until the block ends; what was taken before that is written first."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        writing = Thread(target=self._run, args=(loop, ended), name="inbox-writer", daemon=True)
        writing.start()
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            self._is_closing = True
            self._wake.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), DRAIN_WITHIN_S)
            watching.cancel()
            _refuse(self._all_waiting(), StoreUnavailable, "the process ends")

    async def _watch(self) -> None:
        """Refuse whoever waits too long: one clock for all costs less than one for each."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(self._answer_within_s / LOOKS)
            asked_before = clock() - self._answer_within_s
            late = [waiting for waiting in self._all_waiting() if waiting.since < asked_before]
            _refuse(late, StoreUnavailable, "the commit takes too long")

    def _all_waiting(self) -> list[_Waiting]:
        # The queue is copied in one step, whatever the writer's thread takes meanwhile.
        return [*self._writing, *list(self._waiting)]

    def _run(self, loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
        """What the writer's thread does."""

        def tell(what: Callable[..., object], *arguments: object) -> None:
            with suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(what, *arguments)

        while self._waiting or not self._is_closing:
            if self._waiting:
                self._writing = self._take()
                self._settle(self._writing, tell)
                self._writing = ()
            else:
                self._wake.wait()
                self._wake.clear()
        self._link.close()
        tell(ended.set)

    def _take(self) -> list[_Waiting]:
        """The next batch."""
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and len(batch) < BATCH_MAX and size < BATCH_BYTES_MAX:
            batch.append(self._waiting.popleft())
            size += len(batch[-1].arrival.body)
        return batch

    def _settle(self, batch: Sequence[_Waiting], tell: _Tell) -> None:
        """Commit a batch and have each of it answered, whatever Postgres does.

        Those whose requests have given up are stored as well: they are genuine, and come again.
        """
        try:
            stored = self._link.store([waiting.arrival for waiting in batch])
        except _ROWS_FAULT as error:
            if len(batch) == 1:
                tell(self._refuse, batch, Unstorable, "Postgres cannot hold this event")
                _say("error", "webhook_unstorable", error=type(error).__name__)
                return
            # One of them is at fault: its neighbours are stored without it.
            middle = len(batch) // 2
            self._settle(batch[:middle], tell)
            self._settle(batch[middle:], tell)
        except Exception as error:  # noqa: BLE001 - the edge of every batch: the next one is tried
            tell(self._refuse, batch, StoreUnavailable, "Postgres is away")
            _say("error", "webhooks_not_stored", count=len(batch), error=type(error).__name__)
        else:
            tell(self._answer, batch, dict(stored))
            if stored:
                new = sorted(stored.values())
                self._on_stored(new)
                _say("info", "webhooks_stored", count=len(new), first_id=new[0], last_id=new[-1])

    def _answer(self, batch: Sequence[_Waiting], stored: dict[EventName, InboxId]) -> None:
        """Answer a committed batch; of two deliveries of one event the first stored it."""
        self._release(batch)
        for waiting in batch:
            is_new = stored.pop(waiting.arrival.name, None) is not None
            if not waiting.is_new.done():
                waiting.is_new.set_result(is_new)

    def _refuse(self, batch: Sequence[_Waiting], kind: type[LastroError], why: str) -> None:
        self._release(batch)
        _refuse(batch, kind, why)

    def _release(self, batch: Sequence[_Waiting]) -> None:
        self._unanswered -= len(batch)
        self._unanswered_bytes -= sum(len(waiting.arrival.body) for waiting in batch)


def _refuse(batch: Iterable[_Waiting], kind: type[LastroError], why: str) -> None:
    """Answer whoever has no answer yet."""
    for waiting in batch:
        if not waiting.is_new.done():
            waiting.is_new.set_exception(kind(why))


def _say(level: Literal["info", "error"], event: str, **fields: object) -> None:
    """Log from the writer's thread, which no log that cannot be written may end."""
    with suppress(Exception):
        getattr(_log, level)(event, **fields)
