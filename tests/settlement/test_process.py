"""The process: its lock, its start and its end."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from eth_account import Account
from sqlalchemy import select

from indexer.chain.types import to_checksum
from settlement.loop import run
from settlement.tables import signers
from stack.postgres import EmbeddedPostgres
from tests.settlement.world import ADMIN, CREATOR, World
from tests.support.waiting import eventually


@contextmanager
def running(world: World) -> Iterator[Event]:
    stop = Event()
    thread = Thread(target=run, args=(world.lane, stop), kwargs={"poll_interval_s": 0.02})
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join()


def confirmed(world: World, payments: int) -> bool:
    world.index()
    states = world.states()
    return states.get("included", 0) + states.get("settled", 0) == payments


def test_second_process_waits_and_takes_over_when_the_first_ends(world: World) -> None:
    treasury = world.live_treasury()
    world.anvil.call("evm_setAutomine", True)
    with running(world) as first, running(world):
        world.pledge(treasury)
        eventually(lambda: confirmed(world, 1))
        first.set()
        world.pledge(treasury)
        eventually(lambda: confirmed(world, 2))


@pytest.fixture
def environment(world: World, database_url: str, tmp_path: Path) -> dict[str, str]:
    record = world.deployment
    (tmp_path / "celo-local.json").write_text(
        json.dumps(
            {
                "network": record.network,
                "chain_id": record.chain_id,
                "genesis_hash": "0x" + record.genesis_hash.hex(),
                "first_block": record.first_block,
                "platform": {
                    "name": "lastro",
                    "hash": "0x" + record.platform.hash.hex(),
                    "admin": to_checksum(record.platform.admin),
                },
                "protocol_admin": to_checksum(record.protocol_admin),
                "contracts": {name: to_checksum(address) for name, address in record.contracts},
                "implementations": [],
                "tokens": [],
                "artifacts_hash": "0x00",
            }
        )
    )
    write_keystore(tmp_path, bytes(ADMIN.key))
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "DATABASE_URL": database_url,
        "LASTRO_CHAIN": "celo-local",
        "LASTRO_RPC_URLS": world.anvil.url,
        "LASTRO_DEPLOYMENTS_DIR": str(tmp_path),
        "LASTRO_SIGNER_KEYSTORE": str(tmp_path / "key.json"),
        "LASTRO_SIGNER_PASSWORD_FILE": str(tmp_path / "password"),
    }


def write_keystore(directory: Path, key: bytes) -> None:
    encrypted = Account.encrypt(key, "segredo", kdf="pbkdf2", iterations=2)
    (directory / "key.json").write_text(json.dumps(encrypted))
    (directory / "password").write_text("segredo\n")


def test_process_opens_its_lane_and_ends_cleanly_when_told(
    world: World, environment: dict[str, str]
) -> None:
    with world.lane.engine.begin() as connection:
        connection.execute(signers.delete())
    process = subprocess.Popen([sys.executable, "-m", "settlement"], env=environment)
    try:

        def opened() -> bool:
            with world.lane.engine.connect() as connection:
                return connection.execute(select(signers)).one_or_none() is not None

        eventually(opened)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


def ended(environment: dict[str, str]) -> tuple[int, str]:
    """Exit code and standard error of a process that ends by itself."""
    process = subprocess.run(
        [sys.executable, "-m", "settlement"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return process.returncode, process.stderr


def test_process_refuses_to_start_when_the_key_is_not_the_platforms(
    environment: dict[str, str], tmp_path: Path
) -> None:
    write_keystore(tmp_path, b"\x07" * 32)
    code, words = ended(environment)
    assert code == 2
    assert "LASTRO_SIGNER_KEYSTORE" in words
    assert "segredo" not in words


def test_process_lists_every_missing_setting(environment: dict[str, str]) -> None:
    bare = {
        name: value for name, value in environment.items() if not name.startswith("LASTRO_SIGNER")
    }
    code, words = ended(bare)
    assert code == 2
    assert "LASTRO_SIGNER_KEYSTORE" in words
    assert "LASTRO_SIGNER_PASSWORD_FILE" in words


def test_process_asks_for_migrations_when_the_database_is_empty(
    environment: dict[str, str], postgres: EmbeddedPostgres
) -> None:
    name = f"empty_{uuid.uuid4().hex}"
    postgres.create_database(name)
    code, words = ended({**environment, "DATABASE_URL": postgres.url(name)})
    assert code == 2
    assert "run 'lastro migrate'" in words
    assert "Traceback" not in words


def test_process_names_the_record_when_no_contract_is_where_it_says(
    environment: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "celo-local.json"
    record = json.loads(path.read_text())
    record["contracts"]["global_params"] = to_checksum(CREATOR)
    path.write_text(json.dumps(record))
    code, words = ended(environment)
    assert code == 2
    assert "LASTRO_DEPLOYMENTS_DIR" in words
    assert "Traceback" not in words
