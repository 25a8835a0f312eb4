"""Who may call the local S3: what botocore signs passes, and all else is refused as at AWS."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import boto3
import httpx
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.support.s3 import REGION, S3Site, code_of, new_key, running_s3

TYPE = {"Content-Type": "image/jpeg"}
ODD_KEY = "media/a b+c/ü~'(1)*&=%25.jpg"


def altered(url: str, **changes: str | None) -> str:
    """A URL with query parameters changed, or removed."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | {
        name.replace("_", "-"): v for name, v in changes.items()
    }
    kept = {name: value for name, value in query.items() if value is not None}
    return urlunsplit(parts._replace(query=urlencode(kept)))


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"request_checksum_calculation": "when_required"},
        {"s3": {"payload_signing_enabled": False}},
    ],
    ids=["default", "checksums when required", "unsigned payload"],
)
def test_every_call_that_boto3_signs_in_headers_passes(s3: S3Site, config: dict[str, Any]) -> None:
    client = s3.client(**config)
    for key in (new_key(), ODD_KEY):
        client.put_object(Bucket=s3.bucket, Key=key, Body=b"body", Metadata={"A": "b  c"})
        found = client.get_object(Bucket=s3.bucket, Key=key)
        assert found["Body"].read() == b"body"
        assert found["Metadata"] == {"a": "b  c"}
        listed = client.list_objects_v2(Bucket=s3.bucket, Prefix=key)
        assert [one["Key"] for one in listed["Contents"]] == [key]
        client.delete_object(Bucket=s3.bucket, Key=key)


def test_client_with_no_configuration_at_all_passes(s3: S3Site) -> None:
    client = boto3.client("s3", **s3.account)
    key = new_key()
    client.put_object(Bucket=s3.bucket, Key=key, Body=b"body")
    assert client.head_object(Bucket=s3.bucket, Key=key)["ContentLength"] == 4


@pytest.mark.parametrize("key", ["media/plain.jpg", ODD_KEY])
def test_urls_that_boto3_presigns_pass(s3: S3Site, key: str) -> None:
    put = s3.presign_put(key, ContentType="image/jpeg", ContentLength=4)
    assert httpx.put(put, content=b"body", headers=TYPE).status_code == 200
    got = httpx.get(s3.presign_get(key, ResponseContentType="text/plain"))
    assert (got.content, got.headers["content-type"]) == (b"body", "text/plain")


def test_virtual_host_is_verified_as_the_host_it_was_signed_for(s3: S3Site) -> None:
    site = dataclasses.replace(s3, endpoint_url=s3.endpoint_url.replace("127.0.0.1", "localhost"))
    key = new_key()
    signed = site.client(s3={"addressing_style": "virtual"}).generate_presigned_url(
        "put_object", Params={"Bucket": s3.bucket, "Key": key}
    )
    parts = urlsplit(signed)
    assert (parts.hostname, parts.path) == (f"{s3.bucket}.localhost", f"/{key}")
    here = f"{s3.endpoint_url}{parts.path}?{parts.query}"
    assert httpx.put(here, content=b"1", headers={"Host": parts.netloc}).status_code == 200
    assert s3.client().head_object(Bucket=s3.bucket, Key=key)["ContentLength"] == 1
    elsewhere = httpx.put(here, content=b"1")
    assert elsewhere.status_code == 403


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"secret_access_key": "another"}, "SignatureDoesNotMatch"),
        ({"access_key_id": "AKIANOBODY"}, "InvalidAccessKeyId"),
    ],
)
def test_another_account_is_refused_in_headers_and_in_urls(
    s3: S3Site, wrong: dict[str, str], code: str
) -> None:
    stranger = dataclasses.replace(s3, **wrong)
    key = new_key()
    assert code_of(httpx.put(stranger.presign_put(key), content=b"1")) == (403, code)
    assert code_of(httpx.get(stranger.presign_get(key))) == (403, code)
    with pytest.raises(ClientError) as refused:
        stranger.client().put_object(Bucket=s3.bucket, Key=key, Body=b"1" * 100_000)
    assert refused.value.response["Error"]["Code"] == code
    with pytest.raises(ClientError) as refused:
        stranger.sqs().receive_message(QueueUrl=s3.queue_url)
    assert refused.value.response["Error"]["Code"] == code
    assert "Contents" not in s3.client().list_objects_v2(Bucket=s3.bucket, Prefix=key)


