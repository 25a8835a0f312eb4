"""Whatever comes, the local S3 answers with one of S3's refusals and goes on."""

import socket
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from stack.fakes.s3.conditions import NotModified, asked_range, check_read, check_write
from stack.fakes.s3.keeping import Stored
from stack.fakes.s3.words import Refused
from tests.support.s3 import S3Site, code_of, new_bucket, new_key

FUZZED = "fuzzed-bucket"
SIGNED_PARAMETERS = st.sampled_from(
    ["list-type", "max-keys", "continuation-token", "start-after", "prefix", "delimiter", "cors",
     "encoding-type", "notification", "location", "versioning", "response-content-type", "uploads",
     "x-amz-copy-source", "x-amz-meta-a", "x-amz-checksum-sha256", "x-amz-checksum-crc32",
     "x-amz-metadata-directive", "x-amz-storage-class", "x-id"]
)  # fmt: skip
VALUES = st.sampled_from(["", "2", "-1", "url", f"{FUZZED}/media/1", "1000"]) | st.text(max_size=8)
STORED = Stored("k", "0" * 32, 10, datetime(2026, 1, 1, tzinfo=UTC), {}, {})
HEADER = st.text(
    st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"), max_size=30
)
PARAMETERS = st.sampled_from(
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature",
     "X-Amz-SignedHeaders", "X-Amz-Content-Sha256", "x-amz-meta-a", "response-content-type",
     "list-type", "uploads", "AWSAccessKeyId"]
)  # fmt: skip


@given(values=st.lists(HEADER, min_size=6, max_size=6))
def test_conditions_and_ranges_are_understood_or_refused(values: list[str]) -> None:
    names = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"]
    headers = dict(zip([*names, "range", "if-range"], values, strict=True))
    try:
        check_read(STORED, headers)
        found = asked_range(STORED, headers)
        assert found is None or 0 <= found[0] <= found[1] < STORED.size_bytes
        check_write(STORED, key="k", if_match=values[0], if_none_match=values[1])
    except (NotModified, Refused):
        return


@given(first=st.integers(0, 30), last=st.integers(0, 30))
def test_range_is_cut_to_the_object(first: int, last: int) -> None:
    headers = {"range": f"bytes={first}-{last}"}
    if last < first:
        assert asked_range(STORED, headers) is None
    elif first >= STORED.size_bytes:
        with pytest.raises(Refused):
            asked_range(STORED, headers)
    else:
        assert asked_range(STORED, headers) == (first, min(last, 9))


@settings(deadline=None)  # over HTTP
@given(
    key=st.text(max_size=40),
    query=st.dictionaries(PARAMETERS, st.text(max_size=30), max_size=8),
    method=st.sampled_from(["GET", "PUT", "HEAD", "DELETE", "POST", "OPTIONS", "PATCH"]),
    header=HEADER,
)
def test_no_call_is_answered_with_a_fault_of_ours(
    s3: S3Site, key: str, query: dict[str, str], method: str, header: str
) -> None:
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 =" + header,
        "Range": header,
        "Origin": header,
        "X-Amz-Date": header,
        "If-None-Match": header,
    }
    del headers["Range" if len(query) % 2 else "Authorization"]
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    target = f"/{s3.bucket}/media/{quote(key)}?{urlencode(query)}"
    answer = httpx.request(method, s3.endpoint_url + target, headers=encoded)
    assert 400 <= answer.status_code < 500 or answer.status_code == 501


@pytest.fixture(scope="module")
def bucket(s3: S3Site) -> str:
    """Where anything may happen."""
    s3.client().create_bucket(Bucket=FUZZED)
    s3.client().put_object(Bucket=FUZZED, Key="media/1", Body=b"1")
    return FUZZED


