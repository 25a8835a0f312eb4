"""Remove the objects of files that were refused, or never came while they could.

That an object must go is committed with the verdict; here the store is told, until it has said so
after the last moment at which one could still come. In a bucket that keeps versions, the removed
ones stay until its lifecycle rule takes them.
"""

import structlog

from indexer.errors import PermanentError, TransientError
from offchain.media.rows import File, move
from offchain.media.verdicts import again, removed
from offchain.services import Services

_log = structlog.get_logger(__name__)


def remove(services: Services, file: File) -> None:
    """Remove the object of a claimed file, or say when to try again."""
    if services.media is None:
        return
    try:
        services.media.store.remove(file.object_key)
    except (TransientError, PermanentError) as error:
        _log.warning("removal_postponed", file_id=str(file.id), error=type(error).__name__)
        columns = again(file, now=services.clock())
    else:
        _log.info("object_removed", file_id=str(file.id))
        columns = removed(file, now=services.clock())
    with services.engine.begin() as connection:
        move(connection, file, columns)  # moved by another: it is removed again by them
