"""What an uploader sends and is shown."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Header
from pydantic import AfterValidator, AwareDatetime, Field, StrictInt, StringConstraints

from offchain.http.fields import Body, refuse_card_number
from offchain.media.kinds import ACCEPTED, BYTES_MAX, Purpose
from offchain.media.rows import File, Processed, State
from offchain.media.store import SignedPut
from offchain.media.tokens import LIFE_DEFAULT, LIFE_MAX
from offchain.media.urls import PublicUrls

LINK_SECONDS_MIN = 60
_TYPE_CHARACTERS_MAX = 100

OptionalKey = Annotated[
    Annotated[str, AfterValidator(refuse_card_number)] | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key and body again give the same upload, signed anew.",
    ),
]
CampaignName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$"),
    Field(description="Slug or id of the campaign."),
]


class MediaBody(Body):
    """A file that is going to be uploaded."""

    campaign: CampaignName
    purpose: Purpose = Field(description="What it is for; a cover is an image.")
    content_type: str = Field(
        max_length=_TYPE_CHARACTERS_MAX,
        description=f"Media type, one of: {', '.join(ACCEPTED)}.",
    )
    size_bytes: Annotated[
        StrictInt, Field(ge=1, le=BYTES_MAX, description="Exactly as many as will come.")
    ]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{64}$")] | None = Field(
        None, description="Of its bytes, in hex: the store then takes no others."
    )


class UploadView(Body):
    """The one request that the store takes."""

    method: Literal["PUT"] = "PUT"
    url: str = Field(repr=False)
    headers: dict[str, str] = Field(
        description="All of them must be sent; browsers send Content-Length by themselves."
    )
    expires_at: AwareDatetime


class NewMediaView(Body):
    """A file that may be uploaded now."""

    id: UUID
    state: State
    key: str
    upload: UploadView
    status_url: str


class MediaView(Body):
    """Where a file is."""

    id: UUID
    campaign: str = Field(description="Slug of the campaign.")
    purpose: Purpose
    state: State
    reason: str | None = Field(description="Why it is refused, failed, expired or removed.")
    content_type: str
    size_bytes: int = Field(description="As it is shown, or before that as it was declared.")
    width: int | None
    height: int | None
    processed: Processed | None = Field(
        description="As it came, made smaller, or freed of metadata."
    )
    url: str | None = Field(description="Null until it is ready.")
    created_at: AwareDatetime


class LinkBody(Body):
    """A link that lets a campaign's creator upload."""

    expires_in_s: Annotated[
        StrictInt, Field(ge=LINK_SECONDS_MIN, le=int(LIFE_MAX.total_seconds()))
    ] = int(LIFE_DEFAULT.total_seconds())


class LinkView(Body):
    """A link as good as a key to its campaign's files: for its creator only."""

    url: str = Field(repr=False)
    expires_at: AwareDatetime


def new_media_view(file: File, signed: SignedPut, *, public_url: str) -> NewMediaView:
    """What its uploader does next."""
    return NewMediaView(
        id=file.id,
        state=file.state,
        key=file.object_key,
        upload=UploadView(
            url=signed.url, headers=dict(signed.headers), expires_at=file.url_expires_at
        ),
        status_url=f"{public_url}/v1/media/{file.id}",
    )


def media_view(file: File, *, campaign: str, urls: PublicUrls) -> MediaView:
    """Where a file is, and where the public finds it once it is ready."""
    is_ready = file.state == "ready"
    return MediaView(
        id=file.id,
        campaign=campaign,
        purpose=file.purpose,
        state=file.state,
        reason=file.reason,
        content_type=file.declared_type,
        size_bytes=file.declared_bytes if file.stored_bytes is None else file.stored_bytes,
        width=file.width,
        height=file.height,
        processed=file.processed if is_ready else None,
        url=urls.of(file.object_key, file.etag) if is_ready else None,
        created_at=file.created_at,
    )
