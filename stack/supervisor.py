"""One supervisor: health-checked start, prefixed logs, reverse-order stop, crashes reported.

Every child runs in a session of its own, so a terminal's Ctrl-C reaches only the supervisor, which
then stops the children in reverse order. A child also asks the kernel for a signal on the
supervisor's death, so that nothing survives even a ``kill -9`` of it.
"""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from indexer.errors import LastroError

START_TIMEOUT_S = 60
STATE_FILE = "processes.json"
"""Lists the running programs; there while a stack runs."""
STOP_TIMEOUT_S = 20
RESTARTS_MAX = 5
RESTART_WINDOW_S = 60.0
_POLL_S = 0.05
_WATCH_S = 0.25
_TAIL_LINES = 15


class StackFailed(LastroError):  # noqa: N818 - an outcome, not a kind of error
    """A program did not start, or crashed for good; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Program:
    """One process of the stack."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    answers: Callable[[], bool] | None = None
    """Health check; without one a program is up as soon as it runs."""
    stop_signal: signal.Signals = signal.SIGTERM
    restarts: bool = True
    """Whether a crash is mended by starting it again; else it ends the run."""


@dataclass(slots=True)
class _Child:
    program: Program
    process: subprocess.Popen[str]
    started: list[float] = field(default_factory=list)


class Supervisor:
    """Starts programs, watches them and stops them.

    Args:
        directory: Where logs and the state file go.
        sink: Receives every log line with its program's name, besides the log files.
    """

    def __init__(self, directory: Path, sink: Callable[[str, str], None] | None = None) -> None:
        self._logs = directory / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._state_file = directory / STATE_FILE
        self._sink = sink
        self._children: list[_Child] = []
        self._stopping = False

    def start(self, program: Program) -> None:
        """Start one program and wait until it answers.

        Raises:
            StackFailed: It exited, or did not answer in time.
        """
        self.start_together([program])

    def start_together(self, programs: list[Program]) -> None:
        """Start programs that do not need one another, then wait for all of them.

        Raises:
            StackFailed: One exited, or did not answer in time.
        """
        children = []
        for program in programs:
            self._keep_previous_log(program)
            child = _Child(program, self._spawn(program), [time.monotonic()])
            children.append(child)
            self._children.append(child)
        self._write_state()
        for child in children:
            self._wait_until_healthy(child)

    def watch(self) -> None:
        """Look at every child once; restart the crashed.

        Raises:
            StackFailed: One crashed that cannot or should no longer be restarted.
        """
        for child in self._children:
            code = child.process.poll()
            if code is None or self._stopping:
                continue
            self._report(child.program.name, f"exited with {code}")
            now = time.monotonic()
            child.started = [then for then in child.started if now - then < RESTART_WINDOW_S]
            if not child.program.restarts or len(child.started) >= RESTARTS_MAX:
                raise StackFailed(f"{child.program.name} crashed:\n{self._tail(child.program)}")
            self._report(child.program.name, "starting again")
            child.process = self._spawn(child.program)
            child.started.append(now)
            self._write_state()

    def watch_forever(self) -> None:
        """Keep everything running until a signal or a crash ends it.

        Raises:
            StackFailed: A program crashed that cannot or should no longer be restarted.
        """
        while True:
            self.watch()
            time.sleep(_WATCH_S)

    def stop(self) -> None:
        """Stop everything in reverse order; kill what does not obey. Safe to call twice."""
        self._stopping = True
        for child in reversed(self._children):
            if child.process.poll() is None:
                child.process.send_signal(child.program.stop_signal)
                if not _exits(child.process.pid, STOP_TIMEOUT_S):
                    self._report(child.program.name, f"did not stop in {STOP_TIMEOUT_S} s: killed")
                    child.process.kill()
                    _exits(child.process.pid, STOP_TIMEOUT_S)
                child.process.poll()
            _end_group(child.process.pid)
        self._children.clear()
        self._state_file.unlink(missing_ok=True)

    def _require_all_alive(self) -> None:
        """While the stack starts, any exit ends the run: what starts next may wait for it."""
        for child in self._children:
            code = child.process.poll()
            if code is not None:
                raise StackFailed(
                    f"{child.program.name} exited with {code} while the stack started:\n"
                    f"{self._tail(child.program)}"
                )

    def log_of(self, name: str) -> Path:
        """Where a program's output of this run goes."""
        return self._logs / f"{name}.log"

    def _keep_previous_log(self, program: Program) -> None:
        log = self.log_of(program.name)
        if log.exists():
            log.replace(log.with_suffix(".previous.log"))

    def _spawn(self, program: Program) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*_die_with_parent(program.stop_signal), *program.command],
            env=dict(program.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        threading.Thread(target=self._pump, args=(program, process), daemon=True).start()
        return process

    def _pump(self, program: Program, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            return
        with process.stdout, self.log_of(program.name).open("a") as log:
            for line in process.stdout:
                # A full disk or a closed terminal must not stop the child: it would block, or fail
                # where it logs.
                with suppress(OSError, ValueError):
                    log.write(line)
                    log.flush()
                self._show(program.name, line.rstrip("\n"))

    def _show(self, name: str, line: str) -> None:
        if self._sink is not None:
            with suppress(OSError, ValueError):
                self._sink(name, line)

    def _wait_until_healthy(self, child: _Child) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        answers = child.program.answers
        while answers is not None and not answers():
            self._require_all_alive()
            if time.monotonic() > deadline:
                raise StackFailed(
                    f"{child.program.name} did not answer in {START_TIMEOUT_S} s:\n"
                    f"{self._tail(child.program)}"
                )
            time.sleep(_POLL_S)

    def _report(self, name: str, line: str) -> None:
        self._show("supervisor", f"{name} {line}")

    def _tail(self, program: Program) -> str:
        path = self.log_of(program.name)
        if not path.exists():
            return "(no output)"
        return "\n".join(path.read_text(errors="replace").splitlines()[-_TAIL_LINES:])

    def _write_state(self) -> None:
        state = {
            "supervisor": os.getpid(),
            "programs": {child.program.name: child.process.pid for child in self._children},
        }
        whole = self._state_file.with_suffix(".new")
        whole.write_text(json.dumps(state))
        whole.replace(self._state_file)


def supervisor_lives(directory: Path) -> bool:
    """Whether the supervisor that wrote the directory's state file still runs."""
    state_file = directory / STATE_FILE
    if not state_file.exists():
        return False
    try:
        os.kill(int(json.loads(state_file.read_text())["supervisor"]), 0)
    except ProcessLookupError:
        return False
    return True


def _die_with_parent(stop_signal: signal.Signals) -> list[str]:
    """Prefix that has the kernel stop the child when the supervisor dies, where it is offered."""
    setpriv = shutil.which("setpriv")
    return [] if setpriv is None else [setpriv, "--pdeathsig", stop_signal.name.removeprefix("SIG")]


def _exits(pid: int, timeout_s: float) -> bool:
    """Wait until a child has exited; False when it has not in time.

    Not ``Popen.wait``: a signal that ended the run may have struck while ``Popen.poll`` held its
    lock, and nobody would ever release it.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return True
        except ChildProcessError:  # somebody has seen it exit
            return True
        time.sleep(_POLL_S)
    return False


def _end_group(group: int) -> None:
    """Kill what a child left behind in its session, such as a worker's work-horse."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