def test_client_whose_body_was_refused_unsent_is_understood_afterwards(s3: S3Site) -> None:
    client = s3.client()
    with pytest.raises(ClientError):  # before its body, which boto3 holds back until it is asked
        client.put_object(Bucket="no-such-bucket", Key="1", Body=b"1" * 100_000)
    key = new_key()
    client.put_object(Bucket=s3.bucket, Key=key, Body=b"1" * 100_000)
    assert client.head_object(Bucket=s3.bucket, Key=key)["ContentLength"] == 100_000


def test_url_is_good_for_its_own_key_and_method_only(s3: S3Site) -> None:
    key = new_key()
    url = s3.presign_put(key)
    no = (403, "SignatureDoesNotMatch")
    assert code_of(httpx.put(url.replace(".jpg?", ".png?"), content=b"1")) == no
    assert code_of(httpx.get(url)) == no
    assert code_of(httpx.delete(url)) == no
    assert httpx.head(s3.presign_get(key)).status_code == 403


@pytest.mark.parametrize(
    "change",
    [
        {"X_Amz_Expires": "3601"},
        {"X_Amz_SignedHeaders": "host;x-amz-acl"},
        {"X_Amz_Signature": "0" * 64},
        {"X_Amz_Signature": "é"},
        {"response_content_type": "text/html"},
    ],
    ids=str,
)
def test_url_whose_query_was_altered_is_refused(s3: S3Site, change: dict[str, str]) -> None:
    url = altered(s3.presign_get(new_key()), **change)
    assert code_of(httpx.get(url)) == (403, "SignatureDoesNotMatch")


