"""``/v1/media`` over real HTTP: who may upload what, and what anyone is told."""

import json
import uuid
from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select

from offchain.http.app import create_app
from offchain.jobs.sweeps.media import decide_one
from offchain.media.kinds import ACCEPTED, BYTES_MAX
from offchain.media.store import SignedPut
from offchain.media.tables import file_uploaders, files
from offchain.services import Services
from offchain.settings import HttpSettings
from tests.support.asgi import serving
from tests.support.media import (
    OPERATOR,
    SLUG,
    at,
    body,
    media_of,
    picture,
    problem,
    send,
    token_for,
)
from tests.support.s3 import S3Site


def test_creator_uploads_by_link_and_reads_what_came_of_it(
    http: httpx.Client, services: Services, site: S3Site, campaign_id: uuid.UUID
) -> None:
    link = http.post(f"/v1/campaigns/{SLUG}/upload-links", headers=OPERATOR).json()["url"]
    page, _, token = link.partition("#upload=")
    assert page == f"https://pages.example/campaigns/{SLUG}"
    answer = http.post("/v1/media", json=body(), headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    made = answer.json()
    assert made["state"] == "pending"
    assert made["key"] == f"media/{campaign_id}/{made['id']}.jpg"
    upload = made["upload"]
    assert upload["method"] == "PUT"
    assert send(SignedPut(upload["url"], upload["headers"]), picture()).status_code == 200

    told = http.post(f"/v1/media/{made['id']}/uploaded")
    assert (told.status_code, told.json()["state"]) == (202, "uploaded")
    assert told.json()["url"] is None
    decide_one(services, uuid.UUID(made["id"]))

    view = http.get(httpx.URL(made["status_url"]).path).json()
    assert (view["state"], view["processed"], view["reason"]) == ("ready", "untouched", None)
    assert (view["campaign"], view["purpose"], view["width"], view["height"]) == (
        SLUG, "cover", 40, 30,
    )  # fmt: skip
    shown = httpx.get(view["url"])
    assert (shown.status_code, shown.content) == (200, picture())
    assert view["url"].startswith(f"{site.endpoint_url}/{site.bucket}/{made['key']}?v=")


def test_rows_are_committed_before_the_url_and_keep_who_asked_apart(
    http: httpx.Client, engine: Engine, campaign_id: uuid.UUID
) -> None:
    digest = "AB" * 32
    asked = body(content_type="Image/PNG", size_bytes=BYTES_MAX, sha256=digest)
    made = http.post("/v1/media", json=asked, headers=token_for(campaign_id)).json()
    with engine.connect() as connection:
        row = connection.execute(select(files)).one()
        who = connection.execute(select(file_uploaders)).one()
    assert (str(row.id), row.declared_type, row.declared_bytes) == (
        made["id"], "image/png", BYTES_MAX,
    )  # fmt: skip
    assert row.declared_sha256 == bytes.fromhex(digest)
    assert (str(who.address), who.uploader) == ("127.0.0.1", "Ana")
    assert made["upload"]["headers"]["x-amz-checksum-sha256"]
    end = datetime.fromisoformat(made["upload"]["expires_at"])
    assert end == row.url_expires_at


def test_address_is_the_clients_behind_our_proxy(
    services: Services, http_settings: HttpSettings, engine: Engine, campaign_id: uuid.UUID
) -> None:
    proxied = http_settings.model_copy(update={"trusted_proxies": ("127.0.0.1",)})
    headers = token_for(campaign_id) | {"X-Forwarded-For": "10.9.9.9, 203.0.113.7"}
    with serving(create_app(proxied, services=services)) as client:
        assert client.post("/v1/media", json=body(), headers=headers).status_code == 201
    with engine.connect() as connection:
        assert str(connection.execute(select(file_uploaders.c.address)).scalar_one()) == (
            "203.0.113.7"
        )


@pytest.mark.parametrize(
    "content_type",
    ["image/svg+xml", "text/html", "application/zip", "image/heic", "", "image/jpeg; a=b", "\x00"],
)
@pytest.mark.usefixtures("campaign_id")
def test_other_types_are_refused_with_the_list(http: httpx.Client, content_type: str) -> None:
    answer = http.post("/v1/media", json=body(content_type=content_type), headers=OPERATOR)
    assert (answer.status_code, problem(answer)) == (422, "type-not-accepted")
    assert answer.json()["accepted"] == list(ACCEPTED)
    assert "image/svg+xml" not in answer.json()["accepted"]


@pytest.mark.parametrize("content_type", sorted(ACCEPTED))
@pytest.mark.usefixtures("campaign_id")
def test_every_accepted_type_is_signed(http: httpx.Client, content_type: str) -> None:
    asked = body(content_type=content_type, purpose="document")
    answer = http.post("/v1/media", json=asked, headers=OPERATOR)
    assert answer.status_code == 201
    headers = answer.json()["upload"]["headers"]
    assert headers["Content-Type"] == content_type
    assert ("Content-Disposition" in headers) is not content_type.startswith("image/")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"size_bytes": 0}, "#/size_bytes"),
        ({"size_bytes": BYTES_MAX + 1}, "#/size_bytes"),
        ({"size_bytes": 10**400}, "#/size_bytes"),
        ({"size_bytes": "7"}, "#/size_bytes"),
        ({"size_bytes": 1.5}, "#/size_bytes"),
        ({"size_bytes": None}, "#/size_bytes"),
        ({"purpose": "avatar"}, "#/purpose"),
        ({"content_type": "application/pdf"}, "#/purpose"),
        ({"content_type": "x" * 101}, "#/content_type"),
        ({"content_type": 7}, "#/content_type"),
        ({"campaign": "a\x00b"}, "#/campaign"),
        ({"campaign": "x" * 65}, "#/campaign"),
        ({"campaign": ["a"]}, "#/campaign"),
        ({"more": 1}, "#/more"),
    ],
)
@pytest.mark.usefixtures("campaign_id")
def test_wrong_body_names_its_place_and_writes_nothing(
    http: httpx.Client, engine: Engine, changes: dict[str, Any], pointer: str
) -> None:
    answer = http.post("/v1/media", json=body(**changes), headers=OPERATOR)
    assert (answer.status_code, problem(answer)) == (422, "invalid-request")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert rows(engine) == 0


