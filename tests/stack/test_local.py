import fcntl
import json
import os
import socket
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from indexer.chain.deployments import load_deployment
from indexer.chain.networks import network_by_name
from indexer.chain.rpc import ChainReader, check_chain_id
from indexer.errors import ConfigurationError
from stack.anvil import Anvil
from stack.local import running_stack
from stack.ports import LOOPBACK, free_port
from stack.postgres import EmbeddedPostgres
from stack.settings import CHECKOUT, StackSettings
from tests.support.environment import bare_environment

LASTRO = str(CHECKOUT / ".venv" / "bin" / "lastro")


def settings(data_dir: Path, port_base: int | None = None) -> StackSettings:
    return StackSettings.model_validate(
        {"LASTRO_DATA_DIR": data_dir, "LASTRO_PORT_BASE": port_base or free_port()}
    )


def lastro(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LASTRO, *arguments],
        env=bare_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_stack_refuses_when_a_port_is_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        chosen = settings(tmp_path, taken.getsockname()[1])
        with (
            pytest.raises(ConfigurationError, match=r"is in use.*LASTRO_PORT_BASE"),
            running_stack(chosen, name="up", narrate=lambda _: None),
        ):
            pass


def test_stack_refuses_when_one_is_already_running(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        lock.write("4711")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with (
            pytest.raises(ConfigurationError, match=r"already running .*4711"),
            running_stack(settings(tmp_path), name="up", narrate=lambda _: None),
        ):
            pass


def test_postgres_refuses_a_data_directory_of_another_major_version(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, 0)
    server.data.mkdir()
    (server.data / "PG_VERSION").write_text("16\n")
    (server.data / "precious").write_text("rows")
    with pytest.raises(ConfigurationError, match="written by Postgres 16"):
        server.initialize()
    assert (server.data / "precious").read_text() == "rows"


def test_reader_refuses_a_node_of_another_chain(anvil: Anvil) -> None:
    with (
        closing(ChainReader([anvil.url])) as reader,
        pytest.raises(ConfigurationError, match=r"31337.*31338"),
    ):
        check_chain_id(reader, network_by_name("polygon-local"))


def test_deployment_record_of_another_chain_is_refused(tmp_path: Path) -> None:
    network = network_by_name("celo-local")
    with pytest.raises(ConfigurationError, match="run 'lastro deploy'"):
        load_deployment(tmp_path, network)
    (tmp_path / "celo-local.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="not a deployment record"):
        load_deployment(tmp_path, network)


def test_every_wrong_setting_is_listed_at_once(tmp_path: Path) -> None:
    done = lastro(
        "doctor",
        LASTRO_DATA_DIR=str(tmp_path),
        LASTRO_PORT_BASE="80",
        DATABASE_URL="mysql://db",
        REDIS_URL="http://queue",
    )
    assert done.returncode == 2
    for variable in ("LASTRO_PORT_BASE", "DATABASE_URL", "REDIS_URL"):
        assert variable in done.stderr


def test_doctor_finds_this_machine_fit(tmp_path: Path) -> None:
    done = lastro(
        "doctor", "--json", LASTRO_DATA_DIR=str(tmp_path), LASTRO_PORT_BASE=str(free_port())
    )
    report = json.loads(done.stdout.splitlines()[-1])
    found = {finding["subject"]: finding for finding in report["findings"]}
    assert found["Postgres"]["is_well"], report
    assert found["anvil"]["is_well"], report


def test_migrate_says_where_it_looked_when_no_database_answers(tmp_path: Path) -> None:
    done = lastro(
        "migrate",
        LASTRO_DATA_DIR=str(tmp_path),
        DATABASE_URL=f"postgresql://nobody@{LOOPBACK}:{free_port()}/none",
    )
    assert done.returncode == 2
    assert "no Postgres answers" in done.stderr


@pytest.mark.parametrize("process", ["indexer", "settlement", "api"])
def test_process_lists_its_missing_settings(process: str) -> None:
    done = subprocess.run(
        [str(CHECKOUT / ".venv" / "bin" / "python"), "-m", process],
        env={"PATH": os.environ["PATH"]},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "DATABASE_URL" in done.stderr
