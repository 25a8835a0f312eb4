"""The walls around the child, tried from inside with a child that means harm."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TypeVar

import pytest

from indexer.errors import TransientError
from offchain.media.imaging import process, sandbox
from offchain.media.imaging.outcomes import EngineTrouble, ImageFailure
from offchain.media.imaging.running import check_ooxml, inspect, shrink
from tests.support.confined import account
from tests.support.pictures import JPEG, photo, saved
from tests.support.waiting import eventually

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
CONFINED = "import os, sys; sys.path += sys.argv[1:3]; "
CONFINED += "from offchain.media.imaging import sandbox; "
NOW = "sandbox.confine(); "
AT_ONCE = "sandbox.ALARM_S = 1; sandbox.confine(); "


Raised = TypeVar("Raised", bound=Exception)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(saved(photo(1300, 900), JPEG, quality=95))
    return path


def failure(monkeypatch: pytest.MonkeyPatch, source: Path, body: str, kind: type[Raised]) -> Raised:
    """What becomes of a picture when the child does this instead."""
    monkeypatch.setattr(process, "START", CONFINED + body)
    target = source.with_name("target")
    with pytest.raises(kind) as caught:
        shrink(source, JPEG, target)
    assert not target.exists()
    return caught.value


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (AT_ONCE + "exec('while True: pass')", "timed_out"),
        (AT_ONCE + "os.read(os.pipe()[0], 1)", "timed_out"),
        (NOW + "os.kill(os.getpid(), 9)", "out_of_memory"),
        (NOW + "os.kill(os.getpid(), 24)", "timed_out"),
        (NOW + "os.kill(os.getpid(), 11)", "corrupt"),
        (NOW + "os.abort()", "corrupt"),
        (NOW + "os.kill(os.getpid(), 7)", "corrupt"),
        (NOW + "os.kill(os.getpid(), 8)", "corrupt"),
        (NOW + "os.kill(os.getpid(), 4)", "corrupt"),
        (NOW + "open(sys.argv[6], 'w').write('half'); os.kill(os.getpid(), 11)", "corrupt"),
    ],
)
def test_child_that_dies_over_a_file_is_an_uncertain_failure(
    body: str, code: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = failure(monkeypatch, source, body, ImageFailure)
    assert (found.code, found.is_certain) == (code, False)


@pytest.mark.parametrize(
    "body",
    [
        *(NOW + f"os.kill(os.getpid(), {number})" for number in (1, 2, 10, 15)),
        "os.kill(os.getpid(), 2)",
        NOW + "open(sys.argv[6], 'w').write('half'); os.kill(os.getpid(), 15)",
        NOW + "sys.exit(0)",
        NOW + "print('no verdict')",
        NOW + "print('[]')",
        NOW + "print('{}')",
        NOW + "print('{\"width\": 1}')",
        NOW + 'print(\'{"kept": "because"}\')',
        NOW
        + 'print(\'{"stripped": "because", "width": 1, "height": 1, "frames": 1, "bytes": 1}\')',
        NOW + 'print(\'{"code": "no such code"}\')',
        NOW + "print('x' * 10_000_000)",
        "raise SystemExit(3)",
        "import no_such_module",
    ],
)
def test_child_that_says_nothing_of_the_file_is_trouble(
    body: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(failure(monkeypatch, source, body, EngineTrouble), TransientError)


WORK = "from offchain.media.imaging.child import main; main(sys.argv[3:])"


@pytest.mark.parametrize(
    ("hindrance", "words"),
    [
        ("sys.modules['PIL'] = None; ", "ModuleNotFoundError"),
        ("sys.modules['PIL.JpegImagePlugin'] = None; ", "ModuleNotFoundError"),
        ("sandbox.OUTPUT_BYTES = 1000; ", "target: File too large"),
        ("sandbox.OPEN_FILES = 3; ", "source: Too many open files"),
        ("sys.argv[6] = '/nowhere/target'; ", "target: No such file"),
    ],
)
def test_machine_that_hinders_the_work_is_trouble(
    hindrance: str, words: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = f"from offchain.media.imaging import child; {hindrance}{WORK}"
    assert words in str(failure(monkeypatch, source, body, EngineTrouble))


def test_machine_that_cannot_start_a_process_is_trouble(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(EngineTrouble, match="No such file"):
        inspect(source, JPEG)


def test_verdict_that_comes_of_reading_the_file_is_certain(source: Path) -> None:
    source.write_bytes(b"no picture")
    with pytest.raises(ImageFailure) as caught:
        inspect(source, JPEG)
    assert caught.value.is_certain


def test_child_that_ignores_its_alarm_is_killed(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "WALL_S", 1)
    body = "import signal; signal.signal(signal.SIGALRM, signal.SIG_IGN); os.read(os.pipe()[0], 1)"
    found = failure(monkeypatch, source, body, ImageFailure)
    assert (found.code, found.is_certain) == ("timed_out", False)


@pytest.mark.parametrize(
    "attempt",
    [
        "bytearray(600 * 1024 * 1024)",
        "open(sys.argv[6], 'wb').write(bytes(65 * 1024 * 1024))",
        "[os.open('/', os.O_RDONLY) for _ in range(100)]",
    ],
)
def test_child_cannot_take_more_than_its_share(
    attempt: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = f"{NOW}\ntry: {attempt}\nexcept (MemoryError, OSError) as e: print(type(e).__name__)"
    monkeypatch.setattr(process, "START", CONFINED + body)
    ended = process.run(["shrink", str(source), JPEG, str(tmp_path / "target")])
    assert ended.output in {b"MemoryError\n", b"OSError\n"}


def test_child_knows_nothing_of_its_parent(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTRO_S3_SECRET_ACCESS_KEY", "hunter2")
    with source.open("rb") as inherited:
        os.set_inheritable(inherited.fileno(), True)
        body = "print(sorted(os.environ), sorted(map(int, os.listdir('/proc/self/fd')))[:4])"
        monkeypatch.setattr(process, "START", CONFINED + NOW + body)
        ended = process.run([])
    assert ended.output == b"['LC_ALL', 'MALLOC_ARENA_MAX', 'VIPS_CONCURRENCY'] [0, 1, 2, 3]\n"


def test_child_dies_with_its_parent(tmp_path: Path) -> None:
    mark = tmp_path / "child"
    body = f"{NOW}open({str(mark)!r}, 'w').write(str(os.getpid())); os.read(os.pipe()[0], 1)"
    script = (
        "from offchain.media.imaging import process; "
        f"process.START = {CONFINED + body!r}; process.run([])"
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    child = int(eventually(lambda: mark.exists() and mark.read_text()))
    os.kill(child, 0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    eventually(lambda: has_ended(child), what="the child ended with its parent")


def has_ended(process_id: int) -> bool:
    """Gone, or a zombie that nobody reaps."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def test_run_leaves_no_child_when_it_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "child"
    body = f"{NOW}open({str(mark)!r}, 'w').write(str(os.getpid())); os.read(os.pipe()[0], 1)"
    monkeypatch.setattr(process, "START", CONFINED + body)

    def interrupt(*_: object) -> None:
        if mark.exists() and mark.read_text():
            raise TimeoutError

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    try:
        with pytest.raises(TimeoutError):
            process.run([])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert has_ended(int(mark.read_text()))


def test_limits_are_in_force_before_the_file_is_opened(source: Path) -> None:
    used = account("inspect", source, JPEG)
    assert used.status == 0
    assert used.peak_mib < 64
    assert sandbox.MEMORY_BYTES == 512 * 1024 * 1024
    assert sandbox.WALL_S == 20


def test_file_that_is_not_there_is_trouble(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    for work in (
        lambda: inspect(nothing, JPEG),
        lambda: check_ooxml(nothing, DOCX),
        lambda: shrink(nothing, JPEG, tmp_path / "target"),
    ):
        with pytest.raises(EngineTrouble, match="No such file"):
            work()
