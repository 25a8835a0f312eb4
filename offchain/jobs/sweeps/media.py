"""Decide uploaded files, hear of them from the store, and forget who sent them."""

from uuid import UUID

import structlog

from indexer.errors import PermanentError, TransientError
from offchain.jobs.runtime import Budget, Runtime
from offchain.media.deciding import decide
from offchain.media.forgetting import forget_old
from offchain.media.notices import created_keys
from offchain.media.opening import Media
from offchain.media.queue import EventQueue, Message
from offchain.media.removing import remove
from offchain.media.rows import claim_removal, claim_undecided, hint_by_key
from offchain.services import Services

FILES_MAX = 200
EVENTS_MAX = 1000
EVENT_WAIT_S = 1
"""SQS asks all its servers only when it has time; with more of it other sweeps would wait."""
FORGET_CHUNK = 1000

_log = structlog.get_logger(__name__)


def media_sweep(runtime: Runtime, budget: Budget) -> int:
    """Decide files that are due, and remove objects that must go; returns how many of both."""
    services, done = runtime.services, 0
    if services.media is None:
        return 0
    while done < FILES_MAX and not budget.is_spent():
        # By turns: however many files wait, what must go goes.
        worked = _decide_next(services, None) + _remove_next(services, None)
        if not worked:
            break
        done += worked
    return done


def decide_one(services: Services, file_id: UUID) -> None:
    """Decide one file now, if it is due, and remove its object if that must go."""
    if services.media is not None and _decide_next(services, file_id):
        _remove_next(services, file_id)


def media_events(runtime: Runtime, budget: Budget) -> int:
    """Take the store's word that something came, as a hint; returns of how many files.

    A message is dropped once what it led to is committed. With the queue lost or away, the sweep
    finds the same files later.
    """
    media = runtime.services.media
    if media is None or media.events is None:
        return 0
    hinted = taken = 0
    while taken < EVENTS_MAX and not budget.is_spent():
        messages = _receive(media.events)
        if not messages:
            break
        hinted += _hint(runtime.services, media, messages)
        media.events.forget(messages)
        taken += len(messages)
    return hinted


def media_forget(runtime: Runtime, budget: Budget) -> int:
    """Erase who sent files long ago, and from where; returns of how many files."""
    services, forgotten = runtime.services, 0
    while not budget.is_spent():
        with services.engine.begin() as connection:
            count = forget_old(connection, now=services.clock(), limit=FORGET_CHUNK)
        forgotten += count
        if count < FORGET_CHUNK:
            break
    return forgotten


def _receive(events: EventQueue) -> list[Message]:
    try:
        return events.receive(wait_s=EVENT_WAIT_S)
    except (TransientError, PermanentError) as error:
        _log.warning("events_not_read", error=type(error).__name__)
        return []


def _hint(services: Services, media: Media, messages: list[Message]) -> int:
    """Commit what messages hint at: each in one transaction of its own, so that none holds many."""
    hinted = 0
    for message in messages:
        with services.engine.begin() as connection:
            for key in sorted(set(created_keys(message.body, bucket=media.bucket))):
                hinted += hint_by_key(connection, key, now=services.clock())
    return hinted


def _decide_next(services: Services, only: UUID | None) -> bool:
    with services.engine.begin() as connection:
        file = claim_undecided(connection, now=services.clock(), only=only)
    if file is None:
        return False
    try:
        decide(services, file)
    except Exception as error:  # noqa: BLE001 - the edge of every file: the others go on
        _log.error("file_not_decided", file_id=str(file.id), error=type(error).__name__)
    return True


def _remove_next(services: Services, only: UUID | None) -> bool:
    with services.engine.begin() as connection:
        file = claim_removal(connection, now=services.clock(), only=only)
    if file is None:
        return False
    try:
        remove(services, file)
    except Exception as error:  # noqa: BLE001 - same
        _log.error("object_not_removed", file_id=str(file.id), error=type(error).__name__)
    return True
