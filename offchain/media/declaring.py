"""Declare an upload: its row, and who sends it from where, before there is any URL."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import Connection, and_, func, insert, or_, select

from offchain.media.kinds import Kind, Purpose
from offchain.media.rows import OPEN, PUBLIC, File, read_file
from offchain.media.tables import file_uploaders, files
from offchain.tables import campaigns

URL_LIFE: Final = timedelta(hours=1)
FIRST_LOOK_AFTER: Final = timedelta(seconds=60)
"""When a file is looked for that nobody said came."""
FILES_MAX: Final = 200
"""Of one campaign that are shown or on their way: a leaked link fills no more."""
DECLARED_PER_HOUR_MAX: Final = 400
"""Of one campaign, whatever came of them."""
OPERATOR: Final = "operator"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is going to be uploaded.

    Attributes:
        file_id: Ours; uuid4.
        campaign_id: Of which campaign.
        purpose: What it is for.
        kind: What it is said to be.
        size_bytes: Exactly.
        sha256: Of its bytes, where the uploader knows.
    """

    file_id: UUID
    campaign_id: UUID
    purpose: Purpose
    kind: Kind
    size_bytes: int
    sha256: bytes | None


@dataclass(frozen=True, slots=True)
class Uploader:
    """Who asks, and from where: kept apart from the file, and not for long."""

    name: str
    address: str | None


@dataclass(frozen=True, slots=True)
class Campaign:
    """The campaign a file is for."""

    id: UUID
    slug: str
    creator: str


Full = Literal["too_many_files", "too_many_an_hour"]
"""Why a campaign takes no more files for now."""


def find_campaign(connection: Connection, name: str) -> Campaign | None:
    """Find a campaign by slug or id; None when there is none."""
    try:
        which = campaigns.c.id == UUID(name)  # no slug reads as a UUID
    except ValueError:
        which = campaigns.c.slug == name
    columns = (campaigns.c.id, campaigns.c.slug, campaigns.c.creator)
    row = connection.execute(select(*columns).where(which)).first()
    return None if row is None else Campaign(*row)


def declare(
    connection: Connection, declaration: Declaration, uploader: Uploader, *, now: datetime
) -> File | Full:
    """Write down an upload that may begin once this is committed.

    Args:
        connection: The caller's transaction.
        declaration: What is going to come.
        uploader: Who sends it.
        now: Business time.
    """
    campaign_id, file_id = declaration.campaign_id, declaration.file_id
    full = _is_full(connection, campaign_id, now)
    if full is not None:
        return full
    key = f"{PUBLIC}{campaign_id}/{file_id}.{declaration.kind.extension}"
    connection.execute(
        insert(files).values(
            id=file_id,
            campaign_id=campaign_id,
            purpose=declaration.purpose,
            object_key=key,
            declared_type=declaration.kind.content_type,
            declared_bytes=declaration.size_bytes,
            declared_sha256=declaration.sha256,
            url_expires_at=now + URL_LIFE,
            next_try_at=now + FIRST_LOOK_AFTER,
            created_at=now,
        )
    )
    connection.execute(
        insert(file_uploaders).values(
            file_id=file_id, uploader=uploader.name, address=uploader.address, created_at=now
        )
    )
    file = read_file(connection, file_id)
    if file is None:
        raise LookupError(f"file {file_id} is not there after it was written")
    return file


def _is_full(connection: Connection, campaign_id: UUID, now: datetime) -> Full | None:
    """Count under the campaign's lock, so that two at once do not both find the last place."""
    campaign = select(campaigns.c.id).where(campaigns.c.id == campaign_id)
    connection.execute(campaign.with_for_update(key_share=True))
    is_recent = files.c.created_at > now - timedelta(hours=1)
    takes_room = files.c.state.in_((*OPEN, "ready"))
    counted = select(func.count().filter(takes_room), func.count().filter(is_recent)).where(
        and_(files.c.campaign_id == campaign_id, or_(takes_room, is_recent))
    )
    in_bucket, recent = connection.execute(counted).one()
    if in_bucket >= FILES_MAX:
        return "too_many_files"
    return "too_many_an_hour" if recent >= DECLARED_PER_HOUR_MAX else None