def test_parameter_given_twice_is_refused(s3: S3Site) -> None:
    url = s3.presign_get(new_key()) + "&X-Amz-Expires=604800"
    assert code_of(httpx.get(url)) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize(
    "name",
    ["Algorithm", "Credential", "Signature", "Date", "SignedHeaders", "Expires"],
)
def test_url_that_lacks_a_part_of_its_signature_is_refused(s3: S3Site, name: str) -> None:
    url = altered(s3.presign_get(new_key()), **{f"X_Amz_{name}": None})
    assert code_of(httpx.get(url)) == (400, "AuthorizationQueryParametersError")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X_Amz_Expires": "604801"}, "less than a week"),
        ({"X_Amz_Expires": "9" * 5000}, "less than a week"),
        ({"X_Amz_Expires": "-1"}, "non-negative"),
        ({"X_Amz_Expires": "soon"}, "should be a number"),
        ({"X_Amz_Algorithm": "AWS4-HMAC-SHA1"}, "only supports"),
        ({"X_Amz_Credential": "me"}, "Error parsing the Credential"),
        ({"X_Amz_Credential": "AKIALASTROTESTS00001/20260101/us-east-1/s3/aws3"}, "Error parsing"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_url_with_impossible_parts_is_refused(
    s3: S3Site, change: dict[str, str], message: str
) -> None:
    answer = httpx.get(altered(s3.presign_get(new_key()), **change))
    assert code_of(answer) == (400, "AuthorizationQueryParametersError")
    assert message in answer.text


def test_signature_of_another_region_service_or_day_is_refused(s3: S3Site) -> None:
    abroad = dataclasses.replace(s3, region="sa-east-1").presign_get(new_key())
    assert code_of(httpx.get(abroad)) == (400, "AuthorizationQueryParametersError")
    assert "expecting 'us-east-1'" in httpx.get(abroad).text
    own = s3.presign_get(new_key())
    credential = dict(parse_qsl(urlsplit(own).query))["X-Amz-Credential"]
    for other in (credential.replace("/s3/", "/ec2/"), credential.replace("/2", "/1")):
        answer = httpx.get(altered(own, X_Amz_Credential=other))
        assert code_of(answer) == (400, "AuthorizationQueryParametersError")


def test_two_signatures_at_once_and_the_old_version_are_refused(s3: S3Site) -> None:
    url = s3.presign_get(new_key())
    both = httpx.get(url, headers={"Authorization": "AWS4-HMAC-SHA256 Credential=a"})
    assert code_of(both) == (400, "InvalidArgument")
    old = s3.client(signature_version="s3").generate_presigned_url(
        "get_object", Params={"Bucket": s3.bucket, "Key": "media/1.jpg"}
    )
    assert code_of(httpx.get(old)) == (400, "InvalidRequest")
    old_header = httpx.get(url.partition("?")[0], headers={"Authorization": "AWS me:c2ln"})
    assert code_of(old_header) == (400, "InvalidRequest")


def test_url_lives_as_long_as_it_says_by_the_stores_clock(tmp_path: Path) -> None:
    with running_s3(tmp_path / "objects") as site:
        url = site.presign_put("media/1.jpg", expires_s=3600)
        site.advance(3500)
        assert httpx.put(url, content=b"1").status_code == 200
        site.advance(101)
        answer = httpx.put(url, content=b"2")
        assert code_of(answer) == (403, "AccessDenied")
        assert "<Message>Request has expired</Message><X-Amz-Expires>3600<" in answer.text
        with pytest.raises(ClientError) as late:
            site.client().list_objects_v2(Bucket=site.bucket)
        assert late.value.response["Error"]["Code"] == "RequestTimeTooSkewed"
        site.advance(-2 * 3601)
        early = httpx.put(url, content=b"3")
        assert code_of(early) == (403, "AccessDenied")
        assert "Request is not yet valid" in early.text


def test_header_that_was_not_signed_is_refused_where_it_means_something(s3: S3Site) -> None:
    for method, url in (("PUT", s3.presign_put(new_key())), ("GET", s3.presign_get(new_key()))):
        answer = httpx.request(method, url, headers={"x-amz-acl": "public-read"})
        assert code_of(answer) == (403, "AccessDenied")
        assert "<HeadersNotSigned>x-amz-acl</HeadersNotSigned>" in answer.text


@pytest.mark.parametrize(
    ("signed", "name"),
    [
        ({"ContentType": "image/jpeg"}, "Content-Type"),
        ({"CacheControl": "no-store"}, "Cache-Control"),
        ({"IfNoneMatch": "*"}, "If-None-Match"),
        ({"ContentMD5": "xMpCOKC5I4INzFCab3WEmw=="}, "Content-MD5"),
        ({"Metadata": {"of": "me"}}, "x-amz-meta-of"),
        (
            {"ChecksumSHA256": "a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s="},
            "x-amz-checksum-sha256",
        ),
    ],
)
def test_signed_header_must_be_there_and_be_the_same(
    s3: S3Site, signed: dict[str, Any], name: str
) -> None:
    [value] = [v if isinstance(v, str) else v["of"] for v in signed.values()]
    key = new_key()
    url = s3.presign_put(key, **signed)
    for headers in ({}, {name: "else"}, {name: value + "x"}):
        answer = httpx.put(url, content=b"1", headers=headers)
        assert code_of(answer) == (403, "SignatureDoesNotMatch")
    assert httpx.put(url, content=b"1", headers={name: value}).status_code == 200


Signed = Callable[[dict[str, str]], httpx.Response]


@pytest.fixture
def signed(s3: S3Site) -> Signed:
    """Send a call whose headers botocore signed, after an alteration."""

    def send(changes: dict[str, str]) -> httpx.Response:
        request = AWSRequest("GET", f"{s3.endpoint_url}/{s3.bucket}/{new_key()}")
        credentials = Credentials(s3.access_key_id, s3.secret_access_key)
        S3SigV4Auth(credentials, "s3", REGION).add_auth(request)
        headers = dict(request.headers.items())
        for name, value in changes.items():
            headers[name] = value.format(**{key.replace("-", "_"): v for key, v in headers.items()})
            if not headers[name]:
                del headers[name]
        return httpx.get(request.url, headers=headers)

    return send


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, (404, "NoSuchKey")),
        ({"X-Amz-Date": ""}, (403, "AccessDenied")),
        ({"X-Amz-Date": "yesterday"}, (403, "AccessDenied")),
        ({"X-Amz-Date": "20260101T000000Z"}, (400, "AuthorizationHeaderMalformed")),
        ({"X-Amz-Content-SHA256": ""}, (400, "InvalidRequest")),
        ({"X-Amz-Content-SHA256": "abc"}, (400, "InvalidArgument")),
        ({"X-Amz-Content-SHA256": "0" * 64}, (403, "SignatureDoesNotMatch")),
        ({"X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, (501, "NotImplemented")),
        ({"Authorization": "AWS4-HMAC-SHA256"}, (400, "AuthorizationHeaderMalformed")),
        ({"Authorization": "AWS4-HMAC-SHA256 ,,=,="}, (400, "AuthorizationHeaderMalformed")),
        ({"Authorization": "{Authorization}0"}, (403, "SignatureDoesNotMatch")),
        ({"Authorization": "Bearer me"}, (400, "InvalidRequest")),
    ],
    ids=str,
)
def test_broken_signature_in_headers_is_refused_by_its_fault(
    signed: Signed, changes: dict[str, str], code: tuple[int, str]
) -> None:
    assert code_of(signed(changes)) == code
