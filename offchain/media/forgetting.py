"""Forget who sent a file and from where: after a while, or when their owner asks."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, select

from indexer.db.choosing import chosen_once
from offchain.media.tables import file_uploaders

KEPT: Final = timedelta(days=90)


def forget_old(connection: Connection, *, now: datetime, limit: int) -> int:
    """Erase the uploaders of files that were declared so long ago; returns how many."""
    columns = file_uploaders.c
    old = select(columns.file_id).where(columns.created_at <= now - KEPT)
    chosen = old.order_by(columns.created_at).limit(limit).with_for_update(skip_locked=True)
    gone = delete(file_uploaders).where(columns.file_id.in_(chosen_once(chosen)))
    return connection.execute(gone).rowcount


def erase_uploader(connection: Connection, name: str) -> int:
    """Erase all that is kept of one uploader, by name; returns of how many files.

    The files stay: they are their campaigns'.
    """
    gone = delete(file_uploaders).where(file_uploaders.c.uploader == name)
    return connection.execute(gone).rowcount
