"""Run the image engine's child from a small process, so that its own memory can be told.

The kernel lets a child's account begin with what its parent had resident, and pytest is large.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LAUNCHER = """
import json, sys
from offchain.media.imaging.process import run
ended = run(sys.argv[1:])
print(json.dumps([ended.status, ended.output.decode(), ended.wall_s, ended.peak_bytes]))
"""


@dataclass(frozen=True, slots=True)
class Account:
    """How a child ended, its verdict, and what it used."""

    status: int
    verdict: dict[str, Any]
    wall_s: float
    peak_mib: float


def account(*arguments: str | Path) -> Account:
    """Run one operation and read what it used."""
    finished = subprocess.run(
        [sys.executable, "-c", _LAUNCHER, *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    status, output, wall_s, peak_bytes = json.loads(finished.stdout)
    return Account(status, json.loads(output or "{}"), wall_s, peak_bytes / 2**20)
