"""``/v1/media``: say what will be uploaded, hear where to, and ask what came of it.

No byte of a file comes here: browsers send them straight to the store, by a URL that is signed for
one object of one size and type and is good for an hour. The row is committed before its URL exists.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID, uuid4

import structlog
from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import Connection

from indexer.errors import InvariantError, PermanentError, TransientError
from offchain.http.idempotency import Replay, Scoped, begin
from offchain.http.media_bodies import (
    CampaignName,
    LinkBody,
    LinkView,
    MediaBody,
    MediaView,
    NewMediaView,
    OptionalKey,
    media_view,
    new_media_view,
)
from offchain.http.problems import (
    RETRY_AFTER_S,
    FaultyField,
    ProblemError,
    invalid_request,
)
from offchain.http.state import HttpState, State, Uploading, require_operator, who_uploads
from offchain.media.addresses import client_address
from offchain.media.declaring import (
    OPERATOR,
    Campaign,
    Declaration,
    Full,
    Uploader,
    declare,
    find_campaign,
)
from offchain.media.kinds import ACCEPTED, Kind, purpose_fault
from offchain.media.opening import Media
from offchain.media.rows import OPEN, File, hint, read_file
from offchain.media.store import Put
from offchain.media.tokens import Grant, sign_token, upload_link

PATH = "/v1/media"
SCOPE = "POST /v1/media"

router = APIRouter(tags=["media"])

_log = structlog.get_logger(__name__)

_FULL: dict[Full, str] = {
    "too_many_files": "It has as many files as one campaign may have.",
    "too_many_an_hour": "So many were asked for within an hour; try again later.",
}


def media_of(state: State) -> Media:
    """The bucket.

    Raises:
        ProblemError: 404 while none is set.
    """
    if state.services.media is None:
        raise ProblemError(
            HTTPStatus.NOT_FOUND,
            "media-disabled",
            title="No files are taken here",
            detail="The operator has set no bucket.",
        )
    return state.services.media


Bucket = Annotated[Media, Depends(media_of)]
_UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such file, or no files are taken."}
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for an upload, from where, and whether for the same one again."""

    who: Uploading
    address: str | None
    key: str | None


def asked_by(
    request: Request,
    state: State,
    who: Annotated[Uploading, Depends(who_uploads)],
    key: OptionalKey = None,
) -> Asked:
    """Gather what an upload's row needs to know of the request."""
    address = client_address(
        None if request.client is None else request.client.host,
        request.headers.getlist("x-forwarded-for"),
        trusted=state.uploads.trusted_proxies,
    )
    return Asked(who, address, key)


@router.post(PATH, operation_id="createMedia", status_code=HTTPStatus.CREATED)
def create_media(
    body: MediaBody,
    state: State,
    media: Bucket,
    asked: Annotated[Asked, Depends(asked_by)],
    response: Response,
) -> NewMediaView:
    """Declare a file and get the one request that uploads it; needs an upload link's token."""
    kind = _kind(body)
    with state.services.engine.begin() as connection:
        campaign = _campaign(connection, body.campaign, asked.who)
        file = _find_or_declare(connection, body, campaign, asked, now=state.services.clock())
    response.headers["Cache-Control"] = "no-store"
    return _signed(file, kind, media, state)


@router.post(
    f"{PATH}/{{media_id}}/uploaded",
    operation_id="mediaUploaded",
    status_code=HTTPStatus.ACCEPTED,
    responses=_UNKNOWN,
)
def media_uploaded(media_id: UUID, state: State, media: Bucket, response: Response) -> MediaView:
    """Say that a file was uploaded. It is a hint: what is in the store decides."""
    with state.services.engine.begin() as connection:
        is_moved = hint(connection, media_id, now=state.services.clock())
        view = _view(connection, read_file(connection, media_id), media)
    if is_moved:  # else it is due or decided anyway: whoever says so again wakes nobody
        state.bell.ring_file(media_id)
    response.headers["Cache-Control"] = "no-store"
    return view


@router.get(f"{PATH}/{{media_id}}", operation_id="readMedia", responses=_UNKNOWN)
def read_media(media_id: UUID, state: State, media: Bucket, response: Response) -> MediaView:
    """What came of a file: whoever has the id may ask."""
    response.headers["Cache-Control"] = "no-store"
    with state.services.engine.connect() as connection:
        return _view(connection, read_file(connection, media_id), media)


