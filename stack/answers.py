"""How commands answer: one JSON object on a line for machines, indented for people."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from indexer.errors import ConfigurationError
from indexer.plain import plain


def show(value: Any, *, as_json: bool) -> None:  # noqa: ANN401 - any JSON value
    """Write a value to standard output.

    Args:
        value: Plain values, bytes and times.
        as_json: On one line, as the last of the output.
    """
    indent = None if as_json else 2
    sys.stdout.write(json.dumps(value, default=plain, indent=indent) + "\n")
    sys.stdout.flush()


@contextmanager
def written_to(file: Path | None) -> Iterator[BinaryIO]:
    """Where an export goes: a file, which appears when it is whole, or else standard output.

    Raises:
        ConfigurationError: The file cannot be written.
    """
    if file is None:
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except BrokenPipeError:  # whoever read has seen enough; nothing more may be flushed there
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    partial = file.with_name(file.name + ".partial")
    try:
        with partial.open("wb") as target:
            yield target
        partial.replace(file)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error}") from None
