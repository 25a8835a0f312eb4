"""Directories that files are worked on in, and what killed workers left of them."""

import os
import shutil
import stat
import time
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Final

import structlog

PREFIX: Final = "lastro-media-"
LEFT_BEHIND_S: Final = 3600
"""No file is worked on for so long."""

_log = structlog.get_logger(__name__)


def bench() -> TemporaryDirectory[str]:
    """A directory for one file, gone when the work is done.

    Raises:
        OSError: The machine has no room for one.
    """
    return TemporaryDirectory(prefix=PREFIX)


def clear_benches(directory: Path | None = None) -> int:
    """Remove what workers left that were killed at work; returns how many directories.

    Args:
        directory: Where they are; default: where temporary files are.
    """
    cleared = 0
    for path in (directory or Path(gettempdir())).glob(f"{PREFIX}*"):
        if _is_left_behind(path):
            shutil.rmtree(path, ignore_errors=True)
            cleared += 1
    if cleared:
        _log.info("benches_cleared", count=cleared)
    return cleared


def _is_left_behind(path: Path) -> bool:
    """Whether it is an old directory of our own; a link is nobody's bench."""
    try:
        found = path.lstat()
    except OSError:
        return False
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return is_ours and time.time() - found.st_mtime > LEFT_BEHIND_S
