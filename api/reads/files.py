"""Creators' files that can be shown: what is not ready, or never will be, is not read at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import select

from api.freshness import Snapshot
from offchain.media.tables import files

FILES_MAX: Final = 200
"""Files of one campaign that are shown; the oldest beyond are left out."""


@dataclass(frozen=True, slots=True)
class Sibling:
    """The same picture in another format."""

    object_key: str
    media_type: str


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A file whose bytes were looked at."""

    id: UUID
    purpose: str
    media_type: str
    object_key: str
    etag: str
    size_bytes: int
    width: int | None
    """As shown, in pixels; None when it is no picture."""
    height: int | None
    siblings: tuple[Sibling, ...]


def fetch_files(snapshot: Snapshot, campaign_id: UUID) -> Sequence[ShownFile]:
    """Read a campaign's files, newest first."""
    columns = files.c
    rows = snapshot.connection.execute(
        select(
            columns.id,
            columns.purpose,
            columns.declared_type,
            columns.object_key,
            columns.etag,
            columns.stored_bytes,
            columns.width,
            columns.height,
            columns.siblings,
        )
        .where(columns.campaign_id == campaign_id, columns.state == "ready")
        .order_by(columns.created_at.desc(), columns.id.desc())
        .limit(FILES_MAX)
    )
    return [
        ShownFile(
            id=row.id,
            purpose=row.purpose,
            media_type=row.declared_type,
            object_key=row.object_key,
            etag=row.etag,
            size_bytes=row.stored_bytes,
            width=row.width,
            height=row.height,
            siblings=tuple(Sibling(one["key"], one["type"]) for one in row.siblings),
        )
        for row in rows
    ]
