"""How commands answer: one JSON object on a line for machines, indented for people."""

import json
import sys
from typing import Any

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