@router.post(
    "/v1/campaigns/{campaign}/upload-links",
    operation_id="createUploadLink",
    status_code=HTTPStatus.CREATED,
    dependencies=[Depends(require_operator), Depends(media_of)],
)
def create_upload_link(
    campaign: CampaignName, state: State, response: Response, body: LinkBody | None = None
) -> LinkView:
    """Make a link by which the creator of one campaign uploads to it, and to no other."""
    secret = state.uploads.secret
    if secret is None:
        raise ProblemError(
            HTTPStatus.NOT_FOUND,
            "upload-links-disabled",
            title="There are no upload links here",
            detail="The operator has set no LASTRO_UPLOAD_SECRET.",
        )
    with state.services.engine.connect() as connection:
        found = find_campaign(connection, campaign)
    if found is None:
        raise _campaign_unknown()
    life = timedelta(seconds=(body or LinkBody()).expires_in_s)
    end = (state.services.clock() + life).replace(microsecond=0)
    token = sign_token(Grant(found.id, end), secret=secret.get_secret_value().encode())
    response.headers["Cache-Control"] = "no-store"
    url = upload_link(state.uploads.pages_url, found.slug, token)
    return LinkView(url=url, expires_at=end)


def _kind(body: MediaBody) -> Kind:
    kind = ACCEPTED.get(body.content_type.lower())
    if kind is None:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "type-not-accepted",
            title="Files of this type are not taken",
            detail=f"Taken are: {', '.join(ACCEPTED)}.",
            errors=[FaultyField("is not taken", pointer="#/content_type")],
            extra={"accepted": list(ACCEPTED)},
        )
    fault = purpose_fault(body.purpose, kind)
    if fault is not None:
        raise invalid_request([FaultyField(fault, pointer="#/purpose")])
    return kind


def _campaign(connection: Connection, name: str, who: Uploading) -> Campaign:
    campaign = find_campaign(connection, name)
    if isinstance(who, Grant) and (campaign is None or campaign.id != who.campaign_id):
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "upload-not-granted",
            title="This link is another campaign's",
            detail="Upload to the campaign whose link this is.",
        )
    if campaign is None:
        raise _campaign_unknown()
    return campaign


def _campaign_unknown() -> ProblemError:
    return ProblemError(
        HTTPStatus.NOT_FOUND, "campaign-unknown", detail="No campaign has this name."
    )


def _find_or_declare(
    connection: Connection, body: MediaBody, campaign: Campaign, asked: Asked, *, now: datetime
) -> File:
    """Write the row, or find the one that an earlier try with the same key wrote."""
    if asked.key is None:
        return _declared(connection, uuid4(), body, campaign, asked, now=now)
    scoped = Scoped(f"{SCOPE} {campaign.id}", asked.key, body.model_dump_json())
    # No answer is kept and there is no lock: a signed URL is a secret, and gets old.
    begun = begin(connection, scoped, lock=timedelta(0))
    if isinstance(begun, Replay):
        raise InvariantError("an answer was kept that nobody keeps")
    known = read_file(connection, begun.subject_id)
    return known or _declared(connection, begun.subject_id, body, campaign, asked, now=now)


def _declared(
    connection: Connection,
    file_id: UUID,
    body: MediaBody,
    campaign: Campaign,
    asked: Asked,
    *,
    now: datetime,
) -> File:
    declaration = Declaration(
        file_id=file_id,
        campaign_id=campaign.id,
        purpose=body.purpose,
        kind=ACCEPTED[body.content_type.lower()],
        size_bytes=body.size_bytes,
        sha256=None if body.sha256 is None else bytes.fromhex(body.sha256),
    )
    name = campaign.creator if isinstance(asked.who, Grant) else OPERATOR
    done = declare(connection, declaration, Uploader(name, asked.address), now=now)
    if isinstance(done, File):
        return done
    raise ProblemError(
        HTTPStatus.CONFLICT,
        done.replace("_", "-"),
        title="The campaign takes no more files now",
        detail=_FULL[done],
    )


def _signed(file: File, kind: Kind, media: Media, state: HttpState) -> NewMediaView:
    life = file.url_expires_at - state.services.clock()
    if file.state not in OPEN or life < timedelta(seconds=1):
        raise ProblemError(
            HTTPStatus.CONFLICT,
            "upload-over",
            title="This upload is over",
            detail="Declare the file again, under a new Idempotency-Key.",
        )
    put = Put(file.object_key, kind, file.declared_bytes, file.declared_sha256)
    try:
        signed = media.store.sign_put(put, life=life)
    except (TransientError, PermanentError) as error:
        _log.error(
            "upload_not_signed", file_id=str(file.id), error=type(error).__name__, why=str(error)
        )
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "store-unavailable",
            title="No upload can be signed now",
            detail="Send the same request again.",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        ) from None
    _log.info("upload_signed", file_id=str(file.id), size_bytes=file.declared_bytes)
    return new_media_view(file, signed, public_url=state.public_url)


def _view(connection: Connection, file: File | None, media: Media) -> MediaView:
    campaign = None if file is None else find_campaign(connection, str(file.campaign_id))
    if file is None or campaign is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "media-unknown", detail="No file has this id.")
    return media_view(file, campaign=campaign.slug, urls=media.urls)
