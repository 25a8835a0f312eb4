"""How commands answer: one JSON object on a line for machines, indented for people."""

import json
import sys
from datetime import datetime
from typing import Any


def show(value: Any, *, as_json: bool) -> None:  # noqa: ANN401 - any JSON value
    """Write a value to standard output.

    Args:
        value: Plain values, bytes and times.
        as_json: On one line, as the last of the output.
    """
    indent = None if as_json else 2
    sys.stdout.write(json.dumps(value, default=_plain, indent=indent) + "\n")
    sys.stdout.flush()


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
