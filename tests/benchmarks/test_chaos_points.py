"""The points of chaos are recognised by what a database transaction writes."""

import pytest

from benchmarks.chaos_points import Point, Wrote, point_of, read_write

SEALED = ("INSERT INTO settlement.batches (id) VALUES (1)", "INSERT INTO settlement.nonce_slots (")
STORED = "INSERT INTO settlement.attempts (tx_hash) VALUES (1)"


def writes(*statements: str) -> list[Wrote]:
    return [write for one in statements if (write := read_write(one)) is not None]


@pytest.mark.parametrize(
    ("statements", "point"),
    [
        (SEALED, "sealed"),
        ((*SEALED, "UPDATE settlement.requests SET state=1, reason=2 WHERE x"), "sealed"),
        ((STORED, "UPDATE settlement.nonce_slots SET state=1 WHERE mined_tx=2"), "persisted"),
        ((STORED,), "bumped"),
        (("UPDATE settlement.attempts SET intent_at=now(), sends=1 WHERE x",), "intended"),
        (("UPDATE settlement.attempts SET sent_at=now(), last_answer=1 WHERE x",), "answered"),
        (("UPDATE settlement.nonce_slots SET is_final=true WHERE x",), "finalized"),
        (("UPDATE settlement.nonce_slots SET state=1, mined_tx=2 WHERE x",), "receipt_stored"),
        (("UPDATE settlement.requests SET state=1, reason=2 WHERE x",), "requests_moved"),
        (("UPDATE chain.marks SET fetched_hash=1, fetched_number=2 WHERE x",), "block_written"),
        (("UPDATE chain.marks SET head_number=2 WHERE fetched_hash=1",), None),
        (("SELECT 1", "SET ROLE x", "DELETE FROM settlement.requests"), None),
    ],
)
def test_point_is_told_by_what_was_written(
    statements: tuple[str, ...], point: Point | None
) -> None:
    assert point_of(writes(*statements)) == point
