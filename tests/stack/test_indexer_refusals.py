"""``lastro indexer``: what it refuses before it asks anybody, with which exit code and words."""

import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from indexer.chain.networks import network_by_name
from indexer.errors import ConfigurationError, TransientError
from stack.chain_access import nodes_of, opened
from stack.cli import app
from stack.ports import free_port
from stack.settings import CHECKOUT
from tests.support.environment import bare_environment

LASTRO = str(CHECKOUT / ".venv" / "bin" / "lastro")
NETWORK = network_by_name("celo-local")
SECRET = "SECRETKEY"
NOBODY = f"http://127.0.0.1:1/{SECRET}"


@pytest.fixture(autouse=True)
def _environment(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("LASTRO_RPC_URLS", NOBODY)
    monkeypatch.setenv("LASTRO_DEPLOYMENTS_DIR", str(CHECKOUT / "contracts" / "deployments"))


def refusal(*command: str) -> str:
    """What a command is refused with."""
    with pytest.raises(ConfigurationError) as caught:
        CliRunner().invoke(
            app, ["indexer", *command, "--chain", NETWORK.name], catch_exceptions=False
        )
    return str(caught.value)


@pytest.mark.parametrize(
    "command",
    [
        ["verify", "--from", "1", "--to", "2"],
        ["audit"],
        ["rebuild"],
        ["rewind", "--to", "3"],
        ["checksum"],
        ["checksum", "--to", "0"],
    ],
    ids=" ".join,
)
def test_command_says_what_to_do_when_nothing_is_indexed(command: list[str]) -> None:
    assert refusal(*command) == (
        "nothing of celo-local is indexed yet: let its indexer run, or give "
        "'lastro indexer backfill --chain celo-local'"
    )


def test_command_is_refused_when_its_blocks_are_none() -> None:
    assert "no block lies from 8 to 4" in refusal("backfill", "--from", "8", "--to", "4")
    assert "no block lies from 9 to 1" in refusal("verify", "--from", "9", "--to", "1")
    done = CliRunner().invoke(app, ["indexer", "checksum", "--chain", NETWORK.name, "--to", "-5"])
    assert done.exit_code == 2


def test_all_faults_are_listed_without_values_when_settings_are_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LASTRO_RPC_URLS", f"htps://h/{SECRET}")
    monkeypatch.setenv("LASTRO_INDEXER_HISTORY", "all")
    monkeypatch.setenv("LASTRO_RPC_REQUESTS_PER_S", "-3")
    url = f"http://user:{SECRET}/x@127.0.0.1:1/{SECRET}"
    for command in ("backfill", "follow"):
        said = refusal(command, "--rpc-url", url)
        for name in ("--rpc-url", "RPC_URLS", "INDEXER_HISTORY", "RPC_REQUESTS_PER_S"):
            assert f"{name}: " in said
        assert SECRET not in said


def test_command_exits_with_1_and_no_traceback_when_postgres_is_down() -> None:
    done = subprocess.run(
        [LASTRO, "indexer", "status"],
        env=bare_environment(DATABASE_URL=f"postgresql://lastro@127.0.0.1:{free_port()}/lastro"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("lastro: no Postgres answers")
    assert "Traceback" not in done.stderr


def test_login_is_a_setting_when_postgres_refuses_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url.rpartition("/")[0] + "/no_such_database")
    with pytest.raises(ConfigurationError, match="does not exist"), opened("api"):
        pass


def test_command_fails_as_one_to_repeat_when_postgres_goes_away_half_way() -> None:
    with (
        pytest.raises(TransientError, match="Postgres gave up"),
        opened("api") as engine,
        engine.connect() as connection,
    ):
        connection.exec_driver_sql("RESET ROLE; SELECT pg_terminate_backend(pg_backend_pid())")


def test_nodes_of_the_command_line_stand_instead_of_those_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LASTRO_RPC_URLS", "http://a")
    monkeypatch.setenv("LASTRO_DEPLOYMENTS_DIR", str(tmp_path))
    assert nodes_of(NETWORK).urls == ("http://a",)
    nodes = nodes_of(NETWORK, ["http://b", "http://c,http://d"])
    assert nodes.urls == ("http://b", "http://c", "http://d")
    assert nodes.history == "checked"
