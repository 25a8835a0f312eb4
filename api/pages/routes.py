"""``GET /campaigns/{slug}``, and the files that pages use."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from api.caching import answer_unless_held
from api.dependencies import Reader, Reading
from api.errors import not_found
from api.pages.assets import CACHE_CONTROL
from api.pages.campaign import show_campaign
from api.pages.headers import NO_SNIFFING
from api.pages.media import Media, arrange
from api.pages.negotiation import choose_language, prefers_json
from api.pages.site import Edition, Site
from api.pages.uploading import accepted, accepted_names, upload_configuration
from api.reads.campaigns import fetch_campaign, show_campaigns
from api.reads.files import ShownFile, fetch_files
from api.schemas.campaigns import CampaignAnswer
from offchain.http.problems import RETRY_AFTER_S, database_away

HTML = "text/html; charset=utf-8"
VARY = "Accept-Language"
NO_MEDIA = Media(cover=None, gallery=(), documents=())

router = APIRouter(include_in_schema=False)


@router.api_route("/campaigns/{slug}", methods=["GET", "HEAD"])
def campaign_page(request: Request, reader: Reading, slug: str) -> Response:
    """One campaign, for people."""
    site: Site = request.app.state.site
    edition = _edition(request, site)
    try:
        found = _read(reader, slug)
    except (OperationalError, InterfaceError, PoolTimeoutError):
        if prefers_json(request.headers.get("accept")):
            raise database_away() from None
        return _problem_page(request, site, edition, HTTPStatus.SERVICE_UNAVAILABLE)
    if found is None:
        if prefers_json(request.headers.get("accept")):
            raise not_found("campaign")
        return _problem_page(request, site, edition, HTTPStatus.NOT_FOUND)
    body = edition.render("campaign.html", **_values(request, site, edition, *found))
    headers = {**site.headers, "Vary": VARY, "Content-Language": edition.language.tag}
    return answer_unless_held(request, body, media_type=HTML, headers=headers)


@router.api_route("/static/{name}", methods=["GET", "HEAD"])
def static_file(request: Request, name: str) -> Response:
    """A file that pages use, to be kept for ever.

    Raises:
        ProblemError: 404, there is none of this name.
    """
    site: Site = request.app.state.site
    asset = site.assets.find(name)
    if asset is None:
        raise not_found("file")
    headers = {
        "Cache-Control": CACHE_CONTROL,
        "Cross-Origin-Resource-Policy": "same-origin",
        **NO_SNIFFING,
    }
    return Response(asset.body, media_type=asset.media_type, headers=headers)


def _edition(request: Request, site: Site) -> Edition:
    asked = request.query_params.get("lang")
    return site.edition(choose_language(asked, request.headers.get("accept-language")))


def _read(reader: Reader, slug: str) -> tuple[CampaignAnswer, list[ShownFile]] | None:
    """A campaign and its files as of one instant; None when there is none."""
    with reader.snapshot() as snapshot:
        row = fetch_campaign(snapshot, slug)
        if row is None:
            return None
        (campaign,) = show_campaigns(snapshot, [row], reader.tokens)
        chains = [] if row.chain_id is None else [row.chain_id]
        answer = CampaignAnswer(**dict(campaign), as_of=snapshot.as_of(chains))
        return answer, list(fetch_files(snapshot, row.id))


def _values(
    request: Request,
    site: Site,
    edition: Edition,
    campaign: CampaignAnswer,
    files: list[ShownFile],
) -> dict[str, Any]:
    """What the template is filled with."""
    translate = edition.translations.ugettext
    return {
        "path": f"/campaigns/{campaign.slug}",
        "asked": request.query_params.get("lang"),
        "campaign": show_campaign(campaign, edition.formats, site.clock()),
        "media": NO_MEDIA if site.urls is None else arrange(files, site.urls, edition.formats),
        "takes_files": site.urls is not None,
        "accepted": accepted(),
        "accepted_names": accepted_names(),
        "configuration": upload_configuration(
            translate, write_api=site.write_api, campaign=campaign.slug
        ),
    }


def _problem_page(request: Request, site: Site, edition: Edition, status: HTTPStatus) -> Response:
    body = edition.render("problem.html", path=request.url.path, status=status.value)
    headers = {
        **site.headers,
        "Cache-Control": "no-store",
        "Vary": f"Accept, {VARY}",
        "Content-Language": edition.language.tag,
    }
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return Response(body, status_code=status, media_type=HTML, headers=headers)
