"""What a store that hangs, a caller that repeats itself, and a killed worker cost: little."""

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import redis
from rq import Queue
from structlog.testing import capture_logs

from offchain.http.app import create_app
from offchain.jobs.bell import FILE_BELLS, Bell, open_redis
from offchain.jobs.runtime import Runtime
from offchain.jobs.sweeps.media import decide_one, media_events, media_sweep
from offchain.media.bench import LEFT_BEHIND_S, PREFIX, clear_benches
from offchain.media.deciding import decide
from offchain.media.rows import claim_undecided, hint
from offchain.services import Services
from offchain.settings import HttpSettings
from stack.valkey import EmbeddedValkey
from tests.support.asgi import serving
from tests.support.jobs import budget, later
from tests.support.media import (
    at,
    declared,
    media_of,
    now_of,
    picture,
    row_of,
    uploaded,
)
from tests.support.offchain import add_campaign
from tests.support.s3 import S3Site

DATABASE = 10
"""Of the shared Valkey: no other test's worker hears these queues."""
A_FEW_SECONDS = 8
"""Two or three, and what a busy machine adds; the sweep has 30."""


@pytest.fixture
def nobody_answers() -> Iterator[str]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_store_and_queue_that_hang_cost_a_sweep_a_few_seconds(
    runtime: Runtime, site: S3Site, nobody_answers: str
) -> None:
    campaign_id = add_campaign(runtime.services.engine)
    for _ in range(5):
        uploaded(runtime.services, picture(), campaign_id=campaign_id)
    hanging = media_of(
        site, LASTRO_S3_ENDPOINT_URL=nobody_answers, LASTRO_SQS_ENDPOINT_URL=nobody_answers
    )
    late = later(runtime, seconds=61)
    cut = replace(late, services=replace(late.services, media=hanging))
    for sweep in (media_events, media_sweep):
        started = time.monotonic()
        assert sweep(cut, budget()) == 0
        assert time.monotonic() - started < A_FEW_SECONDS
    hanging.close()


def test_sweep_stops_at_the_first_call_that_the_store_does_not_answer(
    runtime: Runtime, site: S3Site
) -> None:
    campaign_id = add_campaign(runtime.services.engine)
    found = [uploaded(runtime.services, picture(), campaign_id=campaign_id) for _ in range(3)]
    site.fault(path=f"/{site.bucket}", mode="status", status=503, times=100)
    with capture_logs() as logs:
        assert media_sweep(later(runtime, seconds=61), budget()) == 0
    assert sum(row_of(runtime.services.engine, file).tries for file in found) == 1
    (line,) = [line for line in logs if line["event"] == "file_postponed"]
    assert "503" in line["why"]
    assert line["campaign_id"] == str(campaign_id)


@pytest.fixture
def client(valkey: EmbeddedValkey) -> Iterator[redis.Redis]:
    with open_redis(f"{valkey.url.rstrip('/').removesuffix('/0')}/{DATABASE}") as opened:
        opened.flushdb()
        yield opened
        opened.flushdb()


def test_flood_of_hints_rings_once(
    services: Services, http_settings: HttpSettings, client: redis.Redis
) -> None:
    file = uploaded(services, picture())
    bells = Queue(FILE_BELLS, connection=client)
    with serving(create_app(http_settings, services=services, bell=Bell(client))) as http:

        def flood() -> int:
            before = bells.count
            for _ in range(20):
                answer = http.post(f"/v1/media/{file.id}/uploaded")
                assert answer.status_code == httpx.codes.ACCEPTED
            return bells.count - before

        assert flood() == 1
        decide_one(services, file.id)
        assert now_of(services.engine, file).state == "ready"
        assert flood() == 0


def test_hint_leaves_a_file_alone_that_a_worker_has(services: Services) -> None:
    file = uploaded(services, picture())
    late = at(services, seconds=61)
    with services.engine.begin() as connection:
        claimed = claim_undecided(connection, now=late.clock(), only=file.id)
    assert claimed is not None
    with services.engine.begin() as connection:
        assert not hint(connection, file.id, now=late.clock())
    decided = decide(late, claimed)
    assert decided is not None
    assert decided.state == "ready"


def test_hint_leaves_a_file_alone_that_is_due(services: Services) -> None:
    file = declared(services, picture())
    late = at(services, seconds=61)
    before = row_of(services.engine, file)
    with services.engine.begin() as connection:
        assert not hint(connection, file.id, now=late.clock())
    assert row_of(services.engine, file) == before


def test_hint_wakes_a_file_again_that_was_looked_for_too_early(services: Services) -> None:
    file = declared(services, picture())
    for _ in range(2):
        with services.engine.begin() as connection:
            assert hint(connection, file.id, now=services.clock())
        decide_one(services, file.id)
        assert now_of(services.engine, file).state == "pending"


def test_benches_of_killed_workers_are_cleared_and_no_other(tmp_path: Path) -> None:
    old, new, other = (tmp_path / name for name in (f"{PREFIX}old", f"{PREFIX}new", "other"))
    for path in (old, new, other):
        path.mkdir()
        (path / "original").write_bytes(b"x")
    link = tmp_path / f"{PREFIX}link"
    link.symlink_to(other)
    before = time.time() - LEFT_BEHIND_S - 1
    for path in (old, other, link):
        os.utime(path, (before, before), follow_symlinks=False)
    assert clear_benches(tmp_path) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        (new.name, other.name, link.name)
    )
    assert (other / "original").exists()
