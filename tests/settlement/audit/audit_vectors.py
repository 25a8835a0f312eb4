"""A record that never changes, for this verifier and for anyone else's: ``audit_record.jsonl``."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from settlement.audit.chain import GENESIS, Place, Row, SealedBlock, seal
from settlement.audit.format import HEADING, write_block, write_row

FILE = Path(__file__).with_name("audit_record.jsonl")
HEAD = "2:0x2db6f51a5a97de352db443a540516cecfb0e177c2782c4654d2ae7807406018a"
BEGAN = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
PAYMENT = UUID(int=0xA1)


def move(xact: int, id_: int, before: str, after: str, **columns: Any) -> Row:
    columns = {"reason": None, "batch_id": None, "request_id": PAYMENT} | columns
    told = {"id": id_, "xact": xact, "at": BEGAN + timedelta(seconds=id_)}
    row = told | {"before": before, "after": after} | columns
    return Row(Place(xact, "moves", id_), write_row("moves", row))


def note(xact: int, id_: int, subject_kind: str, **columns: Any) -> Row:
    columns = {"before": None, "after": None, "detail": {}} | columns
    told = {"id": id_, "xact": xact, "at": BEGAN + timedelta(seconds=id_)}
    row = told | {"subject_kind": subject_kind} | columns
    return Row(Place(xact, "notes", id_), write_row("notes", row))


ROWS = (
    (
        move(900, 2, "ready", "batched", batch_id=UUID(int=0xB1)),
        note(
            901,
            1,
            "attempt",
            subject="0x" + "c1" * 32,
            after="signed",
            detail={"nonce": "7", "is_noop": False, "max_fee_per_gas_wei": str(10**20)},
        ),
        move(902, 1, "batched", "included", reason='"São Paulo" \\ R$ 5 € 😀\n'),
    ),
    (note(2**60, 2, "switch", subject="global ", before="open", after="stopped"),),
)
"""By block. The second's transaction number is beyond what a double holds."""


def blocks() -> list[SealedBlock]:
    made, head = list[SealedBlock](), GENESIS
    for number, rows in enumerate(ROWS, 1):
        made.append(seal(head, rows, sealed_at=BEGAN + timedelta(minutes=number)))
        head = made[-1].head
    return made


def lines() -> list[bytes]:
    told = [HEADING]
    for rows, block in zip(ROWS, blocks(), strict=True):
        told += [*(row.text for row in rows), write_block(block)]
    return told
