"""What the local S3 lets anybody read, and what it tells browsers."""

import httpx
import pytest

from tests.support.s3 import ORIGIN, S3Site, code_of, new_bucket, new_key

STRANGER = "http://elsewhere.example"
HEADERS = {"Content-Type": "image/jpeg", "If-None-Match": "*"}
ASKED = "content-type,if-none-match,x-amz-checksum-sha256"


@pytest.fixture
def url(s3: S3Site) -> str:
    """Plain address of a public object."""
    key = new_key()
    s3.client().put_object(
        Bucket=s3.bucket,
        Key=key,
        Body=b"<html>",
        ContentType="image/jpeg",
        CacheControl="max-age=9",
    )
    return f"{s3.endpoint_url}/{s3.bucket}/{key}"


def test_anybody_reads_what_lies_under_the_public_prefix(url: str) -> None:
    got = httpx.get(url)
    assert (got.status_code, got.content) == (200, b"<html>")
    assert got.headers["cache-control"] == "max-age=9"
    assert httpx.head(url).headers["content-length"] == "6"


def test_address_with_a_version_tag_is_the_same_object(url: str) -> None:
    got = httpx.get(url, params={"v": "d41d8cd9"})
    assert (got.status_code, got.content) == (200, b"<html>")
    assert httpx.head(url, params={"v": "d41d8cd9"}).status_code == 200


def test_browser_is_told_not_to_guess_the_type(url: str) -> None:
    for answer in (httpx.get(url), httpx.head(url), httpx.get(url + "x"), httpx.put(url)):
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_nobody_reads_anything_else(s3: S3Site) -> None:
    s3.client().put_object(Bucket=s3.bucket, Key="private/1", Body=b"1")
    base = f"{s3.endpoint_url}/{s3.bucket}"
    for path in ("/private/1", "/media", "/media%2F../private/1", "/private/1?x=media/", "", "/"):
        assert code_of(httpx.get(base + path)) == (403, "AccessDenied"), path
    assert code_of(httpx.get(s3.endpoint_url)) == (403, "AccessDenied")
    assert code_of(httpx.get(f"{s3.endpoint_url}/other/media/1")) == (403, "AccessDenied")
    assert httpx.head(f"{base}/private/1").status_code == 403


def test_nobody_learns_what_is_not_there(s3: S3Site) -> None:
    absent = httpx.get(f"{s3.endpoint_url}/{s3.bucket}/{new_key()}")
    assert code_of(absent) == (403, "AccessDenied")


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_nobody_changes_anything(url: str, method: str) -> None:
    assert code_of(httpx.request(method, url)) == (403, "AccessDenied")
    assert httpx.get(url).content == b"<html>"


def test_nobody_changes_the_headers_of_an_object(url: str) -> None:
    answer = httpx.get(f"{url}?response-content-type=text/html")
    assert code_of(answer) == (400, "InvalidRequest")


def test_page_of_ours_may_upload_and_read_the_etag(s3: S3Site) -> None:
    upload = s3.presign_put(new_key(), ContentType="image/jpeg", IfNoneMatch="*")
    asks = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": ASKED,
    }
    may = httpx.options(upload, headers=asks)
    assert may.status_code == 200
    assert may.headers["access-control-allow-origin"] == ORIGIN
    assert may.headers["access-control-allow-headers"] == ASKED.replace(",", ", ")
    assert "PUT" in may.headers["access-control-allow-methods"]
    done = httpx.put(upload, content=b"1", headers={"Origin": ORIGIN, **HEADERS})
    assert (done.status_code, done.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert done.headers["access-control-expose-headers"] == "ETag"
    assert "Origin" in done.headers["vary"]


def test_page_of_ours_learns_that_it_was_refused(s3: S3Site, url: str) -> None:
    forged = s3.presign_put(new_key()) + "0"
    for answer in (
        httpx.put(forged, headers={"Origin": ORIGIN}),
        httpx.put(url, headers={"Origin": ORIGIN}),
    ):
        assert answer.status_code == 403
        assert answer.headers["access-control-allow-origin"] == ORIGIN


def test_other_pages_may_not_upload(s3: S3Site, url: str) -> None:
    asks = {"Origin": STRANGER, "Access-Control-Request-Method": "PUT"}
    assert code_of(httpx.options(url, headers=asks)) == (403, "AccessForbidden")
    for more in ({"Access-Control-Request-Method": "DELETE"}, {}):
        asks = {"Origin": ORIGIN, **more}
        assert httpx.options(url, headers=asks).status_code in {400, 403}
    signed = httpx.put(s3.presign_put(new_key()), content=b"1", headers={"Origin": STRANGER})
    assert signed.status_code == 200
    assert "access-control-allow-origin" not in signed.headers


def test_rule_that_a_client_puts_replaces_the_first(s3: S3Site) -> None:
    client = s3.client()
    other = new_bucket()
    client.create_bucket(Bucket=other)
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://*.example.org"]}
    client.put_bucket_cors(Bucket=other, CORSConfiguration={"CORSRules": [rule]})
    asks = {"Origin": "https://www.example.org", "Access-Control-Request-Method": "GET"}
    target = f"{s3.endpoint_url}/{other}/1"
    assert httpx.options(target, headers=asks).status_code == 200
    asks["Origin"] = "https://www.example.com"
    assert httpx.options(target, headers=asks).status_code == 403
