"""The project's own source files, for the tests that read them."""

import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = ("indexer", "settlement", "offchain", "api", "stack")


def tracked(*patterns: str) -> list[Path]:
    """Files git tracks or would track, by pattern."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *patterns],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [CHECKOUT / name for name in listed.split("\0") if name and (CHECKOUT / name).is_file()]
