"""``lastro media``: what each command says, does and refuses."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, func, select
from typer.testing import CliRunner, Result

from indexer.errors import ConfigurationError
from offchain.media.declaring import Declaration, Uploader, declare
from offchain.media.kinds import ACCEPTED
from offchain.media.tables import file_uploaders
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


def test_uploader_is_erased(cli: MediaCli, engine: Engine, campaign_id: UUID) -> None:
    add_file(engine, campaign_id)
    assert "0 files" in cli.run("erase-uploader", "Bento").stdout
    assert cli.answer("erase-uploader", "Ana") == {"erased": 1}
    with engine.connect() as connection:
        count = connection.execute(select(func.count()).select_from(file_uploaders)).scalar_one()
    assert count == 0
