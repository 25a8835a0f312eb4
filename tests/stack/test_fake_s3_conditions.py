"""Conditions of writes, reads and copies at the local S3; of many writers one wins."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.support.s3 import S3Site, code_of, new_key

WRITERS = 12
BODY = b"0123456789"


def refused_as(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    response = error.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


@pytest.fixture
def key(s3: S3Site) -> str:
    """Of an object that is there."""
    key = new_key()
    s3.client().put_object(
        Bucket=s3.bucket, Key=key, Body=BODY, ContentType="image/jpeg", Metadata={"of": "me"}
    )
    return key


def etag_of(site: S3Site, key: str) -> str:
    etag: str = site.client().head_object(Bucket=site.bucket, Key=key)["ETag"]
    return etag


def test_only_a_new_object_is_written_when_none_may_match(s3: S3Site, key: str) -> None:
    client = s3.client()
    with pytest.raises(ClientError) as error:
        client.put_object(Bucket=s3.bucket, Key=key, Body=b"2", IfNoneMatch="*")
    assert refused_as(error) == (412, "PreconditionFailed")
    assert client.get_object(Bucket=s3.bucket, Key=key)["Body"].read() == BODY
    client.delete_object(Bucket=s3.bucket, Key=key)
    client.put_object(Bucket=s3.bucket, Key=key, Body=b"2", IfNoneMatch="*")


def test_only_the_named_version_is_written_over(s3: S3Site, key: str) -> None:
    client = s3.client()
    for wrong in ('"0"', etag_of(s3, key)[:-2] + '0"'):
        with pytest.raises(ClientError) as error:
            client.put_object(Bucket=s3.bucket, Key=key, Body=b"2", IfMatch=wrong)
        assert refused_as(error) == (412, "PreconditionFailed")
    client.put_object(Bucket=s3.bucket, Key=key, Body=b"2", IfMatch=etag_of(s3, key))
    client.put_object(Bucket=s3.bucket, Key=key, Body=b"3", IfMatch=etag_of(s3, key).strip('"'))
    assert client.get_object(Bucket=s3.bucket, Key=key)["Body"].read() == b"3"


def test_nothing_is_written_over_nothing_when_a_version_is_named(s3: S3Site, key: str) -> None:
    with pytest.raises(ClientError) as error:
        s3.client().put_object(Bucket=s3.bucket, Key=new_key(), Body=b"2", IfMatch=etag_of(s3, key))
    assert refused_as(error) == (404, "NoSuchKey")


def test_other_conditions_on_writes_are_refused_as_s3_does(s3: S3Site, key: str) -> None:
    url = s3.presign_put(key, IfNoneMatch='"0"')
    answer = httpx.put(url, content=b"2", headers={"If-None-Match": '"0"'})
    assert code_of(answer) == (501, "NotImplemented")


@pytest.mark.parametrize("condition", ["none", "match"])
def test_one_of_many_concurrent_conditional_writes_wins(
    s3: S3Site, key: str, condition: str
) -> None:
    if condition == "none":
        key = new_key()
        name, value = "If-None-Match", "*"
    else:
        name, value = "If-Match", etag_of(s3, key)
    signed: dict[str, Any] = {name.replace("-", ""): value}
    url = s3.presign_put(key, **signed)

    def write(number: int) -> tuple[int, str]:
        body = str(number).encode() * 100_000
        return httpx.put(url, content=body, headers={name: value}).status_code, str(number)

    with ThreadPoolExecutor(WRITERS) as pool:
        answers = list(pool.map(write, range(WRITERS)))
    won = [number for status, number in answers if status == 200]
    assert sorted(status for status, _ in answers) == [200] + [412] * (WRITERS - 1)
    body = s3.client().get_object(Bucket=s3.bucket, Key=key)["Body"].read()
    assert body == won[0].encode() * 100_000


def test_deletion_obeys_its_condition_and_is_repeatable(s3: S3Site, key: str) -> None:
    client = s3.client()
    with pytest.raises(ClientError) as error:
        client.delete_object(Bucket=s3.bucket, Key=key, IfMatch='"0"')
    assert refused_as(error) == (412, "PreconditionFailed")
    client.delete_object(Bucket=s3.bucket, Key=key, IfMatch=etag_of(s3, key))
    client.delete_object(Bucket=s3.bucket, Key=key)
    with pytest.raises(ClientError) as error:
        client.get_object(Bucket=s3.bucket, Key=key)
    assert refused_as(error) == (404, "NoSuchKey")
    with pytest.raises(ClientError) as error:
        client.head_object(Bucket=s3.bucket, Key=key)
    assert refused_as(error) == (404, "404")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reader_gets_what_its_conditions_ask(s3: S3Site, key: str, method: str) -> None:
    found = s3.client().head_object(Bucket=s3.bucket, Key=key)
    etag, modified = found["ETag"], found["LastModified"]
    form = "%a, %d %b %Y %H:%M:%S GMT"
    now, before = modified.strftime(form), (modified - timedelta(hours=1)).strftime(form)
    url = f"{s3.endpoint_url}/{s3.bucket}/{key}"
    expected: list[tuple[dict[str, str], int]] = [
        ({"If-None-Match": etag}, 304),
        ({"If-None-Match": f'"0", W/{etag}'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"0"'}, 200),
        ({"If-None-Match": '"0"', "If-Modified-Since": now}, 200),
        ({"If-Modified-Since": now}, 304),
        ({"If-Modified-Since": before}, 200),
        ({"If-Modified-Since": "whenever"}, 200),
        ({"If-Match": etag}, 200),
        ({"If-Match": '"0"'}, 412),
        ({"If-Match": etag, "If-Unmodified-Since": before}, 200),
        ({"If-Unmodified-Since": before}, 412),
        ({"If-Unmodified-Since": now}, 200),
    ]
    got = [(headers, httpx.request(method, url, headers=headers)) for headers, _ in expected]
    assert [(headers, answer.status_code) for headers, answer in got] == expected
    for _, answer in got:
        if answer.status_code == 304:
            assert (answer.headers["etag"], answer.content) == (etag, b"")


@pytest.mark.parametrize(
    ("asked", "status", "body", "told"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, BODY, "bytes 0-9/10"),
        ("bytes=9-99", 206, b"9", "bytes 9-9/10"),
        ("bytes=10-", 416, None, None),
        ("bytes=-0", 416, None, None),
        ("bytes=3-1", 200, BODY, None),
        ("bytes=0-1,4-5", 200, BODY, None),
        ("bytes", 200, BODY, None),
        ("bytes=", 200, BODY, None),
        ("bytes=-", 200, BODY, None),
        ("bytes=a-b", 200, BODY, None),
        ("lines=0-1", 200, BODY, None),
        ("bytes=" + "9" * 5000 + "-", 200, BODY, None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_reader_gets_the_bytes_it_asks_for(
    s3: S3Site, key: str, asked: str, status: int, body: bytes | None, told: str | None
) -> None:
    url = f"{s3.endpoint_url}/{s3.bucket}/{key}"
    answer = httpx.get(url, headers={"Range": asked})
    assert (answer.status_code, answer.headers.get("content-range")) == (status, told)
    if body is None:
        assert code_of(answer) == (416, "InvalidRange")
    else:
        assert answer.content == body
    head = httpx.head(url, headers={"Range": asked})
    assert head.status_code == status
    if body is not None:
        assert head.headers["content-length"] == str(len(body))


def test_range_of_another_version_is_the_whole(s3: S3Site, key: str) -> None:
    url = f"{s3.endpoint_url}/{s3.bucket}/{key}"
    for if_range, status in ((etag_of(s3, key), 206), ('"0"', 200)):
        answer = httpx.get(url, headers={"Range": "bytes=0-1", "If-Range": if_range})
        assert answer.status_code == status


def copy(site: S3Site, source: str, target: str, **more: Any) -> Any:
    where = {"Bucket": site.bucket, "Key": source}
    return site.client().copy_object(Bucket=site.bucket, Key=target, CopySource=where, **more)


def test_copy_takes_the_headers_along_or_new_ones(s3: S3Site, key: str) -> None:
    other = new_key("a b+ü")
    assert copy(s3, key, other)["CopyObjectResult"]["ETag"] == etag_of(s3, key)
    kept = s3.client().get_object(Bucket=s3.bucket, Key=other)
    assert (kept["ContentType"], kept["Metadata"]) == ("image/jpeg", {"of": "me"})
    copy(s3, other, other, MetadataDirective="REPLACE", CacheControl="max-age=1", ContentType="a/b")
    changed = s3.client().get_object(Bucket=s3.bucket, Key=other)
    assert (changed["ContentType"], changed["Metadata"]) == ("a/b", {})
    assert (changed["CacheControl"], changed["Body"].read()) == ("max-age=1", BODY)


def test_copy_onto_itself_must_change_something(s3: S3Site, key: str) -> None:
    with pytest.raises(ClientError) as error:
        copy(s3, key, key)
    assert refused_as(error) == (400, "InvalidRequest")


def test_copy_obeys_conditions_on_source_and_target(s3: S3Site, key: str) -> None:
    etag, target = etag_of(s3, key), new_key()
    for condition in (
        {"CopySourceIfMatch": '"0"'},
        {"CopySourceIfNoneMatch": etag},
        {
            "CopySourceIfModifiedSince": s3.client().head_object(Bucket=s3.bucket, Key=key)[
                "LastModified"
            ]
        },
    ):
        with pytest.raises(ClientError) as error:
            copy(s3, key, target, **condition)
        assert refused_as(error) == (412, "PreconditionFailed")
    copy(s3, key, target, CopySourceIfMatch=etag, IfNoneMatch="*")
    with pytest.raises(ClientError) as error:
        copy(s3, key, target, IfNoneMatch="*")
    assert refused_as(error) == (412, "PreconditionFailed")


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("lastro-media/media/none", (404, "NoSuchKey")),
        ("no-such-bucket/media/none", (404, "NoSuchBucket")),
        ("lastro-media", (400, "InvalidArgument")),
        ("lastro-media/media/1?versionId=3", (501, "NotImplemented")),
    ],
)
def test_copy_of_nothing_is_refused(s3: S3Site, source: str, code: tuple[int, str]) -> None:
    with pytest.raises(ClientError) as error:
        s3.client().copy_object(Bucket=s3.bucket, Key=new_key(), CopySource=source)
    assert refused_as(error) == code
