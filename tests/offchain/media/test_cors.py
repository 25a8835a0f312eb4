"""Pages of other origins may use the media endpoints, where the operator names them."""

import httpx
import pytest
from sqlalchemy import Engine

from tests.support.offchain import OPERATOR_TOKEN, add_campaign

PAGE = "https://pages.example"
OPERATOR = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
BODY = {
    "campaign": "a-school",
    "purpose": "cover",
    "content_type": "image/jpeg",
    "size_bytes": 7,
}


def preflight(http: httpx.Client, path: str, origin: str) -> httpx.Response:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return http.options(path, headers=asked)


@pytest.mark.parametrize("path", ["/v1/media", "/v1/media/x/uploaded"])
def test_named_page_may_upload_without_cookies(http: httpx.Client, path: str) -> None:
    answer = preflight(http, path, PAGE)
    assert answer.status_code == httpx.codes.OK
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-credentials" not in answer.headers


def test_named_page_reads_answers_and_problems(http: httpx.Client, engine: Engine) -> None:
    add_campaign(engine, slug="a-school")
    for headers, status in ((OPERATOR, 201), ({}, 401)):
        answer = http.post("/v1/media", json=BODY, headers=headers | {"Origin": PAGE})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == PAGE


def test_other_pages_are_not_let_in(http: httpx.Client) -> None:
    answer = preflight(http, "/v1/media", "https://evil.example")
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/payments", "/v1/campaigns", "/v1/mediation", "/metrics"])
def test_other_endpoints_stay_apart(http: httpx.Client, path: str) -> None:
    assert "access-control-allow-origin" not in preflight(http, path, PAGE).headers
    answer = http.get(path, headers={"Origin": PAGE})
    assert "access-control-allow-origin" not in answer.headers