@pytest.mark.parametrize("digest", ["zz" * 32, "ab", 7, "\x00" * 64])
@pytest.mark.usefixtures("campaign_id")
def test_wrong_hash_is_refused(http: httpx.Client, engine: Engine, digest: Any) -> None:
    answer = http.post("/v1/media", json=body(sha256=digest), headers=OPERATOR)
    assert (answer.status_code, problem(answer)) == (422, "invalid-request")
    assert rows(engine) == 0


def rows(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(files)).scalar_one()


@pytest.mark.usefixtures("campaign_id")
def test_same_key_gives_the_same_upload_signed_anew(
    http: httpx.Client, services: Services, http_settings: HttpSettings, engine: Engine
) -> None:
    headers = OPERATOR | {"Idempotency-Key": "one"}
    first, again = (http.post("/v1/media", json=body(), headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    assert rows(engine) == 1
    other = http.post("/v1/media", json=body(size_bytes=7), headers=headers)
    assert (other.status_code, problem(other)) == (422, "idempotency-key-reused")
    with serving(create_app(http_settings, services=at(services, minutes=61))) as client:
        over = client.post("/v1/media", json=body(), headers=headers)
    assert (over.status_code, problem(over)) == (409, "upload-over")


def test_campaign_that_is_full_is_a_conflict(
    http: httpx.Client, campaign_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("offchain.media.declaring.FILES_MAX", 1)
    headers = token_for(campaign_id)
    assert http.post("/v1/media", json=body(), headers=headers).status_code == 201
    answer = http.post("/v1/media", json=body(), headers=headers)
    assert (answer.status_code, problem(answer)) == (409, "too-many-files")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
)
MEMBERS = ("campaign", "purpose", "content_type", "size_bytes", "sha256")


@pytest.mark.usefixtures("campaign_id")
def test_no_request_breaks_the_endpoint(http: httpx.Client) -> None:
    @settings(max_examples=150, deadline=None)
    @given(st.dictionaries(st.sampled_from(MEMBERS), ANYTHING), ANYTHING, st.booleans())
    def send_any(changes: dict[str, Any], other: Any, is_near: bool) -> None:  # noqa: FBT001
        content = json.dumps(body(**changes) if is_near else other)
        headers = OPERATOR | {"Content-Type": "application/json"}
        answer = http.post("/v1/media", content=content, headers=headers)
        assert answer.status_code in {201, 400, 404, 409, 422}

    send_any()


@pytest.mark.parametrize("name", ["x", str(uuid.UUID(int=7)), "%00", "0" * 500])
def test_unknown_file_is_not_found(http: httpx.Client, name: str) -> None:
    for answer in (http.get(f"/v1/media/{name}"), http.post(f"/v1/media/{name}/uploaded")):
        assert answer.status_code == (404 if name.startswith("00000000-") else 422)
        assert problem(answer) in {"media-unknown", "invalid-request"}


def test_unknown_campaign_is_told_to_the_operator(http: httpx.Client) -> None:
    answer = http.post("/v1/media", json=body(campaign="nowhere"), headers=OPERATOR)
    assert (answer.status_code, problem(answer)) == (404, "campaign-unknown")


def test_without_a_bucket_there_are_no_media(
    services: Services, http_settings: HttpSettings
) -> None:
    bare = replace(services, media=None)
    with serving(create_app(http_settings, services=bare)) as client:
        for answer in (
            client.post("/v1/media", json=body(), headers=OPERATOR),
            client.get(f"/v1/media/{uuid.UUID(int=7)}"),
            client.post(f"/v1/media/{uuid.UUID(int=7)}/uploaded"),
            client.post(f"/v1/campaigns/{SLUG}/upload-links", headers=OPERATOR),
        ):
            assert (answer.status_code, problem(answer)) == (404, "media-disabled")


@pytest.mark.usefixtures("campaign_id")
def test_store_is_not_asked_to_sign(
    services: Services, http_settings: HttpSettings, site: S3Site
) -> None:
    away = media_of(site, LASTRO_S3_ENDPOINT_URL="http://127.0.0.1:9")
    with serving(create_app(http_settings, services=replace(services, media=away))) as client:
        assert client.post("/v1/media", json=body(), headers=OPERATOR).status_code == 201
