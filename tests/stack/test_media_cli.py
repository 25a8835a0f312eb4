"""``lastro media``: what each command says, does and refuses."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, func, select, update
from typer.testing import CliRunner, Result

from indexer.errors import ConfigurationError
from offchain.media.declaring import Declaration, Uploader, declare
from offchain.media.kinds import ACCEPTED
from offchain.media.tables import file_removals, file_uploaders, files
from offchain.media.tokens import Grant, read_token
from stack.cli import app
from tests.support.offchain import add_campaign

SECRET = "upload-secret-of-the-tests"
LINKS = {"LASTRO_UPLOAD_SECRET": SECRET, "LASTRO_PAGES_URL": "https://pages.example"}


class MediaCli:
    """The command line to one database."""

    def __init__(self, database_url: str, data: Path) -> None:
        self._environment = {"DATABASE_URL": database_url, "LASTRO_DATA_DIR": str(data)}

    def run(self, *arguments: str, **more: str) -> Result:
        environment = self._environment | more
        return CliRunner().invoke(app, ["media", *arguments], env=environment)

    def answer(self, *arguments: str, **more: str) -> dict[str, Any]:
        result = self.run(*arguments, "--json", **more)
        assert result.exit_code == 0, result.exception
        found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
        return found


@pytest.fixture
def cli(database_url: str, tmp_path: Path) -> MediaCli:
    return MediaCli(database_url, tmp_path)


@pytest.fixture
def engine(engine_as: Callable[[str], Engine]) -> Engine:
    return engine_as("offchain")


@pytest.fixture
def campaign_id(engine: Engine) -> UUID:
    return add_campaign(engine, slug="a-school", creator="Ana")


def add_file(engine: Engine, campaign_id: UUID, content_type: str = "image/png") -> UUID:
    declaration = Declaration(uuid4(), campaign_id, "gallery", ACCEPTED[content_type], 9, None)
    with engine.begin() as connection:
        declare(connection, declaration, Uploader("Ana", "192.0.2.1"), now=datetime.now(UTC))
    return declaration.file_id


def test_link_lets_one_campaigns_creator_upload(cli: MediaCli, campaign_id: UUID) -> None:
    made = cli.answer("upload-link", "a-school", "--days", "2", **LINKS)
    page, _, token = made["url"].partition("#upload=")
    assert page == "https://pages.example/campaigns/a-school"
    now = datetime.now(UTC)
    grant = read_token(token, secret=SECRET.encode(), now=now)
    assert isinstance(grant, Grant)
    assert grant.campaign_id == campaign_id
    assert timedelta(days=1) < grant.expires_at - now <= timedelta(days=2)
    assert datetime.fromisoformat(made["expires_at"]) == grant.expires_at


@pytest.mark.usefixtures("campaign_id")
def test_link_is_shown_on_a_line_of_its_own(cli: MediaCli) -> None:
    lines = cli.run("upload-link", "a-school", **LINKS).stdout.splitlines()
    assert lines[0].startswith("https://pages.example/campaigns/a-school#upload=")
    assert lines[1].startswith("good until ")


@pytest.mark.usefixtures("campaign_id")
@pytest.mark.parametrize("left_out", sorted(LINKS))
def test_half_of_the_settings_is_refused(cli: MediaCli, left_out: str) -> None:
    result = cli.run("upload-link", "a-school", **(LINKS | {left_out: ""}))
    assert isinstance(result.exception, ConfigurationError)
    assert "LASTRO_UPLOAD_SECRET and LASTRO_PAGES_URL" in str(result.exception)


@pytest.mark.parametrize("command", ["upload-link", "list"])
def test_unknown_campaign_is_refused(cli: MediaCli, command: str) -> None:
    result = cli.run(command, "nowhere", **LINKS)
    assert isinstance(result.exception, ConfigurationError)
    assert "no campaign nowhere" in str(result.exception)


def test_files_are_listed_without_who_sent_them(
    cli: MediaCli, engine: Engine, campaign_id: UUID
) -> None:
    older, newer = (add_file(engine, campaign_id) for _ in range(2))
    found = cli.answer("list", "a-school")["files"]
    assert [file["id"] for file in found] == [str(newer), str(older)]
    assert {file["state"] for file in found} == {"pending"}
    for text in (cli.run("list", "a-school").stdout, json.dumps(found)):
        assert str(older) in text
        assert "192.0.2.1" not in text


def shown(engine: Engine, campaign_id: UUID) -> UUID:
    """A file that pages show."""
    file_id = add_file(engine, campaign_id)
    ready = {
        "state": "ready",
        "etag": "e",
        "stored_bytes": 9,
        "sha256": bytes(32),
        "processed": "untouched",
        "decided_at": datetime.now(UTC),
        "next_try_at": None,
        "version": 1,
    }
    with engine.begin() as connection:
        connection.execute(update(files).where(files.c.id == file_id).values(ready))
    return file_id


def test_file_is_taken_down_and_who_wanted_it_is_kept(
    cli: MediaCli, engine: Engine, campaign_id: UUID
) -> None:
    file_id = shown(engine, campaign_id)
    asked = ("remove", str(file_id), "--reason", " Not hers. ", "--by", "Eva")
    assert cli.answer(*asked) == {"file_id": str(file_id), "outcome": "taken_down"}
    assert "removed already" in cli.run(*asked).stdout
    (found,) = cli.answer("list", "a-school")["files"]
    assert (found["state"], found["reason"]) == ("removed", "by_operator")
    with engine.connect() as connection:
        kept = connection.execute(select(file_removals)).one()
    assert (kept.removed_by, kept.reason) == ("Eva", "Not hers.")


def test_operator_is_told_of_caches(cli: MediaCli, engine: Engine, campaign_id: UUID) -> None:
    file_id = shown(engine, campaign_id)
    assert "purged" in cli.run("remove", str(file_id), "--reason", "x", "--by", "Eva").stdout


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({}, "not decided yet"),
        ({"--reason": " "}, "--reason takes"),
        ({"--by": "x" * 101}, "--by takes"),
        ({"--by": "a\nb"}, "--by takes"),
    ],
)
def test_file_that_cannot_be_taken_down_is_left(
    cli: MediaCli, engine: Engine, campaign_id: UUID, more: dict[str, str], fault: str
) -> None:
    file_id = add_file(engine, campaign_id)
    given = {"--reason": "asked for", "--by": "Eva"} | more
    words = [word for option in given.items() for word in option]
    result = cli.run("remove", str(file_id), *words)
    assert isinstance(result.exception, ConfigurationError)
    assert fault in str(result.exception)


def test_file_that_nobody_knows_is_not_taken_down(cli: MediaCli) -> None:
    result = cli.run("remove", str(UUID(int=7)), "--reason", "x", "--by", "Eva")
    assert isinstance(result.exception, ConfigurationError)
    assert "not known" in str(result.exception)


def test_uploader_is_erased(cli: MediaCli, engine: Engine, campaign_id: UUID) -> None:
    add_file(engine, campaign_id)
    assert "0 files" in cli.run("erase-uploader", "Bento").stdout
    assert cli.answer("erase-uploader", "Ana") == {"erased": 1}
    with engine.connect() as connection:
        count = connection.execute(select(func.count()).select_from(file_uploaders)).scalar_one()
    assert count == 0
