"""Take a file down that must not be shown any more, and keep who wanted that, and why."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import structlog
from sqlalchemy import Connection, insert, select

from offchain.media.rows import OPEN, move, read_file
from offchain.media.tables import file_removals, files
from offchain.media.verdicts import taken_down

TakenDown = Literal["taken_down", "already", "unknown", "undecided", "never_shown"]
"""undecided: nobody knows yet what came; never_shown: it was refused or never came."""

_log = structlog.get_logger(__name__)


def take_down(
    connection: Connection, file_id: UUID, *, by: str, reason: str, now: datetime
) -> TakenDown:
    """Take a file down: pages show it no more, and the worker removes its objects.

    Args:
        connection: The caller's transaction.
        file_id: Which.
        by: Who wants that.
        reason: Why; neither is ever shown to the public.
        now: Business time.
    """
    connection.execute(select(files.c.id).where(files.c.id == file_id).with_for_update())
    file = read_file(connection, file_id)
    if file is None:
        return "unknown"
    if file.state == "removed":
        return "already"
    if file.state in OPEN:
        return "undecided"
    if file.state not in {"ready", "failed"}:
        return "never_shown"
    move(connection, file, taken_down(file, now=now))
    connection.execute(
        insert(file_removals).values(file_id=file_id, removed_by=by, reason=reason, created_at=now)
    )
    _log.info("file_taken_down", file_id=str(file_id), campaign_id=str(file.campaign_id))
    return "taken_down"
