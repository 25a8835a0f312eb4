"""What becomes of an upload, by what is in the store."""

import io
from datetime import timedelta
from typing import Any

import pytest
from PIL import Image

from offchain.jobs.sweeps.media import decide_one
from offchain.media.kinds import BYTES_MAX
from offchain.media.store import LONG_CACHE, SHORT_CACHE
from offchain.services import Services
from tests.support.media import (
    JPEG,
    PDF,
    at,
    big_picture,
    declared,
    digest,
    is_stored,
    media_of,
    now_of,
    picture,
    planted,
    quarantined,
    row_of,
    stored,
    told,
    uploaded,
)
from tests.support.s3 import S3Site


def test_small_picture_is_ready_untouched_and_cached_for_long(
    services: Services, site: S3Site
) -> None:
    content = picture((300, 200))
    file = uploaded(services, content)
    assert stored(site, file)["CacheControl"] == SHORT_CACHE
    row = told(services, file)
    assert (row.state, row.processed, row.reason) == ("ready", "untouched", None)
    assert (row.width, row.height, row.frames) == (300, 200, 1)
    assert (row.stored_bytes, row.sha256) == (len(content), digest(content))
    answer = stored(site, file)
    assert (answer["CacheControl"], answer["ContentType"]) == (LONG_CACHE, JPEG)
    assert answer["ETag"].strip('"') == row.etag
    assert answer["Body"].read() == content


def test_big_picture_is_made_smaller_under_its_key(
    services: Services, site: S3Site, big_jpeg: bytes
) -> None:
    row = told(services, file := uploaded(services, big_jpeg))
    assert (row.state, row.processed) == ("ready", "compressed")
    answer = stored(site, file)
    content = answer["Body"].read()
    assert Image.open(io.BytesIO(content)).size == (row.width, row.height) == (1024, 683)
    assert (row.stored_bytes, row.sha256) == (len(content), digest(content))
    assert row.stored_bytes < len(big_jpeg)
    assert answer["Metadata"] == {"lastro-source": row.source_etag}
    assert (answer["CacheControl"], answer["ContentType"]) == (LONG_CACHE, JPEG)
    assert answer["ETag"].strip('"') == row.etag


def test_further_forms_are_kept_beside_where_they_are_asked_for(
    services: Services, site: S3Site
) -> None:
    media = media_of(site, LASTRO_MEDIA_SIBLINGS="webp")
    with_forms = Services(services.engine, {}, services.chains, media=media)
    big_png = big_picture("PNG")
    file = uploaded(services, big_png, content_type="image/png")
    row = told(with_forms, file)
    key = f"{file.object_key}.webp"
    assert [(form["key"], form["type"]) for form in row.siblings] == [(key, "image/webp")]
    found = site.client().get_object(Bucket=site.bucket, Key=key)
    assert Image.open(found["Body"]).format == "WEBP"
    assert row.siblings[0]["bytes"] == found["ContentLength"]
    assert found["CacheControl"] == LONG_CACHE


def test_document_is_ready_as_an_attachment(services: Services, site: S3Site) -> None:
    file = uploaded(services, PDF, content_type="application/pdf", purpose="document")
    row = told(services, file)
    assert (row.state, row.processed, row.width) == ("ready", "untouched", None)
    answer = stored(site, file)
    assert answer["ContentDisposition"] == "attachment"
    assert answer["CacheControl"] == LONG_CACHE


def test_file_that_never_came_stays_pending_and_then_expires(services: Services) -> None:
    file = declared(services, PDF, content_type="application/pdf")
    assert told(services, file).state == "pending"
    decide_one(at(services, minutes=74), file.id)
    assert row_of(services.engine, file).state == "pending"
    decide_one(at(services, minutes=76), file.id)
    row = row_of(services.engine, file)
    assert (row.state, row.reason, row.removal) == ("expired", "never_came", "due")


def test_file_is_looked_for_ever_more_seldom(services: Services) -> None:
    file = declared(services, PDF, content_type="application/pdf")
    waits = []
    for ahead in (61, 200, 500, 1200, 2200):
        later = at(services, seconds=ahead)
        decide_one(later, file.id)
        waits.append(row_of(services.engine, file).next_try_at - later.clock())
    assert waits == [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 15)]


def test_missing_bucket_expires_nothing(services: Services, site: S3Site) -> None:
    file = declared(services, PDF, content_type="application/pdf")
    nowhere = media_of(site, LASTRO_S3_BUCKET="no-such-bucket")
    astray = Services(services.engine, {}, services.chains, media=nowhere)
    decide_one(at(astray, hours=2), file.id)
    assert row_of(services.engine, file).state == "pending"


