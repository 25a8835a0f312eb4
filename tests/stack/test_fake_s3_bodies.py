"""The local S3 takes the body that was promised, whole, and no other."""

import base64
import hashlib
import socket
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError

from stack.fakes.s3.objects import BODY_BYTES_MAX
from tests.support.s3 import S3Site, code_of, new_key

BODY = b"a body of some bytes"


def b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


SHA256 = b64(hashlib.sha256(BODY).digest())


def is_there(site: S3Site, key: str) -> bool:
    return "Contents" in site.client().list_objects_v2(Bucket=site.bucket, Prefix=key)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-amz-checksum-sha256", SHA256),
        ("x-amz-checksum-sha1", b64(hashlib.sha1(BODY, usedforsecurity=False).digest())),
        ("x-amz-checksum-crc32", b64(zlib.crc32(BODY).to_bytes(4, "big"))),
        ("Content-MD5", b64(hashlib.md5(BODY, usedforsecurity=False).digest())),
    ],
)
def test_body_must_have_the_digest_that_was_signed(s3: S3Site, name: str, value: str) -> None:
    parameter = name.removeprefix("x-amz-").title().replace("-", "")
    spelled = {"ContentMd5": "ContentMD5"}.get(parameter) or (
        f"Checksum{parameter.removeprefix('Checksum').upper()}"
    )
    key = new_key()
    signed: dict[str, Any] = {spelled: value}
    url = s3.presign_put(key, **signed)
    headers = {name: value}
    other = httpx.put(url, content=BODY + b".", headers=headers)
    assert code_of(other) == (400, "BadDigest")
    assert not is_there(s3, key)
    taken = httpx.put(url, content=BODY, headers=headers)
    assert taken.status_code == 200
    if name.startswith("x-amz-"):
        assert taken.headers[name] == value
        found = s3.client().get_object(Bucket=s3.bucket, Key=key, ChecksumMode="ENABLED")
        assert found[spelled] == value


@pytest.mark.parametrize("value", ["", "no base64", b64(b"short"), SHA256[:-1]])
def test_digest_that_is_none_is_refused_before_the_body(s3: S3Site, value: str) -> None:
    for parameter, name, code in (
        ("ChecksumSHA256", "x-amz-checksum-sha256", "InvalidRequest"),
        ("ContentMD5", "Content-MD5", "InvalidDigest"),
    ):
        signed: dict[str, Any] = {parameter: value}
        url = s3.presign_put(new_key(), **signed)
        answer = httpx.put(url, content=BODY, headers={name: value})
        assert code_of(answer) == (400, code)


def test_two_checksums_at_once_are_refused(s3: S3Site) -> None:
    crc = b64(zlib.crc32(BODY).to_bytes(4, "big"))
    url = s3.presign_put(new_key(), ChecksumSHA256=SHA256, ChecksumCRC32=crc)
    headers = {"x-amz-checksum-sha256": SHA256, "x-amz-checksum-crc32": crc}
    assert code_of(httpx.put(url, content=BODY, headers=headers)) == (400, "InvalidRequest")


def test_checksum_this_store_cannot_compute_is_refused_by_name(s3: S3Site) -> None:
    url = s3.presign_put(new_key(), ChecksumCRC32C="AAAAAA==")
    answer = httpx.put(url, content=BODY, headers={"x-amz-checksum-crc32c": "AAAAAA=="})
    assert code_of(answer) == (501, "NotImplemented")
    assert "x-amz-checksum-crc32c" in answer.text


def test_body_signed_in_headers_must_be_the_one_that_comes(s3: S3Site) -> None:
    client = s3.client(request_checksum_calculation="when_required")

    def swap(request: object, **_: object) -> None:
        request.body = b"another body of bytes"[: len(BODY)]  # type: ignore[attr-defined]

    client.meta.events.register("before-send.s3", swap)
    with pytest.raises(ClientError) as refused:
        client.put_object(Bucket=s3.bucket, Key=new_key(), Body=BODY)
    assert refused.value.response["Error"]["Code"] == "XAmzContentSHA256Mismatch"


@pytest.mark.parametrize("change", [-1, 1], ids=["shorter", "longer"])
def test_body_of_another_length_than_signed_is_refused(s3: S3Site, change: int) -> None:
    key = new_key()
    url = s3.presign_put(key, ContentLength=len(BODY))
    answer = httpx.put(url, content=BODY.ljust(30)[: len(BODY) + change])
    assert code_of(answer) == (403, "SignatureDoesNotMatch")
    assert not is_there(s3, key)
    assert httpx.put(url, content=BODY).status_code == 200


def test_body_without_a_length_is_refused(s3: S3Site) -> None:
    def chunks() -> Iterator[bytes]:
        yield BODY

    url = s3.presign_put(new_key())
    assert code_of(httpx.put(url, content=chunks())) == (411, "MissingContentLength")
    signed = s3.presign_put(new_key(), ContentLength=len(BODY))
    assert code_of(httpx.put(signed, content=chunks())) == (403, "SignatureDoesNotMatch")


def put_raw(url: str, length: int, content: bytes) -> bytes:
    """Announce so many bytes, send those and hang up; returns all that was answered."""
    parts = urlsplit(url)
    head = (
        f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Content-Length: {length}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as wire:
        wire.sendall(head.encode() + content)
        wire.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := wire.recv(4096):
            received += chunk
    return received


def test_upload_that_breaks_off_leaves_nothing(s3: S3Site) -> None:
    key = new_key()
    url = s3.presign_put(key, ContentLength=len(BODY))
    assert b"200 OK" not in put_raw(url, len(BODY), BODY[:-1])
    assert not is_there(s3, key)


def test_bytes_after_the_signed_length_are_no_part_of_the_object(s3: S3Site) -> None:
    key = new_key()
    url = s3.presign_put(key, ContentLength=len(BODY))
    answer = put_raw(url, len(BODY), BODY + b"more of it")
    assert b"HTTP/1.1 400" in answer  # what follows is no call
    kept = httpx.get(s3.presign_get(key))
    assert (kept.status_code, kept.content) == (200, BODY) or code_of(kept) == (404, "NoSuchKey")


def test_body_of_twenty_megabytes_comes_back_the_same(s3: S3Site) -> None:
    key, body = new_key(), bytes(range(256)) * 80 * 1024
    put = s3.presign_put(key, ContentLength=len(body))
    etag = httpx.put(put, content=body, timeout=60).headers["etag"]
    assert etag == f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
    assert httpx.get(s3.presign_get(key), timeout=60).content == body


def test_body_beyond_the_bound_is_refused_by_its_length(s3: S3Site) -> None:
    answer = put_raw(s3.presign_put(new_key()), BODY_BYTES_MAX + 1, b"")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"<Code>EntityTooLarge</Code>" in answer


def test_metadata_beyond_two_kilobytes_is_refused(s3: S3Site) -> None:
    with pytest.raises(ClientError) as refused:
        s3.client().put_object(
            Bucket=s3.bucket, Key=new_key(), Body=b"", Metadata={"a": "x" * 2048}
        )
    assert refused.value.response["Error"]["Code"] == "MetadataTooLarge"


def test_empty_object_is_an_object(s3: S3Site) -> None:
    key = new_key()
    s3.client().put_object(Bucket=s3.bucket, Key=key, Body=b"")
    found = s3.client().get_object(Bucket=s3.bucket, Key=key)
    assert (found["ContentLength"], found["Body"].read()) == (0, b"")
    assert found["ETag"] == '"d41d8cd98f00b204e9800998ecf8427e"'
