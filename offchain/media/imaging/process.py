"""Start the child, wait for it within bounds, and account for what it used."""

import contextlib
import importlib.util
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from indexer.errors import ConfigurationError
from offchain.media.imaging.outcomes import EngineTrouble
from offchain.media.imaging.sandbox import WALL_S

VERDICT_BYTES_MAX = 16 * 1024
START = (
    "import sys; sys.path += sys.argv[1:3];"
    "from offchain.media.imaging.child import main; main(sys.argv[3:])"
)
_CHECKOUT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    # Address space is what is bounded: an arena for every thread would take 64 MiB of it each.
    "MALLOC_ARENA_MAX": "1",
    "VIPS_CONCURRENCY": "2",
}
"""All of it: the child knows none of the worker's secrets."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended.

    Attributes:
        status: Its exit status, or minus the signal that ended it.
        output: What it printed, cut at ``VERDICT_BYTES_MAX`` and one.
        late: Whether it had to be killed for taking too long.
        wall_s: From its start to its end.
        cpu_s: Of processors, in user and system mode.
        peak_bytes: Its largest resident size by the kernel's account, in which a child begins with
            what its parent had resident when it started it.
    """

    status: int
    output: bytes
    late: bool
    wall_s: float
    cpu_s: float
    peak_bytes: int


def command() -> tuple[str, ...]:
    """The child's command line, to which an operation and its arguments are added.

    ``-I`` and ``-S`` leave out the environment, the working directory and ``site``, whose search
    takes longer than the interpreter's start.

    Raises:
        ConfigurationError: Pillow is not installed.
    """
    return (sys.executable, "-I", "-S", "-c", START, str(_CHECKOUT), str(_packages()))


@cache
def _packages() -> Path:
    """Where Pillow is installed; it is not imported for that."""
    spec = importlib.util.find_spec("PIL")
    if spec is None or spec.origin is None:
        raise ConfigurationError("Pillow is not installed: run make setup")
    return Path(spec.origin).resolve().parents[1]


def run(arguments: Sequence[str]) -> Ended:
    """Run one operation in a child of its own, and see it end.

    Whatever interrupts the caller, the child and all of its session are gone when this returns.

    Raises:
        EngineTrouble: The machine cannot start a process now.
        ConfigurationError: Pillow is not installed.
    """
    started = time.monotonic()
    child = _started(arguments)
    late = False
    output = b""
    try:
        output, late = _output(child, started + WALL_S)
    finally:
        status, wall_s, cpu_s, peak_bytes = _ended(child, started)
    return Ended(status, output, late, wall_s, cpu_s, peak_bytes)


def _started(arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*command(), *arguments],
            stdin=subprocess.PIPE,  # the line by which the child knows that we live
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=True,
        )
    except OSError as error:
        raise EngineTrouble(f"its process cannot be started: {error.strerror}") from error


def _output(child: "subprocess.Popen[bytes]", deadline: float) -> tuple[bytes, bool]:
    """Read until the child closes its output, prints too much, or is late."""
    if child.stdout is None:
        return b"", False
    parts: list[bytes] = []
    descriptor, left = child.stdout.fileno(), VERDICT_BYTES_MAX + 1
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    while left > 0:
        remaining_s = deadline - time.monotonic()
        if remaining_s <= 0 or not waiting.poll(remaining_s * 1000):
            return b"".join(parts), True
        part = os.read(descriptor, left)
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts), False


def _ended(child: "subprocess.Popen[bytes]", started: float) -> tuple[int, float, float, int]:
    """Kill what is left of the child's session, reap it, and read its account.

    One that has printed its verdict is ending by itself: the signal finds it on its way out and
    changes nothing.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    _, status, used = os.wait4(child.pid, 0)
    wall_s = time.monotonic() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            stream.close()
    return child.returncode, wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
