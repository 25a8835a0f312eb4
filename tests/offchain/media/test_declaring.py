"""A declared upload has its rows before its URL, and a campaign has only so many."""

import uuid
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select

from offchain.media import declaring
from offchain.media.declaring import (
    DECLARED_PER_HOUR_MAX,
    FILES_MAX,
    Declaration,
    Uploader,
    declare,
    find_campaign,
)
from offchain.media.kinds import ACCEPTED
from offchain.media.rows import File
from offchain.media.tables import file_uploaders, files
from offchain.services import Services
from tests.support.media import declared, row_of
from tests.support.offchain import add_campaign


def try_to_declare(services: Services, campaign_id: uuid.UUID) -> Any:
    with services.engine.begin() as connection:
        kind = ACCEPTED["image/png"]
        declaration = Declaration(uuid.uuid4(), campaign_id, "gallery", kind, 9, None)
        uploader = Uploader("Somebody", None)
        return declare(connection, declaration, uploader, now=services.clock())


def fill(services: Services, campaign_id: uuid.UUID, count: int, **columns: Any) -> None:
    """Write rows as they are after a while."""
    now = services.clock()
    rows = [
        {
            "id": (file_id := uuid.uuid4()),
            "campaign_id": campaign_id,
            "purpose": "gallery",
            "object_key": f"media/{file_id}",
            "declared_type": "image/png",
            "declared_bytes": 1,
            "url_expires_at": now,
            "created_at": now,
            **columns,
        }
        for _ in range(count)
    ]
    with services.engine.begin() as connection:
        connection.execute(insert(files), rows)


def gone(services: Services) -> dict[str, Any]:
    return {"state": "refused", "reason": "size_differs", "decided_at": services.clock()}


def test_declared_file_has_its_key_its_times_and_its_uploader(
    services: Services, engine: Engine
) -> None:
    file = declared(services, b"123", content_type="video/webm")
    assert file.object_key == f"media/{file.campaign_id}/{file.id}.webm"
    assert file.url_expires_at - file.created_at == timedelta(hours=1)
    assert (file.state, file.version, file.declared_bytes) == ("pending", 0, 3)
    assert row_of(engine, file).next_try_at - file.created_at == timedelta(minutes=1)
    with engine.connect() as connection:
        row = connection.execute(select(file_uploaders)).one()
    assert (row.file_id, row.uploader, str(row.address)) == (file.id, "Somebody", "192.0.2.1")


def test_campaign_takes_no_more_files_than_it_may_have(services: Services) -> None:
    campaign_id = add_campaign(services.engine)
    old = services.clock() - timedelta(days=1)
    fill(services, campaign_id, FILES_MAX - 1, created_at=old)
    fill(services, campaign_id, 50, created_at=old, **gone(services))
    for state in ("failed", "removed"):
        fill(services, campaign_id, 50, created_at=old, **gone(services) | {"state": state})
    assert isinstance(try_to_declare(services, campaign_id), File)
    assert try_to_declare(services, campaign_id) == "too_many_files"
    assert isinstance(try_to_declare(services, add_campaign(services.engine)), File)


def test_campaign_takes_no_more_an_hour_whatever_came_of_them(services: Services) -> None:
    campaign_id = add_campaign(services.engine)
    fill(services, campaign_id, DECLARED_PER_HOUR_MAX, **gone(services))
    assert try_to_declare(services, campaign_id) == "too_many_an_hour"


def test_last_place_is_given_away_once(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declaring, "FILES_MAX", 3)
    campaign_id = add_campaign(services.engine)
    start, answers = Barrier(4), list[Any]()

    def run() -> None:
        start.wait()
        answers.append(try_to_declare(services, campaign_id))

    threads = [Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(answer).__name__ for answer in answers) == ["File", "File", "File", "str"]


def test_campaign_is_found_by_slug_and_by_id(services: Services) -> None:
    campaign_id = add_campaign(services.engine, slug="a-school")
    with services.engine.connect() as connection:
        for name in ("a-school", str(campaign_id), str(campaign_id).upper()):
            found = find_campaign(connection, name)
            assert found is not None
            assert (found.id, found.slug, found.creator) == (campaign_id, "a-school", "Somebody")
        assert find_campaign(connection, "another") is None
        assert find_campaign(connection, str(uuid.uuid4())) is None
