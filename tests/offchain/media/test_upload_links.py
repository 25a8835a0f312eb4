"""Who may upload: the operator, and whoever holds the link of that campaign."""

import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import Engine

from offchain.http.app import create_app
from offchain.services import Services
from offchain.settings import HttpSettings
from tests.support.asgi import serving
from tests.support.media import (
    OPERATOR,
    SLUG,
    body,
    problem,
    token_for,
)
from tests.support.offchain import add_campaign


def test_token_is_good_for_its_own_campaign_only(
    http: httpx.Client, engine: Engine, campaign_id: uuid.UUID
) -> None:
    other = token_for(add_campaign(engine, slug="another"))
    for name in (SLUG, str(campaign_id), "nowhere"):
        answer = http.post("/v1/media", json=body(campaign=name), headers=other)
        assert (answer.status_code, problem(answer)) == (403, "upload-not-granted")
    by_id = body(campaign=str(campaign_id))
    assert http.post("/v1/media", json=by_id, headers=token_for(campaign_id)).status_code == 201


def test_token_that_is_missing_wrong_or_over_is_refused(
    http: httpx.Client, campaign_id: uuid.UUID
) -> None:
    over = token_for(campaign_id, life=-timedelta(seconds=1))
    for headers, kind in (
        ({}, "upload-token-required"),
        ({"Authorization": "Bearer x"}, "upload-token-required"),
        ({"Authorization": "Bearer \xff"}, "upload-token-required"),
        ({"Authorization": "Basic eDp5"}, "upload-token-required"),
        (over, "upload-link-over"),
    ):
        answer = http.post("/v1/media", json=body(), headers=httpx.Headers(headers, "latin-1"))
        assert (answer.status_code, problem(answer)) == (401, kind)
        assert answer.headers["www-authenticate"] == "Bearer"


def test_upload_links_are_the_operators_to_make(http: httpx.Client, campaign_id: uuid.UUID) -> None:
    path = f"/v1/campaigns/{SLUG}/upload-links"
    assert http.post(path, headers=token_for(campaign_id)).status_code == 401
    answer = http.post(path, headers=OPERATOR, json={"expires_in_s": 60})
    assert answer.status_code == 201
    end = datetime.fromisoformat(answer.json()["expires_at"])
    assert timedelta(0) < end - datetime.now(UTC) <= timedelta(seconds=60)
    for seconds in (59, 31 * 86400, 10**30, "60", None):
        wrong = http.post(path, headers=OPERATOR, json={"expires_in_s": seconds})
        assert (wrong.status_code, problem(wrong)) == (422, "invalid-request")
    nowhere = http.post("/v1/campaigns/nowhere/upload-links", headers=OPERATOR)
    assert (nowhere.status_code, problem(nowhere)) == (404, "campaign-unknown")
    odd = http.post("/v1/campaigns/a%00b/upload-links", headers=OPERATOR)
    assert odd.status_code == 422


@pytest.mark.usefixtures("campaign_id")
def test_without_a_secret_only_the_operator_uploads(
    services: Services, http_settings: HttpSettings, campaign_id: uuid.UUID
) -> None:
    bare = http_settings.model_copy(update={"upload_secret": None})
    with serving(create_app(bare, services=services)) as client:
        by_link = client.post("/v1/media", json=body(), headers=token_for(campaign_id))
        assert (by_link.status_code, problem(by_link)) == (401, "upload-token-required")
        assert client.post("/v1/media", json=body(), headers=OPERATOR).status_code == 201
        none = client.post(f"/v1/campaigns/{SLUG}/upload-links", headers=OPERATOR)
        assert (none.status_code, problem(none)) == (404, "upload-links-disabled")
