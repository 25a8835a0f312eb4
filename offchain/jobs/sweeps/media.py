"""Decide uploaded files, hear of them from the store, and forget who sent them.

Files wait for their turn behind money: none of these takes long, and a store or a queue that hangs
ends it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

import structlog
from sqlalchemy import Connection

from indexer.errors import PermanentError, TransientError
from offchain.jobs.runtime import Budget, Runtime
from offchain.media.calls import StoreAway
from offchain.media.deciding import decide
from offchain.media.forgetting import forget_old
from offchain.media.notices import created_keys
from offchain.media.opening import Media
from offchain.media.queue import Message
from offchain.media.removing import remove
from offchain.media.rows import File, claim_removal, claim_undecided, hint_by_key
from offchain.services import Services

TURN_S: Final = 5
"""After this the next turn is another's; with the file at hand, well below a job's time."""
FILES_MAX = 200
EVENTS_MAX = 1000
FORGET_CHUNK = 1000

_log = structlog.get_logger(__name__)


class _Claim(Protocol):
    def __call__(
        self, connection: Connection, *, now: datetime, only: UUID | None
    ) -> File | None: ...


@dataclass(frozen=True, slots=True)
class _Step:
    """What is done with a file, and which one is next."""

    claim: _Claim
    work: Callable[[Services, File], object]


_DECIDE = _Step(claim_undecided, decide)
_REMOVE = _Step(claim_removal, remove)


def media_sweep(runtime: Runtime, budget: Budget) -> int:
    """Decide files that are due, and remove objects that must go; returns how many of both."""
    services, turn, done = runtime.services, _turn(budget), 0
    if services.media is None:
        return 0
    try:
        while done < FILES_MAX and not turn.is_spent():
            # By turns: however many files wait, what must go goes.
            worked = [_next(services, step, None) for step in (_DECIDE, _REMOVE)]
            if not any(worked):
                break
            done += sum(worked)
    except StoreAway as error:
        _log.warning("media_sweep_stopped", why=str(error))
    return done


def decide_one(services: Services, file_id: UUID) -> None:
    """Decide one file now, if it is due, and remove its object if that must go."""
    if services.media is None:
        return
    try:
        if _next(services, _DECIDE, file_id):
            _next(services, _REMOVE, file_id)
    except StoreAway:
        return  # it was told where it happened, and has its next try


def media_events(runtime: Runtime, budget: Budget) -> int:
    """Take the store's word that something came, as a hint; returns of how many files.

    A message is dropped once what it led to is committed. With the queue lost or away, the sweep
    finds the same files later.
    """
    media, turn = runtime.services.media, _turn(budget)
    if media is None or media.events is None:
        return 0
    hinted = taken = 0
    try:
        while taken < EVENTS_MAX and not turn.is_spent():
            messages = media.events.receive()
            if not messages:
                break
            hinted += _hint(runtime.services, media, messages)
            media.events.forget(messages)
            taken += len(messages)
    except (TransientError, PermanentError) as error:
        _log.warning("events_not_read", error=type(error).__name__, why=str(error))
    return hinted


def media_forget(runtime: Runtime, budget: Budget) -> int:
    """Erase who sent files long ago, and from where; returns of how many files."""
    services, turn, forgotten = runtime.services, _turn(budget), 0
    while not turn.is_spent():
        with services.engine.begin() as connection:
            count = forget_old(connection, now=services.clock(), limit=FORGET_CHUNK)
        forgotten += count
        if count < FORGET_CHUNK:
            break
    return forgotten


def _turn(budget: Budget) -> Budget:
    return replace(budget, seconds=min(budget.seconds, TURN_S))


def _hint(services: Services, media: Media, messages: list[Message]) -> int:
    """Commit what messages hint at: each in one transaction of its own, so that none holds many."""
    hinted = 0
    for message in messages:
        with services.engine.begin() as connection:
            for key in sorted(set(created_keys(message.body, bucket=media.bucket))):
                hinted += hint_by_key(connection, key, now=services.clock())
    return hinted


def _next(services: Services, step: _Step, only: UUID | None) -> bool:
    """Do one step with the file that has waited longest for it; whether there was one.

    Raises:
        StoreAway: The store does not answer; the file has its next try.
    """
    with services.engine.begin() as connection:
        file = step.claim(connection, now=services.clock(), only=only)
    if file is None:
        return False
    try:
        step.work(services, file)
    except StoreAway:
        raise
    except Exception as error:  # noqa: BLE001 - the edge of every file: the others go on
        name = getattr(step.work, "__name__", "work")
        _log.error("file_not_worked", step=name, file_id=str(file.id), error=type(error).__name__)
    return True
