"""A worker may die anywhere, and two may work at once: a file is decided once, and shrunk once."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Thread

import pytest
from sqlalchemy import Engine
from typing_extensions import override

from offchain.jobs.sweeps.media import decide_one
from offchain.media.deciding import decide
from offchain.media.kinds import Kind
from offchain.media.opening import Media
from offchain.media.rows import LEASE, File, claim_undecided
from offchain.media.store import LONG_CACHE, Changed, MediaStore
from offchain.services import Services
from tests.support.dying import dying_at
from tests.support.media import (
    at,
    big_picture,
    declared,
    digest,
    is_stored,
    now_of,
    picture,
    planted,
    row_of,
    stored,
    uploaded,
    writes_of,
)
from tests.support.offchain import CHAINS
from tests.support.s3 import S3Site

STATEMENTS_MAX = 60
"""No decision takes so many."""
Step = Callable[[], None]


class WatchedStore(MediaStore):
    """Does something before or after it writes over an object."""

    def __init__(self, store: MediaStore) -> None:
        super().__init__(
            store._bucket, inside=store._inside, quick=store._quick, outside=store._outside
        )
        self.before: Step = lambda: None
        self.after: Step = lambda: None

    @override
    def replace(self, key: str, source: Path, kind: Kind, *, etag: str) -> str | Changed:
        self.before()
        written = super().replace(key, source, kind, etag=etag)
        self.after()
        return written

    @override
    def keep(self, key: str, kind: Kind, *, etag: str) -> str | Changed:
        self.before()
        kept = super().keep(key, kind, etag=etag)
        self.after()
        return kept


@pytest.fixture
def watched(media: Media) -> WatchedStore:
    return WatchedStore(media.store)


@pytest.fixture
def services(engine: Engine, media: Media, watched: WatchedStore) -> Services:
    media = replace(media, store=watched)
    return Services(engine=engine, gateways={}, chains=CHAINS, media=media)


def die() -> None:
    raise KeyboardInterrupt


def due(services: Services) -> Services:
    """When the lease of whoever died is over."""
    return at(services, seconds=LEASE.total_seconds() + 61)


def ended_well(services: Services, site: S3Site, file: File, *, writes: int) -> None:
    """The file is ready, its row says what the store has, and it was written so often."""
    row, answer = row_of(services.engine, file), stored(site, file)
    content = answer["Body"].read()
    assert row.state == "ready"
    assert (row.etag, row.stored_bytes) == (answer["ETag"].strip('"'), len(content))
    assert row.sha256 == digest(content)
    assert answer["CacheControl"] == LONG_CACHE
    assert writes_of(site, file) == writes


@pytest.mark.parametrize("size", ["big", "small"])
def test_worker_dead_at_any_statement_leaves_a_file_that_the_next_decides_once(
    services: Services, site: S3Site, big_jpeg: bytes, size: str
) -> None:
    content = big_jpeg if size == "big" else picture((90, 60))
    deaths = 0
    for statement in range(STATEMENTS_MAX):
        file = uploaded(services, content)
        died = False
        with dying_at(services.engine, statement):
            try:
                decide_one(at(services, seconds=61), file.id)
            except KeyboardInterrupt:
                died = True
        decide_one(due(services), file.id)
        ended_well(services, site, file, writes=2)
        if not died:
            break
        deaths += 1
    assert deaths >= (8 if size == "big" else 6)


@pytest.mark.parametrize("size", ["big", "small"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_worker_dead_around_its_write_is_followed_by_one_that_writes_no_more_than_needed(
    services: Services,
    site: S3Site,
    watched: WatchedStore,
    big_jpeg: bytes,
    size: str,
    moment: str,
) -> None:
    file = uploaded(services, big_jpeg if size == "big" else picture((90, 60)))
    setattr(watched, moment, die)
    with pytest.raises(KeyboardInterrupt):
        decide_one(at(services, seconds=61), file.id)
    setattr(watched, moment, lambda: None)
    assert now_of(services.engine, file).state == "processing"
    decide_one(at(services, seconds=62), file.id)
    assert now_of(services.engine, file).state == "processing", "the lease is not over"
    decide_one(due(services), file.id)
    ended_well(services, site, file, writes=2)
    processed = now_of(services.engine, file).processed
    assert processed == ("compressed" if size == "big" else "untouched")


def test_own_result_is_recognised_with_its_further_forms(
    services: Services, site: S3Site, watched: WatchedStore
) -> None:
    assert services.media is not None
    with_forms = replace(services, media=replace(services.media, siblings=("webp",)))
    file = uploaded(with_forms, big_picture("PNG"), content_type="image/png")
    watched.after = die
    with pytest.raises(KeyboardInterrupt):
        decide_one(at(with_forms, seconds=61), file.id)
    watched.after = lambda: None
    decide_one(due(with_forms), file.id)
    ended_well(with_forms, site, file, writes=2)
    (form,) = now_of(services.engine, file).siblings
    assert form.key == f"{file.object_key}.webp"
    assert is_stored(site, form.key)


@pytest.mark.parametrize("size", ["big", "small"])
def test_object_that_changed_meanwhile_is_decided_anew(
    services: Services, site: S3Site, watched: WatchedStore, big_jpeg: bytes, size: str
) -> None:
    content = big_jpeg if size == "big" else picture((90, 60))
    other = content[:-2] + b"\x00\xff\xd9"
    file = declared(services, other)
    planted(site, file, other[:-3] + b"\x01\xff\xd9")
    watched.before = lambda: planted(site, file, other)
    decide_one(at(services, seconds=61), file.id)
    assert now_of(services.engine, file).state == "processing"
    watched.before = lambda: None
    decide_one(at(services, seconds=70), file.id)
    ended_well(services, site, file, writes=4)  # two planted, one refused with 412


def test_worker_whose_lease_is_over_moves_nothing(
    services: Services, site: S3Site, watched: WatchedStore, big_jpeg: bytes
) -> None:
    file = uploaded(services, big_jpeg)
    watched.before = lambda: _taken_over(services, file, watched)
    late = at(services, seconds=61)
    decide_one(late, file.id)
    ended_well(services, site, file, writes=3)  # one of them is refused with 412
    assert now_of(services.engine, file).processed == "compressed"


def _taken_over(services: Services, file: File, watched: WatchedStore) -> None:
    """Another worker does it all while the first is held up just before its write."""
    watched.before = lambda: None
    decide_one(due(services), file.id)


def test_two_workers_never_have_one_file_at_once(services: Services) -> None:
    file = uploaded(services, picture())
    later = at(services, seconds=61)
    start, claimed = Barrier(8), list[File]()

    def claim() -> None:
        start.wait()
        with services.engine.begin() as connection:
            found = claim_undecided(connection, now=later.clock(), only=file.id)
        if found is not None:
            claimed.append(found)

    threads = [Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == 1


def test_claim_of_a_file_that_another_moved_is_void(services: Services) -> None:
    file = uploaded(services, picture())
    with services.engine.begin() as connection:
        claimed = claim_undecided(connection, now=at(services, seconds=61).clock())
    assert claimed is not None
    decide_one(due(services), file.id)
    before = row_of(services.engine, file)
    assert decide(services, claimed) is None
    assert row_of(services.engine, file) == before
