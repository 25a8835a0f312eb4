"""What the database refuses, whatever the code believes, and whom it lets see what."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from offchain.jobs.sweeps.media import decide_one
from offchain.media.rows import File
from offchain.media.tables import file_removals, file_uploaders, files
from offchain.services import Services
from tests.support.media import at, change, declared, picture, row_of, uploaded
from tests.support.offchain import NOW


@pytest.fixture
def file(services: Services) -> File:
    return declared(services, picture())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("object_key", "media/elsewhere"),
        ("declared_type", "image/png"),
        ("declared_bytes", 7),
        ("declared_sha256", bytes(32)),
        ("purpose", "cover"),
    ],
)
def test_what_was_declared_stands(engine: Engine, file: File, column: str, value: Any) -> None:
    with pytest.raises(IntegrityError, match="what was declared"):
        change(engine, file, **{column: value})


@pytest.mark.usefixtures("file")
def test_file_is_moved_by_its_version_only(engine: Engine) -> None:
    with pytest.raises(IntegrityError, match="compare-and-set"), engine.begin() as connection:
        connection.execute(update(files).values(state="uploaded"))


@pytest.mark.parametrize(
    "columns",
    [
        {"state": "odd"},
        {"state": "ready"},
        {"state": "refused"},
        {"reason": "odd"},
        {"state": "failed", "reason": "corrupt"},
        {"processed": "odd"},
        {"removal": "odd"},
        {"next_try_at": None},
    ],
)
def test_file_that_makes_no_sense_is_refused(
    engine: Engine, file: File, columns: dict[str, Any]
) -> None:
    with pytest.raises(IntegrityError):
        change(engine, file, **columns)


def test_file_never_leaves_its_end(services: Services, engine: Engine) -> None:
    file = uploaded(services, picture())
    decide_one(at(services, seconds=61), file.id)
    assert row_of(engine, file).state == "ready"
    for columns in (
        {"etag": "other"},
        {"decided_at": file.created_at},
        {"sha256": bytes(32)},
        {"width": 7},
        {"processed": "stripped"},
        {"source_etag": "other"},
        {"state": "refused", "reason": "odd"},
        {"state": "pending", "decided_at": None},
    ):
        with pytest.raises(IntegrityError, match="would leave its end"):
            change(engine, file, **columns)
    taken_down = {"state": "removed", "reason": "odd", "removal": "due", "next_try_at": NOW}
    with pytest.raises(IntegrityError, match="would leave its end"):
        change(engine, file, **taken_down, etag="other")
    change(engine, file, **taken_down)
    change(engine, file, removal="done", next_try_at=None, tries=3)
    for columns in ({"state": "ready", "reason": None, "removal": None}, {"reason": "other"}):
        with pytest.raises(IntegrityError, match="would leave its end"):
            change(engine, file, **columns)


@pytest.mark.parametrize("state", ["refused", "expired"])
def test_file_that_was_never_shown_is_not_taken_down(
    engine: Engine, file: File, state: str
) -> None:
    change(engine, file, state=state, reason="odd", decided_at=NOW, removal="due")
    with pytest.raises(IntegrityError, match="would leave its end"):
        change(engine, file, state="removed")


def test_who_took_a_file_down_stays(engine: Engine, file: File) -> None:
    given = {"file_id": file.id, "removed_by": "Eva", "reason": "asked for"}
    with engine.begin() as connection:
        connection.execute(insert(file_removals).values(given))
    for statement in (delete(file_removals), update(file_removals).values(reason="other")):
        with pytest.raises(DBAPIError, match="immutable"), engine.begin() as connection:
            connection.execute(statement)


@pytest.mark.usefixtures("file")
def test_row_of_a_file_stays(engine: Engine) -> None:
    with pytest.raises(DBAPIError, match="immutable"), engine.begin() as connection:
        connection.execute(delete(files))


@pytest.mark.usefixtures("file")
def test_read_role_sees_files_and_not_who_sent_them(
    engine_as: Callable[[str], Engine],
) -> None:
    with engine_as("api").connect() as connection:
        assert connection.execute(select(files.c.state)).scalar_one() == "pending"
    for table in (file_uploaders, file_removals):
        with engine_as("api").connect() as connection, pytest.raises(ProgrammingError):
            connection.execute(select(table.c.file_id))
    for owner in ("chain", "settlement"):
        with engine_as(owner).connect() as connection, pytest.raises(ProgrammingError):
            connection.execute(text("SELECT 1 FROM offchain.file_uploaders"))
