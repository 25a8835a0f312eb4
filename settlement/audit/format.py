"""The record as lines of a file: a heading, then each block behind the rows it holds. Pure.

A row's line is the very bytes that were hashed, so that there is no second reading of them.
"""

import json
from datetime import datetime
from typing import Any, Final

from settlement.audit.canonical import canonical
from settlement.audit.chain import HASH_BYTES, VERSION, Place, SealedBlock

HEADING: Final = canonical({"form": VERSION, "kind": "lastro.settlement-record"})
_ROW: Final = b'{"row":'
_BRACKETS_MAX: Final = 100
"""Of what is parsed: where a library has lifted Python's recursion limit, depth would crash it."""


def is_row(line: bytes) -> bool:
    """Whether a line is a row's; otherwise it should be a block's."""
    return line.startswith(_ROW)


def write_row(table: str, columns: dict[str, Any]) -> bytes:
    """The line of a row, and what its hash is of."""
    return canonical({"row": columns, "table": table})


def name_row(line: bytes) -> str:
    """A row by its table and id, as far as its line can still be read."""
    try:
        told = _parsed(line)
        return f"{told['table']} {told['row']['id']}"
    except (KeyError, TypeError, ValueError):
        return "a row that cannot be read"


def write_block(block: SealedBlock) -> bytes:
    """The line of a block."""
    hashes = {"hash": block.hash, "row_hashes": b"".join(block.row_hashes)}
    return canonical({"block": block.fields() | hashes})


def read_block(line: bytes) -> SealedBlock:
    """Read the line of a block.

    Raises:
        ValueError: It is none, or not as ``write_block`` would write it.
    """
    try:
        block = _block(_parsed(line)["block"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"no block: {error!r}") from None
    if write_block(block) != line:
        raise ValueError("a block in other than its canonical form")
    return block


def split_hashes(joined: bytes) -> tuple[bytes, ...]:
    """Cut hashes that stand one behind the other."""
    starts = range(0, len(joined), HASH_BYTES)
    return tuple(joined[start : start + HASH_BYTES] for start in starts)


def _parsed(line: bytes) -> Any:  # noqa: ANN401 - any JSON value
    if line.count(b"{") + line.count(b"[") > _BRACKETS_MAX:
        raise ValueError("deeply nested")
    return json.loads(line)


def _block(told: dict[str, Any]) -> SealedBlock:
    if told["version"] != VERSION:
        raise ValueError(f"form {told['version']}, where only {VERSION} is known")
    until = told["until"]
    return SealedBlock(
        number=int(told["number"]),
        version=VERSION,
        first_position=int(told["first_position"]),
        last_position=int(told["last_position"]),
        until=Place(int(until["xact"]), str(until["table"]), int(until["id"])),
        rows_hash=_bytes(told["rows_hash"]),
        previous_hash=_bytes(told["previous_hash"]),
        merkle_root=_bytes(told["merkle_root"]),
        sealed_at=datetime.fromisoformat(told["sealed_at"]),
        hash=_bytes(told["hash"]),
        row_hashes=split_hashes(_bytes(told["row_hashes"])),
    )


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
