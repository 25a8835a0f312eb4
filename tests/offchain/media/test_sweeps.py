"""The sweeps: hints from the queue, files that nobody announced, removals, and forgetting."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select
from structlog.testing import capture_logs
from typing_extensions import override

from offchain.jobs import entry
from offchain.jobs.runtime import Runtime
from offchain.jobs.sweeps.media import media_events, media_forget, media_sweep
from offchain.media.calls import ClientMaker
from offchain.media.forgetting import erase_uploader
from offchain.media.queue import EventQueue, Message
from offchain.media.rows import File
from offchain.media.tables import file_uploaders
from offchain.services import Services
from tests.support.jobs import budget, later
from tests.support.media import (
    PDF,
    change,
    declared,
    is_stored,
    media_of,
    now_of,
    picture,
    planted,
    row_of,
    send,
    signed_for,
    uploaded,
)
from tests.support.offchain import add_campaign
from tests.support.s3 import S3Site


@pytest.fixture(autouse=True)
def _quiet(site: S3Site) -> None:
    """Nothing of the tests before is announced any more."""
    while site.events(wait_s=0):
        pass


def announce(site: S3Site, *bodies: str) -> None:
    queue = site.sqs()
    for body in bodies:
        queue.send_message(QueueUrl=site.queue_url, MessageBody=body)


def event(site: S3Site, key: str, *, name: str = "ObjectCreated:Put", bucket: str = "") -> str:
    s3 = {"bucket": {"name": bucket or site.bucket}, "object": {"key": key}}
    return json.dumps({"Records": [{"eventName": name, "s3": s3}]})


def waiting(site: S3Site) -> int:
    """How many messages the queue holds, handed out or not."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = site.sqs().get_queue_attributes(QueueUrl=site.queue_url, AttributeNames=names)
    return sum(int(count) for count in answer["Attributes"].values())


def state(services: Services, file: File) -> str:
    return now_of(services.engine, file).state


def test_store_announces_an_upload_and_the_sweep_decides_it(runtime: Runtime, site: S3Site) -> None:
    file = uploaded(runtime.services, picture())
    assert media_events(runtime, budget()) == 1
    assert state(runtime.services, file) == "uploaded"
    assert media_sweep(runtime, budget()) == 1
    assert state(runtime.services, file) == "ready"
    assert media_events(runtime, budget()) == 0, "what we write ourselves is announced and ignored"
    assert media_sweep(runtime, budget()) == 0
    assert waiting(site) == 0


def test_upload_that_nobody_announced_is_found_after_a_while(runtime: Runtime) -> None:
    file = uploaded(runtime.services, picture())
    assert media_sweep(runtime, budget()) == 0
    assert media_sweep(later(runtime, seconds=61), budget()) == 1
    assert state(runtime.services, file) == "ready"


def test_garbage_on_the_queue_is_dropped_and_hides_nothing(runtime: Runtime, site: S3Site) -> None:
    file = declared(runtime.services, PDF, content_type="application/pdf")
    encoded = file.object_key.replace("/", "%2F")
    announce(
        site,
        "not json",
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": site.bucket}),
        event(site, "media/nobody/knows.jpg"),
        event(site, file.object_key, bucket="another"),
        event(site, file.object_key, name="ObjectRemoved:Delete"),
        event(site, "media/a%00b"),
        event(site, encoded),
        event(site, encoded),
    )
    assert media_events(runtime, budget()) == 1, "the second says nothing new"
    assert state(runtime.services, file) == "uploaded"
    assert waiting(site) == 0


class DyingQueue(EventQueue):
    """Hands messages out and is never told that they were worked off."""

    def __init__(self, url: str, maker: ClientMaker) -> None:
        super().__init__(url, maker)
        self.kept: list[Message] = []

    @override
    def forget(self, messages: Sequence[Message]) -> None:
        self.kept += messages
        raise KeyboardInterrupt


def test_message_is_dropped_only_once_its_hint_is_committed(runtime: Runtime, site: S3Site) -> None:
    media = runtime.services.media
    assert media is not None
    assert media.events is not None
    file = uploaded(runtime.services, picture())
    dying = DyingQueue(site.queue_url, media.events._maker)
    services = replace(runtime.services, media=replace(media, events=dying))
    with pytest.raises(KeyboardInterrupt):
        media_events(replace(runtime, services=services), budget())
    assert state(runtime.services, file) == "uploaded"
    assert waiting(site) == len(dying.kept) == 1
    media.events.forget(dying.kept)
    assert waiting(site) == 0


def test_queue_that_is_away_or_unset_stops_nothing(runtime: Runtime, site: S3Site) -> None:
    away = media_of(site, LASTRO_SQS_ENDPOINT_URL="http://127.0.0.1:9")
    file = uploaded(runtime.services, picture())
    for media in (away, replace(away, events=None), None):
        cut = replace(runtime, services=replace(runtime.services, media=media))
        assert media_events(cut, budget()) == 0
        if media is None:
            assert media_sweep(cut, budget()) == 0
    assert media_sweep(later(runtime, seconds=61), budget()) == 1
    assert state(runtime.services, file) == "ready"


def test_event_before_the_bytes_costs_only_time(runtime: Runtime, site: S3Site) -> None:
    content = picture()
    file = declared(runtime.services, content)
    announce(site, event(site, file.object_key))
    media_events(runtime, budget())
    media_sweep(runtime, budget())
    assert state(runtime.services, file) == "pending"
    send(signed_for(runtime.services, file), content)
    media_events(runtime, budget())
    media_sweep(runtime, budget())
    assert state(runtime.services, file) == "ready"


