"""Take objects out of the public's sight: those of files that ended otherwise than ready.

That an object must go is committed with the verdict; here the store is told, until it has said so
after the last moment at which one could still come. The bytes of a failed file are copied to
quarantine first, where nobody but the operator reads them for 30 days. Each call may be repeated:
killed anywhere, all of them are made again. In a bucket that keeps versions, the removed ones stay
until its lifecycle rule takes them.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import get_args

import structlog

from indexer.errors import PermanentError, TransientError
from offchain.media.calls import StoreAway
from offchain.media.kinds import ACCEPTED
from offchain.media.rows import File, move, quarantine_key, sibling_key
from offchain.media.settings import SiblingName
from offchain.media.store import MediaStore
from offchain.media.verdicts import again, is_quarantined, removed
from offchain.services import Services

_log = structlog.get_logger(__name__)


def remove(services: Services, file: File) -> None:
    """Remove the objects of a claimed file, or say when to try again.

    Raises:
        StoreAway: The store does not answer: others need not be tried now.
    """
    if services.media is None:
        return
    away: StoreAway | None = None
    try:
        _clear(services.media.store, file, now=services.clock())
    except (TransientError, PermanentError) as error:
        _log.warning(
            "removal_postponed",
            file_id=str(file.id),
            campaign_id=str(file.campaign_id),
            error=type(error).__name__,
            why=str(error),
        )
        columns = again(file, now=services.clock())
        away = error if isinstance(error, StoreAway) else None
    else:
        _log.info("object_removed", file_id=str(file.id), state=file.state)
        columns = removed(file, now=services.clock())
    with services.engine.begin() as connection:
        move(connection, file, columns)  # moved by another: it is removed again by them
    if away is not None:
        raise away


def _clear(store: MediaStore, file: File, *, now: datetime) -> None:
    is_kept = is_quarantined(file, now=now)
    if is_kept and file.source_etag is not None:
        # What is there and is not what failed came later, by the same URL: nobody keeps it.
        store.copy(file.object_key, quarantine_key(file.object_key), etag=file.source_etag)
    for key in _keys(file):
        store.remove(key)
    if file.state in {"failed", "removed"} and not is_kept:
        store.remove(quarantine_key(file.object_key))


def _keys(file: File) -> Iterator[str]:
    """The keys of all that the public may find of a file, whatever the settings were."""
    yield file.object_key
    if ACCEPTED[file.declared_type].family == "image":
        for name in get_args(SiblingName):
            yield sibling_key(file.object_key, name)
