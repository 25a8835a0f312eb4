import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from stack.ports import LOOPBACK, free_port
from tests.support.servers import running

COMMAND = [sys.executable, "-m", "api"]


def test_main_lists_every_wrong_setting_without_its_value() -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": "hunter2",
        "LASTRO_API_PORT": "70000",
        "LASTRO_CURSOR_SECRET": "tooshort",
    }
    done = subprocess.run(
        COMMAND, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    for variable in ("DATABASE_URL", "LASTRO_API_PORT", "LASTRO_CURSOR_SECRET"):
        assert variable in done.stderr
    for value in ("hunter2", "70000", "tooshort"):
        assert value not in done.stderr


def test_main_serves_until_it_is_told_to_stop(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("LASTRO_API_PORT", str(port))

    def answers() -> bool:
        try:
            return httpx.get(f"http://{LOOPBACK}:{port}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    with running(COMMAND, answers=answers, log=tmp_path / "api.log") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) in {0, -signal.SIGTERM}
    assert database_url not in (tmp_path / "api.log").read_text()