@pytest.mark.parametrize(
    ("content", "parameters", "reason"),
    [
        (PDF + b"more", {}, "size_differs"),
        (PDF, {"ContentType": "text/html"}, "type_differs"),
        (bytes(BYTES_MAX + 1), {}, "too_large"),
        (b"<!doctype html>".ljust(len(PDF)), {}, "not_the_declared_type"),
    ],
    ids=["longer", "html_by_header", "above_the_limit", "html_by_bytes"],
)
def test_file_that_is_not_what_was_declared_is_refused_and_removed(
    services: Services,
    site: S3Site,
    content: bytes,
    parameters: dict[str, str],
    reason: str,
) -> None:
    file = declared(services, PDF, content_type="application/pdf")
    planted(site, file, content, **parameters)
    row = told(services, file)
    assert (row.state, row.reason) == ("refused", reason)
    assert not is_stored(site, file.object_key)


def test_file_with_another_hash_than_declared_is_refused(services: Services, site: S3Site) -> None:
    content = picture()
    file = declared(services, content, sha256=digest(b"something else"))
    planted(site, file, content)
    assert told(services, file).reason == "sha256_differs"


def test_file_with_the_declared_hash_is_ready(services: Services) -> None:
    content = picture()
    assert told(services, uploaded(services, content, sha256=digest(content))).state == "ready"


def test_picture_under_a_false_name_is_refused(services: Services) -> None:
    content = picture(kind="PNG")
    row = told(services, uploaded(services, content, content_type=JPEG))
    assert (row.state, row.reason) == ("refused", "not_the_declared_type")


def test_broken_picture_fails_by_name_and_is_kept_as_it_came_for_nobody_but_operators(
    services: Services, site: S3Site
) -> None:
    content = picture((300, 200))[:300]
    row = told(services, file := uploaded(services, content))
    assert (row.state, row.etag) == ("failed", None)
    assert row.reason in {"truncated", "corrupt"}
    assert not is_stored(site, file.object_key)
    assert quarantined(site, file)["Body"].read() == content


def test_huge_picture_in_few_bytes_fails(services: Services) -> None:
    content = picture((9000, 9000), "PNG", compress_level=9)
    row = told(services, uploaded(services, content, content_type="image/png"))
    assert (row.state, row.reason) == ("failed", "too_many_pixels")


def test_big_broken_picture_fails_and_is_not_written_over(
    services: Services, site: S3Site, big_jpeg: bytes
) -> None:
    content = big_jpeg[: len(big_jpeg) * 9 // 10]
    row = told(services, file := uploaded(services, content))
    assert (row.state, row.processed) == ("failed", None)
    assert quarantined(site, file)["Body"].read() == content


@pytest.mark.parametrize(
    "fault",
    [
        {"mode": "status", "status": 503},
        {"mode": "status", "status": 429},
        {"mode": "reset_before"},
    ],
    ids=["unavailable", "throttled", "reset"],
)
def test_trouble_with_the_store_is_no_verdict(
    services: Services, site: S3Site, fault: dict[str, Any]
) -> None:
    file = uploaded(services, picture())
    site.fault(path=f"/{site.bucket}/{file.object_key}", times=50, **fault)
    row = told(services, file)
    assert row.state == "uploaded"
    assert row.next_try_at < services.clock() + timedelta(seconds=6)
    site.heal()
    decide_one(at(services, seconds=10), file.id)
    assert row_of(services.engine, file).state == "ready"


def test_store_that_refuses_us_gives_no_verdict(services: Services, site: S3Site) -> None:
    file = uploaded(services, picture())
    stranger = media_of(site, LASTRO_S3_SECRET_ACCESS_KEY="not-the-secret")
    row = told(Services(services.engine, {}, services.chains, media=stranger), file)
    assert row.state == "uploaded"


def test_mark_that_nobody_committed_is_not_believed(services: Services, site: S3Site) -> None:
    content = picture()
    file = declared(services, content)
    planted(site, file, content, Metadata={"lastro-source": "0" * 32})
    row = told(services, file)
    assert (row.state, row.processed) == ("ready", "untouched")


def test_decided_file_is_left_alone_by_every_hint(services: Services) -> None:
    file = uploaded(services, picture())
    before = told(services, file)
    assert told(services, file) == before
    assert now_of(services.engine, file).state == "ready"