@settings(deadline=None)  # over HTTP
@given(
    key=st.sampled_from(["", "media/1", "ü"]),
    query=st.dictionaries(SIGNED_PARAMETERS, VALUES, max_size=3),
    method=st.sampled_from(["GET", "PUT", "HEAD", "DELETE", "POST", "PATCH"]),
)
def test_no_signed_call_is_answered_with_a_fault_of_ours(
    s3: S3Site, bucket: str, key: str, query: dict[str, str], method: str
) -> None:
    target = f"/{bucket}/{quote(key)}?{urlencode(query, quote_via=quote)}"
    answer = httpx.request(method, s3.presign(method, target), content=b"1")
    assert answer.status_code < 500 or answer.status_code == 501


@pytest.mark.parametrize(
    "target",
    ["/%ff/1", "/lastro-media/%ff", "/lastro-media/a%00b", "/lastro-media/1?x=%ff", "/%00"],
)
def test_address_that_is_no_text_is_refused(s3: S3Site, target: str) -> None:
    answer = httpx.get(s3.endpoint_url + target)
    assert code_of(answer) == (400, "InvalidURI")


def test_key_beyond_1024_bytes_is_refused(s3: S3Site) -> None:
    with pytest.raises(ClientError) as refused:
        s3.client().put_object(Bucket=s3.bucket, Key="ü" * 513, Body=b"")
    assert refused.value.response["Error"]["Code"] == "KeyTooLongError"


def test_metadata_in_the_query_cannot_split_the_answer(s3: S3Site) -> None:
    url = s3.presign("PUT", f"/{s3.bucket}/{new_key()}?x-amz-meta-a=1%0D%0Aset-cookie:%20a=b")
    assert code_of(httpx.put(url, content=b"1")) == (400, "InvalidArgument")


@pytest.mark.parametrize("host", ["[", "[::1", "a:b:c", "lastro-media.", "%", ".localhost", ":"])
def test_odd_host_is_no_fault_of_ours(s3: S3Site, host: str) -> None:
    parts = urlsplit(s3.endpoint_url)
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as wire:
        head = f"GET /lastro-media/private HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        wire.sendall(head.encode())
        assert wire.recv(4096).startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("put_object_tagging", {"Key": "k", "Tagging": {"TagSet": []}}),
        ("create_multipart_upload", {"Key": "k"}),
        ("list_objects", {}),
        ("delete_bucket", {}),
        ("put_bucket_versioning", {"VersioningConfiguration": {"Status": "Enabled"}}),
        ("put_object", {"Key": "k", "ACL": "public-read"}),
        ("put_object", {"Key": "k", "StorageClass": "GLACIER"}),
        ("put_object", {"Key": "k", "Tagging": "a=b"}),
        ("get_object", {"Key": "k", "VersionId": "1"}),
    ],
)
def test_what_this_store_does_not_do_is_refused_by_name(
    s3: S3Site, operation: str, parameters: dict[str, object]
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(s3.client(), operation)(Bucket=s3.bucket, **parameters)
    assert refused.value.response["Error"]["Code"] == "NotImplemented"
    assert refused.value.response["Error"]["Header"]


@pytest.mark.parametrize("body", [b"", b"no xml", b"<a/>", b"<CORSConfiguration/>", b"<" * 5000])
@pytest.mark.parametrize("name", ["cors", "notification"])
def test_configuration_that_is_none_is_no_fault_of_ours(s3: S3Site, name: str, body: bytes) -> None:
    bucket = new_bucket()
    s3.client().create_bucket(Bucket=bucket)
    answer = httpx.put(s3.presign("PUT", f"/{bucket}?{name}"), content=body)
    assert code_of(answer) == (400, "MalformedXML")


@pytest.mark.parametrize("name", ["Ab", "a", "a_b", "-ab", "a" * 64, ".incoming"])
def test_bucket_with_a_name_that_is_none_is_not_made(s3: S3Site, name: str) -> None:
    answer = httpx.put(s3.presign("PUT", f"/{name}"))
    assert answer.status_code in {400, 404}
    buckets = [one["Name"] for one in s3.client().list_buckets()["Buckets"]]
    assert s3.bucket in buckets
    assert name not in buckets
