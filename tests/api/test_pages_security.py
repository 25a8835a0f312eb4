from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from api.app import create_app
from api.pages.headers import content_security_policy
from api.settings import ApiSettings
from offchain.media.urls import PublicUrls
from tests.api import builders as b
from tests.api.page_elements import Page
from tests.api.page_rows import add_file, page_settings
from tests.api.serving import Stage

URLS = PublicUrls(
    base="https://cdn.example.org/files",
    origin="https://cdn.example.org",
    upload_origin="https://lastro.store.example.org",
)


@pytest.fixture
def pages(
    stage: Stage, database_url: str, tmp_path: Path, login_engine: Engine
) -> Iterator[httpx.Client]:
    with login_engine.begin() as rows:
        campaign_id = b.add_campaign(rows)
        add_file(rows, campaign_id, purpose="cover")
        add_file(rows, campaign_id)
    with stage.showing(create_app(page_settings(database_url, tmp_path))) as client:
        yield client


def directives(policy: str) -> dict[str, list[str]]:
    parts = [part.split() for part in policy.split(";")]
    return {name: sources for name, *sources in parts}


def test_policy_lets_in_our_own_script_and_style_and_only_the_origins_of_files() -> None:
    policy = directives(content_security_policy(URLS, write_api="https://pay.example.org/api"))
    assert policy == {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "https://cdn.example.org"],
        "media-src": ["https://cdn.example.org"],
        "connect-src": ["'self'", "https://lastro.store.example.org", "https://pay.example.org"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["'none'"],
    }


def test_policy_names_no_other_origin_while_there_are_no_files() -> None:
    policy = content_security_policy(None, write_api="https://pay.example.org")
    assert "http" not in policy


def test_every_page_carries_the_headers_that_bind_a_browser(pages: httpx.Client) -> None:
    for path in ("/campaigns/solar", "/campaigns/nothing"):
        headers = pages.get(path).headers
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        policy = directives(headers["content-security-policy"])
        assert policy["img-src"] == ["'self'", "https://cdn.example.org"]
        assert policy["connect-src"] == [
            "'self'",
            "https://lastro.store.example.org",
            "https://pay.example.org",
        ]


def test_page_holds_nothing_that_the_policy_would_block(pages: httpx.Client) -> None:
    answer = pages.get("/campaigns/solar")
    policy = directives(answer.headers["content-security-policy"])
    page = Page(answer.text)
    for one in page.elements:
        assert not [name for name in one.attributes if name.startswith("on")], one
        assert "style" not in one.attributes, one
    assert not list(page.all("style"))
    (script,) = page.all("script")
    assert (script["type"], script.text) == ("module", "")
    for one in page.all("img"):
        origin = "/".join(one["src"].split("/")[:3])
        assert one["src"].startswith("/static/") or origin in policy["img-src"]


def test_static_files_are_kept_for_ever_under_the_digest_of_their_bytes(
    pages: httpx.Client,
) -> None:
    page = Page(pages.get("/campaigns/solar").text)
    named = [page.one("link", rel="stylesheet")["href"], page.one("link", rel="icon")["href"]]
    named.append(page.one("script")["src"])
    kinds = ["text/css; charset=utf-8", "image/svg+xml", "text/javascript; charset=utf-8"]
    for path, kind in zip(named, kinds, strict=True):
        answer = pages.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == kind
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        stem, digest, suffix = path.rpartition("/")[2].split(".")
        other = f"/static/{stem}.{'0' * len(digest)}.{suffix}"
        for missing in (other, f"/static/{stem}.{suffix}", "/static/..%2fsettings.py"):
            gone = pages.get(missing)
            assert gone.status_code == 404
            assert "immutable" not in gone.headers.get("cache-control", "")


def test_api_is_configured_without_anything_that_could_write_to_the_store() -> None:
    named = {str(field.validation_alias) for field in ApiSettings.model_fields.values()}
    assert {"LASTRO_S3_BUCKET", "LASTRO_CDN_BASE_URL", "LASTRO_PUBLIC_URL"} <= named
    secret = {name for name in named if "KEY" in name or "SECRET" in name or "TOKEN" in name}
    assert secret == {"LASTRO_CURSOR_SECRET"}
