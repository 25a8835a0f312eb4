"""What metrics tell of files, what the bell rings for, and what no log ever holds."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from offchain.jobs.bell import Bell, open_redis
from offchain.jobs.runtime import Runtime
from offchain.jobs.sweeps.media import media_events, media_sweep
from offchain.jobs.worker import make_worker
from offchain.media.kinds import ACCEPTED
from offchain.media.store import Put
from offchain.media.taking_down import take_down
from stack.valkey import EmbeddedValkey
from tests.support.jobs import budget, later
from tests.support.media import (
    PDF,
    change,
    declared,
    now_of,
    picture,
    planted,
    uploaded,
)
from tests.support.offchain import OPERATOR_TOKEN, add_campaign
from tests.support.s3 import S3Site

DATABASE = 9
"""Of the shared Valkey: no other test's worker hears these queues."""


@pytest.fixture
def client(valkey: EmbeddedValkey) -> Iterator[redis.Redis]:
    with open_redis(f"{valkey.url.rstrip('/').removesuffix('/0')}/{DATABASE}") as opened:
        opened.flushdb()
        yield opened
        opened.flushdb()


def told(http: httpx.Client) -> dict[str, float]:
    families = text_string_to_metric_families(http.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    return {
        f"{sample.name.removeprefix('lastro_offchain_')}"
        + "".join(f" {value}" for _, value in sorted(sample.labels.items())): sample.value
        for sample in samples
    }


def test_metrics_tell_of_files_by_state_and_reason(
    http: httpx.Client, runtime: Runtime, site: S3Site
) -> None:
    before = told(http)
    assert before["media_files ready"] == before["media_undecided_oldest_seconds"] == 0
    uploaded(runtime.services, picture())
    planted(site, declared(runtime.services, picture()), PDF)
    media_sweep(later(runtime, seconds=120), budget())
    waits = declared(runtime.services, picture())
    since = runtime.services.clock() - timedelta(minutes=10)
    change(runtime.services.engine, waits, state="uploaded", uploaded_at=since)
    found = told(http)
    assert [found[f"media_files {state}"] for state in ("ready", "refused", "uploaded")] == [1] * 3
    assert found["media_unfit_files_total size_differs refused"] == 1
    assert 600 <= found["media_undecided_oldest_seconds"] < 700
    assert found["media_removals_stuck"] == 0


def test_failed_file_that_is_taken_down_still_counts_as_failed(
    http: httpx.Client, runtime: Runtime
) -> None:
    files = [uploaded(runtime.services, content) for content in (picture(), picture()[:300])]
    media_sweep(later(runtime, seconds=120), budget())
    failed = now_of(runtime.services.engine, files[1])
    with runtime.services.engine.begin() as connection:
        for file in files:
            assert take_down(
                connection, file.id, by="Eva", reason="x", now=runtime.services.clock()
            ) == "taken_down"  # fmt: skip
    found = told(http)
    assert (found["media_files removed"], found["media_files failed"]) == (2, 0)
    unfit = {name: value for name, value in found.items() if name.startswith("media_unfit")}
    assert unfit == {f"media_unfit_files_total {failed.reason} failed": 1}


def test_file_that_is_only_awaited_is_not_late(http: httpx.Client, runtime: Runtime) -> None:
    declared(runtime.services, picture())
    assert told(http)["media_undecided_oldest_seconds"] == 0


def test_removal_that_fails_again_and_again_is_told(
    http: httpx.Client, runtime: Runtime, site: S3Site
) -> None:
    file = declared(runtime.services, picture())
    planted(site, file, PDF)
    path = f"/{site.bucket}/{file.object_key}"
    site.fault(path=path, method="DELETE", mode="status", status=503, times=100)
    for minutes in (2, 10, 20, 40):
        media_sweep(later(runtime, minutes=minutes), budget())
    assert told(http)["media_removals_stuck"] == 1


def test_bell_rings_for_a_file_and_the_worker_decides_it(
    runtime: Runtime, client: redis.Redis
) -> None:
    file = uploaded(runtime.services, picture())
    change(runtime.services.engine, file, next_try_at=runtime.services.clock())
    Bell(client).ring_file(file.id)
    make_worker(client).work(burst=True, logging_level="WARNING", max_jobs=1)
    assert now_of(runtime.services.engine, file).state == "ready"


def test_bell_without_redis_costs_only_time() -> None:
    with open_redis("redis://127.0.0.1:9/0") as nobody, capture_logs() as logs:
        Bell(nobody).ring_file(UUID(int=7))
    assert [line["event"] for line in logs] == ["bell_not_rung"]


def test_no_log_holds_an_address_a_signature_or_a_key(
    http: httpx.Client, runtime: Runtime, site: S3Site
) -> None:
    add_campaign(runtime.services.engine, slug="a-school", creator="Ana Confidential")
    body = {
        "campaign": "a-school",
        "purpose": "gallery",
        "content_type": "image/jpeg",
        "size_bytes": 9,
    }
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    with capture_logs() as logs:
        made = http.post("/v1/media", json=body, headers=headers).json()
        http.post(f"/v1/media/{made['id']}/uploaded")
        file = uploaded(runtime.services, picture())
        site.fault(path=f"/{site.bucket}", mode="status", status=503, times=4)
        media_sweep(later(runtime, seconds=120), budget())
        site.heal()
        media_events(runtime, budget())
        media_sweep(later(runtime, seconds=90), budget())
    text = json.dumps(logs, default=str)
    assert "file_postponed" in text
    assert "upload_signed" in text
    signature = httpx.URL(made["upload"]["url"]).params["X-Amz-Signature"]
    secrets = (signature, "127.0.0.1", site.secret_access_key, site.access_key_id, "Confidential")
    assert not [secret for secret in secrets if secret in text]
    assert file.object_key not in text


def test_values_that_hold_secrets_do_not_show_them(runtime: Runtime) -> None:
    media = runtime.services.media
    assert media is not None
    put = Put("media/x", ACCEPTED["image/jpeg"], 9, None)
    signed: Any = media.store.sign_put(put, life=timedelta(hours=1))
    shown = repr(signed) + repr(media) + repr(media.store._inside)
    assert "Signature" not in shown
    assert "a-secret" not in shown
