"""The store through our client: what a signed upload may do, and what conditions refuse."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from offchain.media.calls import Access, ClientMaker, StoreAway, StoreRefused
from offchain.media.kinds import ACCEPTED, BYTES_MAX
from offchain.media.opening import Media
from offchain.media.store import Changed, MediaStore, Put, SignedPut, TooLong
from tests.support.media import PDF, digest, media_of, picture, send
from tests.support.s3 import S3Site

HOUR = timedelta(hours=1)


def new_key() -> str:
    return f"media/tests/{uuid4()}.pdf"


def sign(media: Media, **fields: Any) -> SignedPut:
    given: dict[str, Any] = {
        "key": new_key(),
        "kind": ACCEPTED["application/pdf"],
        "size_bytes": len(PDF),
        "sha256": None,
    }
    return media.store.sign_put(Put(**given | fields), life=HOUR)


def test_signed_upload_is_taken_once(media: Media) -> None:
    signed = sign(media)
    assert send(signed, PDF).status_code == httpx.codes.OK
    assert send(signed, PDF).status_code == httpx.codes.PRECONDITION_FAILED


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (PDF + b"x", {}),
        (PDF[:-1], {}),
        (PDF, {"Content-Type": "text/html"}),
        (PDF, {"Content-Disposition": "inline"}),
        (PDF, {"Cache-Control": "public, max-age=31536000"}),
        (PDF, {"If-None-Match": "x"}),
        (PDF, {"x-amz-meta-lastro-source": "forged"}),
        (PDF, {"x-amz-acl": "public-read-write"}),
    ],
)
def test_upload_that_differs_from_what_was_signed_is_refused(
    media: Media, content: bytes, headers: dict[str, str]
) -> None:
    key = new_key()
    assert send(sign(media, key=key), content, **headers).is_client_error
    assert media.store.head(key) is None


@pytest.mark.parametrize(
    "left_out", ["Content-Type", "If-None-Match", "Cache-Control", "Content-Disposition"]
)
def test_upload_without_a_signed_header_is_refused(media: Media, left_out: str) -> None:
    signed = sign(media)
    headers = {name: value for name, value in signed.headers.items() if name != left_out}
    assert send(SignedPut(signed.url, headers), PDF).is_client_error


@pytest.mark.parametrize("content_type", ["image/png", "application/pdf"])
@pytest.mark.parametrize("sha256", [None, bytes(32)])
def test_every_header_that_must_be_sent_is_told_and_signed(
    media: Media, content_type: str, sha256: bytes | None
) -> None:
    signed = sign(media, kind=ACCEPTED[content_type], sha256=sha256)
    names = httpx.URL(signed.url).params["X-Amz-SignedHeaders"].split(";")
    told = {name.lower() for name in signed.headers}
    assert set(names) == told | {"host", "content-length"}


def test_upload_is_signed_for_the_public_host(site: S3Site) -> None:
    public = site.endpoint_url.replace("127.0.0.1", "localhost")
    apart = media_of(site, LASTRO_S3_PUBLIC_ENDPOINT_URL=public)
    key = new_key()
    signed = sign(apart, key=key)
    assert signed.url.startswith(f"{public}/{site.bucket}/{key}?")
    inside = SignedPut(signed.url.replace(public, site.endpoint_url), signed.headers)
    assert send(inside, PDF).is_client_error
    assert send(signed, PDF).status_code == httpx.codes.OK
    assert apart.store.head(key) is not None
    apart.close()


def test_upload_of_other_bytes_than_the_signed_hash_is_refused(media: Media) -> None:
    key = new_key()
    signed = sign(media, key=key, sha256=digest(PDF))
    assert send(signed, PDF.swapcase()).is_client_error
    assert media.store.head(key) is None
    assert send(signed, PDF).status_code == httpx.codes.OK


def test_upload_to_another_key_is_refused(media: Media) -> None:
    signed = sign(media)
    path, _, query = signed.url.partition("?")
    assert send(SignedPut(f"{path}x?{query}", signed.headers), PDF).is_client_error


def test_upload_is_refused_once_its_hour_is_over(media: Media, site: S3Site) -> None:
    signed = sign(media)
    site.advance(HOUR.total_seconds() + 1)
    try:
        assert send(signed, PDF).is_client_error
    finally:
        site.advance(-HOUR.total_seconds() - 1)


def test_signed_url_is_not_shown_by_chance(media: Media) -> None:
    assert "Signature" not in repr(media)


def test_object_is_fetched_with_its_hash(media: Media, tmp_path: Path) -> None:
    key, target = new_key(), tmp_path / "object"
    send(sign(media, key=key), PDF)
    seen = media.store.head(key)
    assert seen is not None
    found = media.store.fetch(key, seen.etag, target, bytes_max=len(PDF))
    assert (found, target.read_bytes()) == (digest(PDF), PDF)


def test_no_more_is_fetched_than_was_expected(media: Media, site: S3Site, tmp_path: Path) -> None:
    key, target = new_key(), tmp_path / "object"
    content = bytes(BYTES_MAX + 1)
    etag = site.client().put_object(Bucket=site.bucket, Key=key, Body=content)["ETag"].strip('"')
    found = media.store.fetch(key, etag, target, bytes_max=1_000_000)
    assert isinstance(found, TooLong)
    assert target.stat().st_size <= 1_000_000


def test_object_that_changed_is_neither_fetched_nor_written(media: Media, tmp_path: Path) -> None:
    key, path, kind = new_key(), tmp_path / "object", ACCEPTED["application/pdf"]
    send(sign(media, key=key), PDF)
    path.write_bytes(picture())
    old = "0" * 32
    assert isinstance(media.store.fetch(key, old, path, bytes_max=9), Changed)
    assert isinstance(media.store.replace(key, path, kind, etag=old), Changed)
    assert isinstance(media.store.keep(key, kind, etag=old), Changed)
    seen = media.store.head(key)
    assert seen is not None
    assert seen.size_bytes == len(PDF)


def test_object_that_is_gone_is_neither_fetched_nor_written(media: Media, tmp_path: Path) -> None:
    key, path, kind = new_key(), tmp_path / "object", ACCEPTED["application/pdf"]
    path.write_bytes(PDF)
    assert media.store.head(key) is None
    assert isinstance(media.store.fetch(key, "0" * 32, path, bytes_max=9), Changed)
    assert isinstance(media.store.replace(key, path, kind, etag="0" * 32), Changed)
    assert isinstance(media.store.keep(key, kind, etag="0" * 32), Changed)
    assert media.store.head(key) is None


def test_object_is_removed_and_may_be_gone_already(media: Media) -> None:
    key = new_key()
    send(sign(media, key=key), PDF)
    media.store.remove(key)
    media.store.remove(key)
    assert media.store.head(key) is None


@pytest.mark.parametrize("status", [500, 503, 429, 408])
@pytest.mark.parametrize("call", ["head", "check_bucket", "remove"])
def test_trouble_is_told_from_refusal(media: Media, site: S3Site, call: str, status: int) -> None:
    site.fault(path=f"/{site.bucket}", times=10, mode="status", status=status)
    arguments = () if call == "check_bucket" else (new_key(),)
    with pytest.raises(StoreAway) as away:
        getattr(media.store, call)(*arguments)
    assert site.endpoint_url not in str(away.value)


def test_answer_that_breaks_off_is_trouble(media: Media, site: S3Site, tmp_path: Path) -> None:
    key = new_key()
    site.fault(path=f"/{site.bucket}/{key}", times=10, mode="reset_before")
    with pytest.raises(StoreAway):
        media.store.head(key)
    with pytest.raises(StoreAway):
        media.store.fetch(key, "0" * 32, tmp_path / "object", bytes_max=9)


def test_wrong_key_and_missing_bucket_are_refusals(site: S3Site) -> None:
    stranger = media_of(site, LASTRO_S3_SECRET_ACCESS_KEY="not-the-secret")
    with pytest.raises(StoreRefused, match="LASTRO_S3_BUCKET"):
        stranger.store.head(new_key())
    nowhere = media_of(site, LASTRO_S3_BUCKET="no-such-bucket")
    with pytest.raises(StoreRefused):
        nowhere.store.check_bucket()
    with pytest.raises(StoreRefused):
        nowhere.store.put(new_key(), Path(__file__), "text/plain")


def test_store_that_nobody_serves_is_away() -> None:
    secret = SecretStr("a-secret")
    maker = ClientMaker(Access("s3", "us-east-1", "http://127.0.0.1:9", "AKIA", secret))
    store = MediaStore("ours", inside=maker, quick=maker, outside=maker)
    with pytest.raises(StoreAway, match="did not answer: EndpointConnectionError"):
        store.check_bucket()
    store.close()


def test_store_without_conditional_writes_is_told_to_lack_them(
    media: Media, site: S3Site, tmp_path: Path
) -> None:
    key, path = new_key(), tmp_path / "smaller"
    send(sign(media, key=key), PDF)
    path.write_bytes(PDF)
    site.fault(path=f"/{site.bucket}/{key}", mode="status", status=501)
    with pytest.raises(StoreRefused, match="conditional writes"):
        media.store.replace(key, path, ACCEPTED["application/pdf"], etag="0" * 32)


def test_object_is_copied_as_it_is_and_only_if_it_is_that_one(media: Media, site: S3Site) -> None:
    key, target = new_key(), f"quarantine/{uuid4()}"
    send(sign(media, key=key), PDF)
    seen = media.store.head(key)
    assert seen is not None
    assert not media.store.copy(key, target, etag="0" * 32)
    assert media.store.head(target) is None
    assert [media.store.copy(key, target, etag=seen.etag) for _ in range(2)] == [True, True]
    found = site.client().get_object(Bucket=site.bucket, Key=target)
    assert (found["Body"].read(), found["ContentDisposition"]) == (PDF, "attachment")
    media.store.remove(key)
    assert not media.store.copy(key, target, etag=seen.etag)
