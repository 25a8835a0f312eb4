"""Start a real server for tests and stop it whatever happens."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import eventually

STOP_TIMEOUT_S = 15


@contextmanager
def running(
    command: Sequence[str], *, answers: Callable[[], bool], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``command`` until the block ends; its output goes to ``log``."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, "HOME": str(log.parent)},  # anvil spills old states into HOME
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(
            lambda: answers() or process.poll() is not None, timeout_s=30, what=" ".join(command)
        )
        if process.poll() is not None:
            raise AssertionError(f"{command[0]} exited:\n{log.read_text()[-2000:]}")
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
