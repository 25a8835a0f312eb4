"""Rows of files: read them, and move them by compare-and-set.

Whoever works on a file has it for a lease, and anyone may take it afterwards; only who still holds
its version moves it. So a file is decided once, whoever dies in between.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, RowMapping, func, literal, or_, select, update

from indexer.db.choosing import chosen_once
from indexer.db.columns import UTC_TIME
from offchain.media.kinds import Purpose
from offchain.media.tables import files

State = Literal[
    "pending", "uploaded", "processing", "ready", "refused", "failed", "expired", "removed"
]
Processed = Literal["untouched", "compressed", "stripped"]
Removal = Literal["due", "done"]

LEASE: Final = timedelta(minutes=3)
"""Longer than a job may take: what a worker took and did not end is due again after this."""
PUBLIC: Final = "media/"
"""What keys begin with that anybody may read who knows them."""
QUARANTINE: Final = "quarantine/"
OPEN: Final[tuple[State, ...]] = ("pending", "uploaded", "processing")
"""Nobody knows yet what came."""
GONE: Final[tuple[State, ...]] = ("refused", "failed", "expired", "removed")
"""No object is to be there for the public."""


@dataclass(frozen=True, slots=True)
class Sibling:
    """A further form of a picture."""

    key: str
    type: str
    bytes: int


@dataclass(frozen=True, slots=True)
class File:
    """One declared upload, and what came of it."""

    id: UUID
    campaign_id: UUID
    purpose: Purpose
    object_key: str
    declared_type: str
    declared_bytes: int
    declared_sha256: bytes | None
    state: State
    reason: str | None
    version: int
    source_etag: str | None
    etag: str | None
    stored_bytes: int | None
    width: int | None
    height: int | None
    processed: Processed | None
    siblings: tuple[Sibling, ...]
    removal: Removal | None
    url_expires_at: datetime
    uploaded_at: datetime | None
    tries: int
    engine_failures: int
    created_at: datetime
    decided_at: datetime | None


def sibling_key(object_key: str, name: str) -> str:
    """The key of a picture's further form."""
    return f"{object_key}.{name}"


def quarantine_key(object_key: str) -> str:
    """Where the bytes of a failed file lie, which nobody but the operator reads."""
    return f"{QUARANTINE}{object_key.removeprefix(PUBLIC)}"


_NAMES = tuple(File.__dataclass_fields__)
_COLUMNS = tuple(files.c[name] for name in _NAMES)


def file_of(row: RowMapping) -> File:
    """Build a file from a row with at least these columns."""
    values: dict[str, Any] = {name: row[name] for name in _NAMES}
    siblings = tuple(Sibling(**sibling) for sibling in values.pop("siblings"))
    return File(siblings=siblings, **values)


def read_file(connection: Connection, file_id: UUID) -> File | None:
    """Read one file; None when there is none."""
    row = connection.execute(select(*_COLUMNS).where(files.c.id == file_id)).mappings().first()
    return None if row is None else file_of(row)


def files_of(connection: Connection, campaign_id: UUID, *, limit: int) -> list[File]:
    """The files of a campaign, the newest first."""
    query = (
        select(*_COLUMNS)
        .where(files.c.campaign_id == campaign_id)
        .order_by(files.c.created_at.desc(), files.c.id)
        .limit(limit)
    )
    return [file_of(row) for row in connection.execute(query).mappings()]


def move(connection: Connection, file: File, columns: Mapping[str, object]) -> File | None:
    """Move a file if nobody moved it since it was read; None: leave it, another has it.

    Who says when it is to be tried next, if ever, has laid it down.
    """
    laid_down = {"is_taken": False} if "next_try_at" in columns else {}
    moved = connection.execute(
        update(files)
        .where(files.c.id == file.id, files.c.version == file.version)
        .values({**columns, **laid_down, "version": file.version + 1})
        .returning(*_COLUMNS)
    ).mappings()
    row = moved.first()
    return None if row is None else file_of(row)


def claim_undecided(
    connection: Connection, *, now: datetime, only: UUID | None = None
) -> File | None:
    """Take the file that has waited longest to be decided; no other worker takes it.

    Args:
        connection: A transaction of its own: the claim stands when that commits.
        now: Business time.
        only: Take this one or none.
    """
    return _claim(connection, files.c.decided_at.is_(None), now=now, only=only)


def claim_removal(
    connection: Connection, *, now: datetime, only: UUID | None = None
) -> File | None:
    """Take a file whose object must go, as ``claim_undecided`` does."""
    return _claim(connection, files.c.removal == "due", now=now, only=only)


def hint(connection: Connection, file_id: UUID, *, now: datetime) -> bool:
    """Have a file looked at soon, because somebody says that it came.

    Nothing is believed, and nothing moves that is due anyway, is being worked on, or is decided:
    a smaller picture that we write ourselves is announced too, and anybody may say anything.

    Returns:
        Whether it moved; there may be no such file.
    """
    return _hint(connection, files.c.id == file_id, now)


def hint_by_key(connection: Connection, object_key: str, *, now: datetime) -> bool:
    """Do the same for the store's word about an object; one that is to be gone is removed again.

    Returns:
        Whether there was anything to move.
    """
    came_late = connection.execute(
        update(files)
        .where(files.c.object_key == object_key, files.c.state.in_(GONE))
        .values(removal="due", next_try_at=now, is_taken=False, version=files.c.version + 1)
    )
    return _hint(connection, files.c.object_key == object_key, now) or bool(came_late.rowcount)


def _hint(connection: Connection, which: ColumnElement[bool], now: datetime) -> bool:
    # Not one that a worker looks at just now: its work would be void. What came in between, and was
    # not seen, is found a minute later.
    waits = files.c.state == "pending", files.c.next_try_at > now, files.c.is_taken.is_(False)
    moved = connection.execute(
        update(files)
        .where(which, *waits)
        .values(
            state="uploaded",
            tries=0,
            uploaded_at=func.coalesce(files.c.uploaded_at, literal(now, UTC_TIME)),
            next_try_at=now,
            version=files.c.version + 1,
        )
    )
    return bool(moved.rowcount)


def _claim(
    connection: Connection, which: ColumnElement[bool], *, now: datetime, only: UUID | None
) -> File | None:
    due = (
        select(files.c.id)
        .where(which, files.c.next_try_at <= now, or_(literal(only is None), files.c.id == only))
        .order_by(files.c.next_try_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    claimed = connection.execute(
        update(files)
        .where(files.c.id.in_(chosen_once(due)))
        .values(
            next_try_at=now + LEASE,
            is_taken=True,
            tries=files.c.tries + 1,
            version=files.c.version + 1,
        )
        .returning(*_COLUMNS)
    ).mappings()
    row = claimed.first()
    return None if row is None else file_of(row)