def test_bell_decides_one_file_and_removes_what_must_go(runtime: Runtime, site: S3Site) -> None:
    good, bad = uploaded(runtime.services, picture()), declared(runtime.services, picture())
    planted(site, bad, PDF)
    other = uploaded(runtime.services, picture())
    for file in (good, bad):
        change(runtime.services.engine, file, next_try_at=file.created_at)
        entry.ring_file(str(file.id))
        entry.ring_file(str(file.id))
    states = [state(runtime.services, file) for file in (good, bad, other)]
    assert states == ["ready", "refused", "pending"]
    assert not is_stored(site, bad.object_key)
    assert is_stored(site, other.object_key)


def test_refused_object_is_removed_again_when_its_url_is_over(
    runtime: Runtime, site: S3Site
) -> None:
    file = declared(runtime.services, picture())
    planted(site, file, PDF)
    media_sweep(later(runtime, seconds=61), budget())
    row = row_of(runtime.services.engine, file)
    assert (row.state, row.removal) == ("refused", "due")
    assert not is_stored(site, file.object_key)
    send(signed_for(runtime.services, file), picture())  # its URL still lets one in
    assert is_stored(site, file.object_key)
    media_sweep(later(runtime, hours=26), budget())
    row = row_of(runtime.services.engine, file)
    assert (row.removal, row.next_try_at) == ("done", None)
    assert not is_stored(site, file.object_key)


@pytest.mark.parametrize("hours", [2, 30])
def test_object_that_came_after_all_was_over_is_removed(
    runtime: Runtime, site: S3Site, hours: int
) -> None:
    file = declared(runtime.services, picture())
    media_sweep(later(runtime, hours=2), budget())
    media_sweep(later(runtime, hours=hours), budget())
    assert state(runtime.services, file) == "expired"
    send(signed_for(runtime.services, file), picture())
    late = later(runtime, hours=hours)
    assert media_events(late, budget()) == 1
    media_sweep(late, budget())
    assert not is_stored(site, file.object_key)
    assert state(runtime.services, file) == "expired"


def test_removal_is_tried_until_the_store_has_said_so(runtime: Runtime, site: S3Site) -> None:
    file = declared(runtime.services, picture())
    planted(site, file, PDF)
    path = f"/{site.bucket}/{file.object_key}"
    site.fault(path=path, method="DELETE", mode="status", status=503, times=2)
    media_sweep(later(runtime, seconds=61), budget())
    row = row_of(runtime.services.engine, file)
    assert (row.state, row.removal, row.tries) == ("refused", "due", 1)
    assert is_stored(site, file.object_key)
    site.heal()
    media_sweep(later(runtime, seconds=75), budget())
    assert not is_stored(site, file.object_key)


def test_sweep_leaves_the_rest_when_its_time_is_over(runtime: Runtime) -> None:
    campaign_id = add_campaign(runtime.services.engine)
    for _ in range(3):
        uploaded(runtime.services, picture(), campaign_id=campaign_id)
    spent = replace(budget(), seconds=0)
    assert media_sweep(later(runtime, seconds=120), spent) == 0
    # On a busy machine three pictures may be more than one turn's work.
    assert sum(media_sweep(later(runtime, seconds=120), budget()) for _ in range(3)) == 3


def test_what_must_go_goes_however_many_files_wait(
    runtime: Runtime, site: S3Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = add_campaign(runtime.services.engine)
    gone = declared(runtime.services, picture(), campaign_id=campaign_id)
    planted(site, gone, PDF)
    change(runtime.services.engine, gone, next_try_at=gone.created_at)
    for _ in range(4):
        uploaded(runtime.services, picture(), campaign_id=campaign_id)
    monkeypatch.setattr("offchain.jobs.sweeps.media.FILES_MAX", 2)
    assert media_sweep(later(runtime, seconds=61), budget()) == 2
    assert not is_stored(site, gone.object_key)


def test_uploaders_are_forgotten_after_ninety_days(runtime: Runtime, engine: Engine) -> None:
    for _ in range(2):
        declared(runtime.services, PDF)
    assert media_forget(later(runtime, days=89), budget()) == 0
    assert media_forget(later(runtime, days=91), budget()) == 2
    assert uploaders(engine) == 0
    assert media_forget(later(runtime, days=91), budget()) == 0


def test_uploader_is_erased_by_name_and_the_files_stay(runtime: Runtime, engine: Engine) -> None:
    file = declared(runtime.services, PDF)
    with engine.begin() as connection:
        assert erase_uploader(connection, "Somebody else") == 0
        assert erase_uploader(connection, "Somebody") == 1
    assert uploaders(engine) == 0
    assert state(runtime.services, file) == "pending"


def uploaders(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(file_uploaders)).scalar_one()


@pytest.mark.parametrize("order", [1, -1])
def test_duplicates_in_any_order_decide_once(runtime: Runtime, site: S3Site, order: int) -> None:
    file = uploaded(runtime.services, picture())
    announce(site, *[event(site, file.object_key), event(site, "media/x")][::order] * 3)
    media_events(runtime, budget())
    media_sweep(runtime, budget())
    before = row_of(runtime.services.engine, file)
    announce(site, event(site, file.object_key))
    media_events(runtime, budget())
    media_sweep(runtime, budget())
    assert row_of(runtime.services.engine, file) == before
    assert before.decided_at - before.created_at < timedelta(minutes=5)


def test_message_that_cannot_be_dropped_is_told_and_keeps_no_other(
    runtime: Runtime, site: S3Site
) -> None:
    media = runtime.services.media
    assert media is not None
    assert media.events is not None
    announce(site, "one")
    messages = media.events.receive()
    with capture_logs() as logs:
        media.events.forget([Message("not-a-receipt", ""), *messages])
    assert [(line["event"], line["count"]) for line in logs] == [("events_not_dropped", 1)]
    assert waiting(site) == 0
