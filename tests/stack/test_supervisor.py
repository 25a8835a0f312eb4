import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from stack.supervisor import Program, StackFailed, Supervisor
from tests.support.waiting import eventually

FOREVER = "import signal; signal.pause()"


@pytest.fixture
def lines() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, lines: list[tuple[str, str]]) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path, lambda name, line: lines.append((name, line)))
    yield made
    made.stop()


def program(
    name: str,
    code: str = FOREVER,
    *,
    answers: Callable[[], bool] | None = None,
    restarts: bool = True,
) -> Program:
    return Program(name, (sys.executable, "-c", code), dict(os.environ), answers, restarts=restarts)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pid_of(tmp_path: Path, name: str) -> int:
    return int(json.loads((tmp_path / "processes.json").read_text())["programs"][name])


def test_start_waits_until_the_program_answers(supervisor: Supervisor, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    code = f"import pathlib; pathlib.Path({str(flag)!r}).touch(); {FOREVER}"
    supervisor.start(program("slow", code, answers=flag.exists))
    assert flag.exists()


def test_start_fails_with_the_log_when_the_program_exits(supervisor: Supervisor) -> None:
    broken = program("broken", "raise SystemExit('no such port')", answers=lambda: False)
    with pytest.raises(StackFailed, match="no such port"):
        supervisor.start(broken)


def test_logs_reach_the_sink_with_their_programs_name(
    supervisor: Supervisor, lines: list[tuple[str, str]]
) -> None:
    supervisor.start(program("talker", f"print('hello', flush=True); {FOREVER}"))
    eventually(lambda: ("talker", "hello") in lines)


def test_watch_starts_a_killed_program_again(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(program("worker"))
    first = pid_of(tmp_path, "worker")
    os.kill(first, signal.SIGKILL)

    def started_again() -> bool:
        supervisor.watch()
        return pid_of(tmp_path, "worker") != first

    eventually(started_again)


def test_watch_ends_the_run_when_a_program_must_not_restart(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.start(program("chain", restarts=False))
    os.kill(pid_of(tmp_path, "chain"), signal.SIGKILL)

    def fails() -> bool:
        try:
            supervisor.watch()
        except StackFailed:
            return True
        return False

    eventually(fails)


def test_watch_gives_up_when_a_program_keeps_crashing(supervisor: Supervisor) -> None:
    supervisor.start(program("crashing", "raise SystemExit(7)"))

    def gives_up() -> bool:
        try:
            supervisor.watch()
        except StackFailed:
            return True
        return False

    eventually(gives_up)


def test_stop_ends_programs_in_reverse_order_and_their_children(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    order = tmp_path / "order"
    code = (
        "import pathlib, signal, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "def end(*_):\n"
        f"    with pathlib.Path({str(order)!r}).open('a') as f: f.write(sys.argv[1])\n"
        "    raise SystemExit\n"
        "signal.signal(signal.SIGTERM, end)\n"
        f"pathlib.Path({str(tmp_path)!r}, sys.argv[1]).write_text(str(child.pid))\n"
        "signal.pause()\n"
    )
    for name in "ab":
        started = Program(
            name,
            (sys.executable, "-c", code, name),
            dict(os.environ),
            partial(_has_content, tmp_path / name),
        )
        supervisor.start(started)
    grandchildren = [int((tmp_path / name).read_text()) for name in "ab"]
    supervisor.stop()
    assert order.read_text() == "ba"
    for pid in grandchildren:
        eventually(partial(_has_ended, pid))


def _has_content(path: Path) -> bool:
    return path.exists() and path.read_text() != ""


def _has_ended(pid: int) -> bool:
    return not is_alive(pid) or _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" in status.read_text()


def test_stop_ends_when_a_signal_struck_while_a_child_was_polled(tmp_path: Path) -> None:
    """The exception that a signal raises can leave ``Popen``'s own lock taken for good."""
    supervisor = Supervisor(tmp_path)
    supervisor.start(Program("sleeper", ("sleep", "600"), {"PATH": os.environ["PATH"]}))
    (child,) = supervisor._children
    child.process._waitpid_lock.acquire()  # type: ignore[attr-defined]
    stopping = threading.Thread(target=supervisor.stop)
    stopping.start()
    stopping.join(10)
    assert not stopping.is_alive()
    child.process._waitpid_lock.release()  # type: ignore[attr-defined]
    assert child.process.wait(1) == -signal.SIGTERM
