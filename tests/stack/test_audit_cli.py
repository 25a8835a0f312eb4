"""``lastro audit``: what it tells of a record, what it finds, and with what it exits."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from indexer.errors import ConfigurationError
from stack.cli import app
from tests.settlement.audit.audit_vectors import FILE, HEAD
from tests.settlement.audit.recorded import seal_all, tamper, write_moves

UNKNOWN = f"9:0x{'00' * 32}"


@pytest.fixture
def database(database_url: str, engine_as: Callable[[str], Engine]) -> str:
    """Four moves in two blocks, and one that is not sealed."""
    engine = engine_as("settlement")
    write_moves(engine, 4)
    assert len(seal_all(engine, rows_max=2)) == 2
    write_moves(engine, 1)
    return database_url


def invoke(*arguments: str, database: str = "") -> Result:
    return CliRunner().invoke(app, ["audit", *arguments], env={"DATABASE_URL": database})


def run(*arguments: str, database: str = "") -> tuple[int, dict[str, Any]]:
    """Exit code, and what was said as JSON; a refusal exits with 2, as ``main`` has it."""
    result = invoke(*arguments, "--json", database=database)
    if isinstance(result.exception, ConfigurationError):
        return 2, {"refused": str(result.exception)}
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, json.loads(result.stdout.splitlines()[-1])


def test_head_tells_what_stands_for_the_record_and_what_waits(database: str) -> None:
    code, told = run("head", database=database)
    assert code == 0
    assert told["head"].startswith("2:0x")
    assert (told["blocks"], told["rows"], told["unsealed"]) == (2, 4, 1)
    said = invoke("head", database=database).stdout.splitlines()
    assert said[0] == told["head"]
    assert said[1].startswith("4 rows, sealed at")
    assert said[2].startswith("1 more wait, since")


def test_head_of_nothing_can_be_verified(database_url: str) -> None:
    _, told = run("head", database=database_url)
    assert told["head"] == f"0:0x{'00' * 32}"
    code, verdict = run("verify", "--head", told["head"], database=database_url)
    assert (code, verdict["ok"], verdict["rows"]) == (0, True, 0)


def test_export_is_verified_without_a_database(database: str, tmp_path: Path) -> None:
    file = tmp_path / "record.jsonl"
    _, told = run("head", database=database)
    code, written = run("export", str(file), database=database)
    assert (code, written["bytes"]) == (0, file.stat().st_size)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert invoke("export", database=database).stdout_bytes == file.read_bytes()
    code, verdict = run("verify", str(file), "--head", told["head"])
    assert (code, verdict["ok"], verdict["head"]) == (0, True, told["head"])
    assert (verdict["blocks"], verdict["rows"], verdict["fault"]) == (2, 4, None)


def test_verify_names_the_bad_block_and_exits_with_1(
    database: str, login_engine: Engine, tmp_path: Path
) -> None:
    _, told = run("head", database=database)
    tamper(login_engine, "UPDATE settlement.moves SET after = 'void' WHERE id = pg_temp.at(3)")
    code, verdict = run("verify", "--head", told["head"], database=database)
    assert (code, verdict["ok"], verdict["rows"]) == (1, False, 2)
    fault = verdict["fault"]
    assert (fault["kind"], fault["block"], fault["position"]) == ("row_edited", 2, 3)
    file = tmp_path / "record.jsonl"
    run("export", str(file), database=database)
    said = invoke("verify", str(file))
    assert said.exit_code == 1
    assert "BLOCK 2 IS BAD: moves" in said.stdout
    assert "2 rows in 1 blocks are as they were sealed" in said.stdout


def test_verify_takes_the_published_record() -> None:
    code, verdict = run("verify", str(FILE), "--head", HEAD)
    assert (code, verdict["ok"], verdict["head"]) == (0, True, HEAD)
    code, verdict = run("verify", str(FILE), "--head", HEAD, "--head", UNKNOWN)
    assert (code, verdict["fault"]["kind"], verdict["fault"]["block"]) == (1, "chain_truncated", 3)


def test_verify_refuses_what_is_no_record(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"")
    for arguments in (
        ["verify", str(other)],
        ["verify", str(tmp_path / "nothing")],
        ["verify", str(FILE), "--head", "7"],
        ["export"],
    ):
        code, told = run(*arguments)
        assert (code, list(told)) == (2, ["refused"]), arguments
    assert invoke("verify", str(FILE), "--unknown").exit_code == 2


def test_export_refuses_a_file_that_cannot_be_written(database: str, tmp_path: Path) -> None:
    code, told = run("export", str(tmp_path / "no" / "directory"), database=database)
    assert (code, list(told)) == (2, ["refused"])
