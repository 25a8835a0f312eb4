"""Exports of records that no database ever held, of any shape."""

from dataclasses import dataclass

from settlement.audit.chain import GENESIS, Place, Row, SealedBlock, seal
from settlement.audit.format import HEADING, write_block, write_row
from tests.settlement.audit.audit_vectors import BEGAN


@dataclass(slots=True)
class Part:
    """A block, and the rows that stand before it."""

    rows: list[bytes]
    block: SealedBlock


def row(number: int, said: str = "") -> Row:
    return Row(Place(number, "moves", number), write_row("moves", {"id": number, "said": said}))


def record(sizes: list[int]) -> list[Part]:
    parts, head, number = list[Part](), GENESIS, 0
    for size in sizes:
        rows = [row(number + one) for one in range(size)]
        block = seal(head, rows, sealed_at=BEGAN)
        parts.append(Part([one.text for one in rows], block))
        head, number = block.head, number + size
    return parts


def lines(parts: list[Part]) -> list[bytes]:
    told = [HEADING]
    for part in parts:
        told += [*part.rows, write_block(part.block)]
    return told
