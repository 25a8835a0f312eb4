"""Files that fail are kept for operators only, for a month; those that are taken down are gone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

import pytest
from sqlalchemy import Engine, select
from typing_extensions import override

from offchain.jobs.runtime import Runtime
from offchain.jobs.sweeps.media import decide_one, media_events, media_sweep
from offchain.media.opening import Media
from offchain.media.rows import LEASE, File, quarantine_key
from offchain.media.store import MediaStore
from offchain.media.tables import file_removals
from offchain.media.taking_down import TakenDown, take_down
from offchain.services import Services
from tests.support.dying import dying_at
from tests.support.jobs import budget, later
from tests.support.media import (
    at,
    big_picture,
    declared,
    is_public,
    is_stored,
    media_of,
    picture,
    quarantined,
    row_of,
    send,
    signed_for,
    told,
    uploaded,
)
from tests.support.offchain import CHAINS
from tests.support.s3 import S3Site

BROKEN = picture((300, 200))[:300]
STATEMENTS_MAX = 60


class DyingStore(MediaStore):
    """Dies once it has copied, or once it has removed."""

    def __init__(self, store: MediaStore, moment: Literal["copied", "removed"]) -> None:
        super().__init__(
            store._bucket, inside=store._inside, quick=store._quick, outside=store._outside
        )
        self.moment = moment

    @override
    def copy(self, key: str, target: str, *, etag: str) -> bool:
        is_copied = super().copy(key, target, etag=etag)
        if self.moment == "copied":
            raise KeyboardInterrupt
        return is_copied

    @override
    def remove(self, key: str) -> None:
        super().remove(key)
        if self.moment == "removed":
            raise KeyboardInterrupt


def in_quarantine_only(site: S3Site, file: File, content: bytes = BROKEN) -> None:
    assert not is_stored(site, file.object_key)
    assert quarantined(site, file)["Body"].read() == content
    assert not is_public(site, quarantine_key(file.object_key))


def due(services: Services) -> Services:
    return at(services, seconds=2 * LEASE.total_seconds() + 61)


def test_failed_file_is_out_of_the_publics_sight_at_once(services: Services, site: S3Site) -> None:
    file = uploaded(services, BROKEN)
    assert is_public(site, file.object_key)
    assert told(services, file).state == "failed"
    assert not is_public(site, file.object_key)
    in_quarantine_only(site, file)


@pytest.mark.parametrize("moment", ["copied", "removed"])
def test_worker_dead_on_the_way_to_quarantine_is_followed_by_one_that_ends_it(
    services: Services, media: Media, site: S3Site, moment: Literal["copied", "removed"]
) -> None:
    file = uploaded(services, BROKEN)
    dying = replace(services, media=replace(media, store=DyingStore(media.store, moment)))
    with pytest.raises(KeyboardInterrupt):
        decide_one(at(dying, seconds=61), file.id)
    assert row_of(services.engine, file).removal == "due"
    late = make_late(services)
    for _ in range(2):
        media_sweep(late, budget())
        in_quarantine_only(site, file)


def make_late(services: Services) -> Runtime:
    return Runtime(due(services), poll_gap=LEASE, seconds_max=30)


def test_worker_dead_at_any_statement_leaves_a_failed_file_to_the_next(
    services: Services, site: S3Site
) -> None:
    deaths = 0
    for statement in range(STATEMENTS_MAX):
        file = uploaded(services, BROKEN)
        died = False
        with dying_at(services.engine, statement):
            try:
                decide_one(at(services, seconds=61), file.id)
            except KeyboardInterrupt:
                died = True
        for _ in range(2):
            media_sweep(make_late(services), budget())
        in_quarantine_only(site, file)
        if not died:
            break
        deaths += 1
    assert deaths >= 6


def test_other_bytes_by_the_same_url_are_removed_and_what_failed_is_kept(
    runtime: Runtime, site: S3Site
) -> None:
    file = uploaded(runtime.services, BROKEN)
    told(runtime.services, file)
    while site.events(wait_s=0):
        pass  # what the tests before left
    send(signed_for(runtime.services, file), BROKEN[:-1] + b"x")
    assert is_public(site, file.object_key)
    assert media_events(runtime, budget()) == 1
    media_sweep(runtime, budget())
    in_quarantine_only(site, file)


def test_quarantined_file_is_gone_after_a_month(runtime: Runtime, site: S3Site) -> None:
    file = uploaded(runtime.services, BROKEN)
    told(runtime.services, file)
    for days, is_there in ((2, True), (29, True), (31, False)):
        media_sweep(later(runtime, days=days), budget())
        assert is_stored(site, quarantine_key(file.object_key)) is is_there
    row = row_of(runtime.services.engine, file)
    assert (row.state, row.removal, row.next_try_at) == ("failed", "done", None)


def test_file_stays_out_of_quarantine_while_the_store_refuses_and_is_tried_again(
    services: Services, site: S3Site
) -> None:
    file = uploaded(services, BROKEN)
    path = f"/{site.bucket}/{quarantine_key(file.object_key)}"
    site.fault(path=path, method="PUT", mode="status", status=403)
    row = told(services, file)
    assert (row.state, row.removal, row.tries) == ("failed", "due", 1)
    assert is_stored(site, file.object_key), "nothing is removed that was not copied"
    decide_one(at(services, seconds=30), file.id)
    media_sweep(make_late(services), budget())
    in_quarantine_only(site, file)


def taken_down(services: Services, file: File) -> TakenDown:
    with services.engine.begin() as connection:
        return take_down(connection, file.id, by="Eva", reason="asked for", now=datetime.now(UTC))


def test_file_that_is_taken_down_is_gone_with_its_further_forms(
    engine: Engine, site: S3Site
) -> None:
    media = media_of(site, LASTRO_MEDIA_SIBLINGS="webp,avif")
    services = Services(engine, {}, CHAINS, media=media)
    file = uploaded(services, big_picture("PNG"), content_type="image/png")
    before = told(services, file)
    keys = [file.object_key, *(form["key"] for form in before.siblings)]
    assert len(keys) >= 2
    assert all(is_public(site, key) for key in keys)
    assert [taken_down(services, file) for _ in range(2)] == ["taken_down", "already"]
    media_sweep(Runtime(services, LEASE, 30), budget())
    assert not any(is_stored(site, key) for key in keys)
    row = row_of(engine, file)
    assert (row.state, row.reason, row.removal) == ("removed", "by_operator", "due")
    with engine.connect() as connection:
        kept = connection.execute(select(file_removals)).one()
    assert (kept.file_id, kept.removed_by, kept.reason) == (file.id, "Eva", "asked for")
    media_sweep(Runtime(at(services, hours=26), LEASE, 30), budget())
    assert row_of(engine, file).removal == "done"


def test_failed_file_that_is_taken_down_leaves_quarantine_and_keeps_its_reason(
    services: Services, site: S3Site
) -> None:
    file = uploaded(services, BROKEN)
    reason = told(services, file).reason
    assert taken_down(services, file) == "taken_down"
    media_sweep(Runtime(services, LEASE, 30), budget())
    row = row_of(services.engine, file)
    assert (row.state, row.reason) == ("removed", reason)
    assert not is_stored(site, quarantine_key(file.object_key))


def refused(services: Services) -> File:
    file = uploaded(services, b"no picture")
    assert told(services, file).state == "refused"
    return file


@pytest.mark.parametrize(
    ("make", "outcome"),
    [
        (lambda services: declared(services, picture()), "undecided"),
        (refused, "never_shown"),
    ],
    ids=["pending", "refused"],
)
def test_file_that_is_not_shown_is_not_taken_down(
    services: Services, make: Callable[[Services], File], outcome: TakenDown
) -> None:
    file = make(services)
    before = row_of(services.engine, file)
    assert taken_down(services, file) == outcome
    assert row_of(services.engine, file) == before


def test_further_forms_that_were_left_behind_are_removed(services: Services, site: S3Site) -> None:
    file = uploaded(services, b"no picture")
    for name in ("webp", "avif"):
        key = f"{file.object_key}.{name}"
        site.client().put_object(Bucket=site.bucket, Key=key, Body=b"left")
    told(services, file)
    assert not is_stored(site, file.object_key)
    assert not any(is_stored(site, f"{file.object_key}.{name}") for name in ("webp", "avif"))
