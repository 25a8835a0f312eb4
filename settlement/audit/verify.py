"""Check an exported record of settlement, with nothing but the file. Pure.

Each block is hashed anew from the rows before it, and must follow from the block before. What
cannot be seen inside a file is an end that was cut off, or a chain that was sealed anew from some
block on: for that, remember heads, and keep them where the database's masters cannot reach.

``python -m settlement.audit.verify FILE [NUMBER:0xHASH …]`` needs only Python's own library.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from settlement.audit.chain import (
    GENESIS,
    HASH_BYTES,
    Head,
    SealedBlock,
    chain_rows,
    hash_block,
    hash_row,
)
from settlement.audit.format import HEADING, is_row, name_row, read_block
from settlement.audit.merkle import merkle_root

FaultKind = Literal[
    "row_edited",
    "row_deleted",
    "row_inserted",
    "rows_reordered",
    "block_edited",
    "block_missing",
    "block_resealed",
    "chain_truncated",
    "unreadable",
]
EXIT_BAD: Final = 1
EXIT_USAGE: Final = 2


class NotARecordError(ValueError):
    """The file is no exported record at all."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong."""

    kind: FaultKind
    block: int
    """Number of the first block that is not as it was sealed."""
    position: int | None
    """Of the row, where it is known."""
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found."""

    head: Head
    """Up to here all is as it was sealed."""
    fault: Fault | None


def verify(lines: Iterable[bytes], remembered: Mapping[int, bytes] | None = None) -> Verdict:
    """Check a record to its end, or to the first block that is not as it was sealed.

    Args:
        lines: Of the export, without line ends.
        remembered: Hashes of blocks, by their numbers, that were noted down before.

    Raises:
        NotARecordError: The lines are not those of an export.
    """
    rest, known = iter(lines), remembered or {}
    if next(rest, None) != HEADING:
        raise NotARecordError("this is no record of settlement: its first line is another")
    head, rows = GENESIS, list[bytes]()
    for line in rest:
        if is_row(line):
            rows.append(line)
            continue
        try:
            block = read_block(line)
        except ValueError as error:
            return Verdict(head, Fault("unreadable", head.number + 1, None, str(error)))
        fault = _fault(head, rows, block) or _unlike_remembered(block, known)
        if fault is not None:
            return Verdict(head, fault)
        head, rows = block.head, []
    return Verdict(head, _cut_short(head, rows, known))


def parse_heads(texts: Iterable[str]) -> dict[int, bytes]:
    """Read heads that were noted down as ``NUMBER:0xHASH``.

    Raises:
        ValueError: One is not of that form.
    """
    heads = dict[int, bytes]()
    for text in texts:
        number, _, digits = text.partition(":0x")
        if not number.isdecimal() or len(digits) != 2 * HASH_BYTES:
            raise ValueError(f"{text!r} is no head: expected NUMBER:0x and 64 hex digits")
        heads[int(number)] = bytes.fromhex(digits)
    return heads


def write_head(head: Head) -> str:
    """A head in the form to note down."""
    return f"{head.number}:0x{head.hash.hex()}"


def _fault(head: Head, rows: Sequence[bytes], block: SealedBlock) -> Fault | None:
    """What is wrong with a block that should follow a chain's end, or with its rows."""
    fault = _link_fault(head, block)
    if fault is not None:
        return fault
    sealed = block.row_hashes
    if (len(sealed), sealed[-1:]) != (block.rows, (block.rows_hash,)):
        return Fault("block_edited", block.number, None, "its row hashes do not end as it says")
    if merkle_root(sealed) != block.merkle_root:
        return Fault("block_edited", block.number, None, "its row hashes are not those it sealed")
    return None if chain_rows(head, rows) == sealed else _row_fault(head, rows, block)


def _link_fault(head: Head, block: SealedBlock) -> Fault | None:
    number = head.number + 1
    if block.number != number:
        words = f"block {block.number} stands where block {number} should"
        return Fault("block_missing", number, None, words)
    if block.hash != hash_block(block):
        return Fault("block_edited", number, None, "its hash is not that of its fields")
    if block.previous_hash != head.hash:
        words = f"block {number} was sealed behind another block than the one before it"
        return Fault("block_resealed", max(head.number, 1), None, words)
    if block.first_position != head.position + 1 or block.rows < 1:
        return Fault("block_edited", number, None, "its positions do not follow")
    return None


def _row_fault(head: Head, rows: Sequence[bytes], block: SealedBlock) -> Fault:
    """How the rows first differ from those that were sealed.

    Every sealed hash tells what row belongs behind the hash before it, so that one wrong row does
    not make those behind it wrong.
    """
    sealed = block.row_hashes
    before = (head.rows_hash, *sealed)

    def fits(row: bytes, slot: int) -> bool:
        return hash_row(block.first_position + slot, before[slot], row) == sealed[slot]

    slots = range(min(len(rows), len(sealed)))
    first = next((slot for slot in slots if not fits(rows[slot], slot)), len(slots))
    comes_later = first < len(rows) and any(
        fits(rows[first], slot) for slot in range(first + 1, len(sealed))
    )
    is_awaited = first < len(sealed) and any(fits(row, first) for row in rows[first + 1 :])
    position = block.first_position + first

    def fault(kind: FaultKind, words: str) -> Fault:
        return Fault(kind, block.number, position, words)

    if first == len(rows) or (comes_later and not is_awaited):
        return fault("row_deleted", f"the row that was sealed at position {position} is gone")
    named = name_row(rows[first])
    if comes_later:
        return fault("rows_reordered", f"{named} stands before position {position}'s row")
    if first == len(sealed) or is_awaited:
        return fault("row_inserted", f"{named}, at position {position}, was never sealed")
    return fault("row_edited", f"{named}, at position {position}, is not as it was sealed")


def _unlike_remembered(block: SealedBlock, known: Mapping[int, bytes]) -> Fault | None:
    if known.get(block.number, block.hash) == block.hash:
        return None
    words = "it is not the one remembered: it, or one before it, was sealed again"
    return Fault("block_resealed", block.number, None, words)


def _cut_short(head: Head, rows: Sequence[bytes], known: Mapping[int, bytes]) -> Fault | None:
    last = max(known, default=0)
    if last > head.number:
        words = f"the chain ends at block {head.number}, and block {last} is remembered"
        return Fault("chain_truncated", head.number + 1, None, words)
    if rows:
        words = f"{len(rows)} rows stand behind the last block: the file was cut"
        return Fault("chain_truncated", head.number + 1, None, words)
    return None


def main(arguments: Sequence[str]) -> int:
    """Check the named file; says how it is, and exits with 0 only where all is well."""
    try:
        name, *heads = arguments
        with Path(name).open("rb") as file:
            verdict = verify((line.rstrip(b"\n") for line in file), parse_heads(heads))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"usage: audit_verify FILE [NUMBER:0xHASH …]\n{error}\n")
        return EXIT_USAGE
    if verdict.fault is not None:
        sys.stdout.write(f"BAD: block {verdict.fault.block}: {verdict.fault.detail}\n")
        return EXIT_BAD
    sys.stdout.write(f"good: {verdict.head.position} rows, head {write_head(verdict.head)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
