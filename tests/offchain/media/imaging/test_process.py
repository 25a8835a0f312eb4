"""The walls around the child, tried from inside with a child that means harm."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from offchain.media.imaging import process, sandbox
from offchain.media.imaging.outcomes import ImageFailure
from offchain.media.imaging.running import inspect, shrink
from tests.support import pictures
from tests.support.confined import account
from tests.support.pictures import JPEG, photo, saved
from tests.support.waiting import eventually

CONFINED = "import os, sys; sys.path += sys.argv[1:3]; "
CONFINED += "from offchain.media.imaging import sandbox; "
NOW = "sandbox.confine(); "
AT_ONCE = "sandbox.ALARM_S = 1; sandbox.confine(); "


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(saved(photo(1300, 900), JPEG, quality=95))
    return path


def failure(monkeypatch: pytest.MonkeyPatch, source: Path, body: str) -> ImageFailure:
    """What becomes of a picture when the child does this instead."""
    monkeypatch.setattr(process, "START", CONFINED + body)
    target = source.with_name("target")
    with pytest.raises(ImageFailure) as caught:
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
        (NOW + "sys.exit(0)", "corrupt"),
        (NOW + "print('no verdict')", "corrupt"),
        (NOW + "print('[]')", "corrupt"),
        (NOW + "print('{}')", "corrupt"),
        (NOW + "print('{\"width\": 1}')", "corrupt"),
        (NOW + 'print(\'{"kept": "because"}\')', "corrupt"),
        (NOW + 'print(\'{"code": "no such code"}\')', "corrupt"),
        (NOW + "print('x' * 10_000_000)", "corrupt"),
        (NOW + "open(sys.argv[6], 'w').write('half'); os.kill(os.getpid(), 11)", "corrupt"),
        ("raise SystemExit(3)", "corrupt"),
    ],
)
def test_child_that_goes_wrong_is_a_named_failure(
    body: str, code: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert failure(monkeypatch, source, body).code == code


def test_child_that_ignores_its_alarm_is_killed(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "WALL_S", 1)
    body = "import signal; signal.signal(signal.SIGALRM, signal.SIG_IGN); os.read(os.pipe()[0], 1)"
    assert failure(monkeypatch, source, body).code == "timed_out"


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


def test_inspect_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ImageFailure):
        inspect(tmp_path / "nothing", pictures.JPEG)
