"""The main job through its command line: undisturbed, with kills in the middle, terminated."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from stack.settings import CHECKOUT
from tests.support.environment import bare_environment
from tests.support.waiting import eventually

DEMO_TIMEOUT_S = 150
END_STATES = {"expired": 1, "final": 58, "held_for_review": 1, "posted": 24}
PORTS = {"gw0": 19700, "gw1": 19720, "master": 19740}

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@contextmanager
def demo(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "master")
    process = subprocess.Popen(
        [str(CHECKOUT / ".venv" / "bin" / "lastro"), "demo", "--json"],
        env=bare_environment(
            LASTRO_DATA_DIR=str(data_dir), LASTRO_PORT_BASE=str(PORTS.get(worker, 19760))
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, notes = process.communicate(timeout=DEMO_TIMEOUT_S)
    assert process.returncode == 0, notes
    report: dict[str, Any] = json.loads(output.splitlines()[-1])
    return report


def programs(data_dir: Path) -> dict[str, int]:
    state = data_dir / "demo" / "processes.json"
    return dict(json.loads(state.read_text())["programs"]) if state.exists() else {}


def confirmed_payments(data_dir: Path, port: int) -> int:
    password = (data_dir / "demo" / "postgres" / "password").read_text()
    with psycopg.connect(f"postgresql://lastro:{password}@127.0.0.1:{port}/lastro") as connection:
        row = connection.execute(
            "SELECT count(*) FROM settlement.requests WHERE state <> 'ready'"
        ).fetchone()
        return 0 if row is None else int(row[0])


def assert_balanced(report: dict[str, Any]) -> None:
    assert report["ok"]
    assert report["proven"]
    assert report["states"] == END_STATES
    for name in ("celo-local", "polygon-local"):
        row = report["reconciliation"][name]
        accounts = {row[f"{a}_minor"] for a in ("gateway", "ledger", "chain", "postgres")}
        assert len(accounts) == 1
        assert accounts != {0}
    paid = {(row["currency"], row["ledger_minor"] > 0) for row in report["reconciliation"].values()}
    assert paid == {("brl", True), ("usd", True), ("ngn", True)}


def assert_shown(report: dict[str, Any]) -> None:
    """The picture was made smaller, and stands upright although it was stored lying down."""
    picture = report["picture"]
    assert (picture["width"], picture["height"]) == (1024, 1365)
    assert picture["shown_bytes"] < picture["sent_bytes"] / 5


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_demo_reconciles_to_the_last_centavo_when_undisturbed(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        eventually(lambda: "api" in programs(tmp_path), timeout_s=60)
        started = programs(tmp_path)
        report = finish(process)
    assert_balanced(report)
    assert_shown(report)
    assert all(is_gone(pid) for pid in started.values())


def test_demo_ends_the_same_when_settlement_and_indexer_are_killed_in_the_middle(
    tmp_path: Path,
) -> None:
    with demo(tmp_path) as process:
        eventually(lambda: "api" in programs(tmp_path), timeout_s=60)
        port = PORTS.get(os.environ.get("PYTEST_XDIST_WORKER", "master"), 19760) + 3
        eventually(lambda: confirmed_payments(tmp_path, port) > 0, timeout_s=60)
        before = programs(tmp_path)
        victims = [name for name in before if name.startswith(("settlement", "indexer"))]
        for name in victims:
            os.kill(before[name], signal.SIGKILL)
        eventually(lambda: all(programs(tmp_path)[name] != before[name] for name in victims))
        report = finish(process)
    assert_balanced(report)


def test_demo_leaves_no_process_when_terminated(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        eventually(lambda: "http" in programs(tmp_path), timeout_s=60)
        started = programs(tmp_path)
        process.terminate()
        process.wait(60)
        assert process.returncode == 143
    assert all(is_gone(pid) for pid in started.values())
