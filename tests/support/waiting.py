"""Wait for a condition instead of sleeping."""

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

T = TypeVar("T")

_PAUSE_S = 0.02


def eventually(probe: Callable[[], T], *, timeout_s: float = 15, what: str = "") -> T:
    """Call ``probe`` until it returns something true, and return that.

    Raises:
        AssertionError: It never did within the time.
    """
    deadline = time.monotonic() + timeout_s
    pause = Event()
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"never happened in {timeout_s} s: {what or probe!r}")
        pause.wait(_PAUSE_S)
