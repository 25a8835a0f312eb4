"""Where what a command writes goes."""

import subprocess
import sys
from pathlib import Path

import pytest

from indexer.errors import ConfigurationError
from stack.answers import written_to

ENDLESS = """
from stack.answers import written_to
with written_to(None) as target:
    while True:
        target.write(bytes(65536))
"""


def test_an_export_ends_quietly_when_its_reader_has_seen_enough() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.read(1) == b"\0"
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(30) == 0


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "export"

    def half() -> None:
        with written_to(file) as target:
            target.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        half()
    assert not file.exists()
    with written_to(file) as target:
        target.write(b"whole")
    assert file.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError, match="cannot be written"),
        written_to(tmp_path / "no" / "directory"),
    ):
        pass
