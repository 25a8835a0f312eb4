"""Objects outlive the local S3, however it ends."""

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.errors import ConfigurationError
from stack.fakes.s3.conditions import check_write
from stack.fakes.s3.keeping import Shelf, Stored
from stack.fakes.s3.words import Refused
from tests.support.s3 import S3Site, answers, code_of, running_s3, s3_command
from tests.support.servers import running
from tests.support.waiting import eventually

KEYS = ["media/1.jpg", "media/a b+c/ü~%25.jpg", "x" * 1024, "media/"]

NAME = "0" * 64
"""What an object's file may be called."""


def port_of(site: S3Site) -> int:
    return urlsplit(site.endpoint_url).port or 0


def described(site: S3Site) -> list[dict[str, object]]:
    """All that is told of every object."""
    client = site.client()
    found = []
    for key in KEYS:
        got = client.get_object(Bucket=site.bucket, Key=key, ChecksumMode="ENABLED")
        told = {name: got[name] for name in got if name not in {"Body", "ResponseMetadata"}}
        found.append({"key": key, "body": got["Body"].read(), **told})
    return found


def fill(site: S3Site) -> None:
    for number, key in enumerate(KEYS):
        site.client().put_object(
            Bucket=site.bucket,
            Key=key,
            Body=bytes([number]) * 70_000 * number,
            ContentType="image/jpeg",
            CacheControl="public, max-age=60",
            ContentDisposition='attachment; filename="a"',
            Metadata={"processed": str(number)},
            ChecksumAlgorithm="SHA256",
        )


def test_objects_outlive_the_server_with_all_that_is_told_of_them(tmp_path: Path) -> None:
    with running_s3(tmp_path / "objects") as site:
        fill(site)
        before = described(site)
        client = site.client()
        client.put_object(Bucket=site.bucket, Key="gone", Body=b"1")
        client.delete_object(Bucket=site.bucket, Key="gone")
    with running_s3(tmp_path / "objects", port=port_of(site)) as again:
        assert described(again) == before
        listed = again.client().list_objects_v2(Bucket=again.bucket)
        assert [one["Key"] for one in listed["Contents"]] == sorted(KEYS, key=str.encode)


def test_acknowledged_writes_outlive_a_kill(tmp_path: Path) -> None:
    place = tmp_path / "objects"
    with running_s3(place) as first:
        pass  # learn a free port
    command = s3_command(first, place)
    with running(command, answers=lambda: answers(first), log=tmp_path / "log") as server:
        fill(first)
        before = described(first)
        server.send_signal(signal.SIGKILL)
        server.wait()
        assert not answers(first)
    with running_s3(place, port=port_of(first)) as again:
        assert described(again) == before
        etag = before[0]["ETag"]
        url = again.presign_put(KEYS[0], IfNoneMatch="*")
        refused = httpx.put(url, content=b"1", headers={"If-None-Match": "*"})
        assert code_of(refused) == (412, "PreconditionFailed")
        again.client().put_object(Bucket=again.bucket, Key=KEYS[0], Body=b"1", IfMatch=etag)


def test_bucket_queue_and_notification_are_there_after_every_start(tmp_path: Path) -> None:
    for _ in range(2):
        with running_s3(tmp_path / "objects") as site:
            site.client().put_object(Bucket=site.bucket, Key="media/1", Body=b"1")
            names = eventually(lambda: [one.get("Event") for one in site.events()])
            assert names[0] == "s3:TestEvent"


def test_condition_and_write_are_one_step(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.add_bucket("bucket")
    stored = Stored("key", "0" * 32, 1, datetime(2026, 1, 1, tzinfo=UTC), {}, {})
    meeting = Barrier(2)

    def write(_: int) -> bool:
        def is_new(there: Stored | None) -> None:
            with suppress(BrokenBarrierError):
                meeting.wait(0.3)  # would both be here at once, both would find nothing
            check_write(there, key="key", if_match=None, if_none_match="*")

        with shelf.incoming() as body:
            body.write(b"1")
            try:
                shelf.put("bucket", stored, body, is_new)
            except Refused:
                return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(write, range(2))) == [False, True]


def test_unfinished_upload_is_swept_away_at_the_start(tmp_path: Path) -> None:
    (tmp_path / ".incoming").mkdir()
    (tmp_path / ".incoming" / "tmp1").write_bytes(b"half a picture")
    shelf = Shelf(tmp_path)
    assert list((tmp_path / ".incoming").iterdir()) == []
    assert shelf.buckets == []


@pytest.mark.parametrize("damage", [b"", b"{}", b"x" * 100])
def test_file_that_is_no_whole_object_is_named(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "bucket").mkdir()
    (tmp_path / "bucket" / NAME).write_bytes(damage)
    with pytest.raises(ConfigurationError, match=f"{NAME} is not a whole object"):
        Shelf(tmp_path)


def test_file_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    (tmp_path / "bucket" / ".DS_Store").write_bytes(b"of another program")
    assert Shelf(tmp_path).buckets == ["bucket"]
    assert (tmp_path / "bucket" / ".DS_Store").exists()


@settings(deadline=None)  # on disk
@given(cut=st.integers(min_value=1))
def test_file_cut_anywhere_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, cut: int
) -> None:
    directory = tmp_path_factory.mktemp("cut")
    (directory / "bucket").mkdir()
    (directory / "bucket" / NAME).write_bytes(whole[: -(cut % len(whole) or 1)])
    with pytest.raises(ConfigurationError):
        Shelf(directory)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of one object."""
    directory = tmp_path_factory.mktemp("one") / "objects"
    with running_s3(directory) as site:
        site.client().put_object(Bucket=site.bucket, Key="media/1", Body=b"picture")
    [file] = (directory / site.bucket).iterdir()
    return file.read_bytes()
