"""What a file's own engine says of it decides: documents, pictures left alone, and trouble."""

import io
import signal
import zipfile
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from offchain.jobs.sweeps.media import decide_one
from offchain.media.imaging import process
from offchain.media.imaging.outcomes import EngineTrouble, ImageFailure, Kept, Stripped
from offchain.media.rows import LEASE
from offchain.media.store import LONG_CACHE
from offchain.services import Services
from tests.support.media import (
    at,
    digest,
    is_public,
    is_stored,
    now_of,
    picture,
    quarantined,
    row_of,
    stored,
    told,
    uploaded,
    writes_of,
)
from tests.support.s3 import S3Site

_OOXML = "application/vnd.openxmlformats-officedocument."
DOCX, XLSX = f"{_OOXML}wordprocessingml.document", f"{_OOXML}spreadsheetml.sheet"
PARTS: Final = {DOCX: "word/document.xml", XLSX: "xl/workbook.xml"}


def archive(*names: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in names:
            packed.writestr(name, "<x/>")
    return target.getvalue()


@pytest.mark.parametrize("content_type", [DOCX, XLSX], ids=["docx", "xlsx"])
def test_office_document_is_ready(services: Services, site: S3Site, content_type: str) -> None:
    content = archive("[Content_Types].xml", "_rels/.rels", PARTS[content_type])
    file = uploaded(services, content, content_type=content_type, purpose="document")
    row = told(services, file)
    assert (row.state, row.processed, row.sha256) == ("ready", "untouched", digest(content))
    answer = stored(site, file)
    assert (answer["ContentDisposition"], answer["CacheControl"]) == ("attachment", LONG_CACHE)


@pytest.mark.parametrize("content_type", [DOCX, XLSX], ids=["docx", "xlsx"])
def test_zip_that_is_no_such_document_is_refused_and_gone(
    services: Services, site: S3Site, content_type: str
) -> None:
    file = uploaded(services, archive("run.exe"), content_type=content_type, purpose="document")
    row = told(services, file)
    assert (row.state, row.reason) == ("refused", "not_the_declared_type")
    anonymous = httpx.get(f"{site.endpoint_url}/{site.bucket}/{file.object_key}")
    assert anonymous.status_code == httpx.codes.FORBIDDEN
    assert not is_stored(site, file.object_key)


def test_page_behind_the_first_bytes_of_a_picture_is_not_shown(
    services: Services, site: S3Site
) -> None:
    content = b"\xff\xd8\xff<html><script>alert(1)</script>"
    file = uploaded(services, content)
    assert told(services, file).state == "failed"
    assert not is_public(site, file.object_key)
    assert not is_stored(site, file.object_key)


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have the engine answer so to every big picture."""

    def use(outcome: Any) -> None:
        def shrink(_path: Path, _type: str, target: Path, **_options: Any) -> Any:
            if isinstance(outcome, Exception):
                raise outcome
            if isinstance(outcome, Stripped):
                target.write_bytes(picture((2400, 1600)))
            return outcome

        monkeypatch.setattr("offchain.media.deciding.shrink", shrink)

    return use


def test_big_picture_that_is_kept_is_ready_as_it_came(
    services: Services, site: S3Site, big_jpeg: bytes, answer: Any
) -> None:
    answer(Kept("not_smaller"))
    row = told(services, file := uploaded(services, big_jpeg))
    assert (row.state, row.processed, row.width) == ("ready", "untouched", 2400)
    assert stored(site, file)["Body"].read() == big_jpeg


def test_big_picture_that_is_stripped_is_written_back_once_and_known_again(
    services: Services, site: S3Site, big_jpeg: bytes, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = picture((2400, 1600))
    answer(Stripped(2400, 1600, 1, len(content), "not_smaller"))
    file = uploaded(services, big_jpeg)

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("offchain.media.deciding.ready", die)
        with pytest.raises(KeyboardInterrupt):
            told(services, file)
    decide_one(at(services, seconds=LEASE.total_seconds() + 1), file.id)
    row, found = row_of(services.engine, file), stored(site, file)
    assert (row.state, row.processed, row.width, row.height) == ("ready", "stripped", 2400, 1600)
    assert (found["Body"].read(), found["CacheControl"]) == (content, LONG_CACHE)
    assert found["Metadata"] == {"lastro-source": row.source_etag}
    assert (row.etag, row.stored_bytes) == (found["ETag"].strip('"'), len(content))
    assert writes_of(site, file) == 2


def test_trouble_of_the_engine_says_nothing_of_a_file(
    services: Services, site: S3Site, big_jpeg: bytes, answer: Any
) -> None:
    answer(EngineTrouble("no room"))
    file = uploaded(services, big_jpeg)
    for minutes in range(0, 60, 12):
        decide_one(at(services, minutes=minutes, seconds=61), file.id)
        assert now_of(services.engine, file).state == "processing"
    assert is_stored(site, file.object_key)


def test_failure_that_may_be_the_machines_is_final_at_the_third_try(
    services: Services, site: S3Site, big_jpeg: bytes, answer: Any
) -> None:
    file = uploaded(services, big_jpeg)
    states = []
    answer(EngineTrouble("no room"))  # counts for nothing
    decide_one(at(services, seconds=61), file.id)
    answer(ImageFailure("timed_out", "killed", is_certain=False))
    for minutes in (12, 24, 36):
        decide_one(at(services, minutes=minutes), file.id)
        states.append(now_of(services.engine, file).state)
    assert states == ["processing", "processing", "failed"]
    assert now_of(services.engine, file).reason == "timed_out"
    assert quarantined(site, file)["Body"].read() == big_jpeg


def test_engine_that_is_killed_from_outside_is_run_again(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = uploaded(services, picture())
    with monkeypatch.context() as patched:
        killing = f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})"
        patched.setattr(process, "START", killing)
        row = told(services, file)
    assert (row.state, row.reason) == ("processing", None)
    assert row.next_try_at < services.clock() + LEASE
    decide_one(at(services, seconds=30), file.id)
    assert row_of(services.engine, file).state == "ready"
