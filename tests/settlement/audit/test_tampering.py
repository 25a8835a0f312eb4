"""F20: an audit row edited, deleted or inserted: the verifier names the first bad block.

Everything here is done as a superuser with the triggers off, behind every right there is.
"""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text

from settlement.audit.verify import FaultKind
from tests.settlement.audit.recorded import checked, seal_all, tamper, write_moves

ROWS_PER_BLOCK = 4
BLOCKS = 3


@pytest.fixture
def engine(engine_as: Callable[[str], Engine]) -> Engine:
    """Twelve moves in three blocks; positions 5 to 8 are the second's."""
    engine = engine_as("settlement")
    for _ in range(BLOCKS * 2):
        write_moves(engine, ROWS_PER_BLOCK // 2)
    assert len(seal_all(engine, ROWS_PER_BLOCK)) == BLOCKS
    assert checked(engine).fault is None
    return engine


ROWS: list[tuple[str, FaultKind, int, int]] = [
    ("UPDATE settlement.moves SET after = 'settled' WHERE id = pg_temp.at(6)", "row_edited", 2, 6),
    ("UPDATE settlement.moves SET reason = '' WHERE id = pg_temp.at(12)", "row_edited", 3, 12),
    ("UPDATE settlement.moves SET at = at + '1 us' WHERE id = pg_temp.at(1)", "row_edited", 1, 1),
    ("UPDATE settlement.moves SET batch_id = request_id WHERE id >= 5", "row_edited", 2, 5),
    ("UPDATE settlement.moves SET xact = xact + 999 WHERE id = pg_temp.at(7)", "row_deleted", 2, 7),
    ("DELETE FROM settlement.moves WHERE id = pg_temp.at(5)", "row_deleted", 2, 5),
    ("DELETE FROM settlement.moves WHERE id = pg_temp.at(8)", "row_deleted", 2, 8),
    ("DELETE FROM settlement.moves WHERE id = pg_temp.at(12)", "row_deleted", 3, 12),
    ("TRUNCATE settlement.moves", "row_deleted", 1, 1),
]
BLOCK_FAULTS: list[tuple[str, FaultKind, int]] = [
    ("DELETE FROM settlement.audit_blocks WHERE number = 2", "block_missing", 2),
    ("DELETE FROM settlement.audit_blocks WHERE number = 1", "block_missing", 1),
    ("UPDATE settlement.audit_blocks SET number = 4 WHERE number = 2", "block_missing", 2),
    ("UPDATE settlement.audit_blocks SET sealed_at = now() WHERE number = 2", "block_edited", 2),
    ("UPDATE settlement.audit_blocks SET until_id = until_id - 1", "block_edited", 1),
    ("UPDATE settlement.audit_blocks SET hash = merkle_root WHERE number = 1", "block_edited", 1),
    ("UPDATE settlement.audit_blocks SET row_hashes = repeat('a', 128)::bytea", "block_edited", 1),
    ("UPDATE settlement.audit_blocks SET version = 2 WHERE number = 3", "unreadable", 3),
]
FORGED = {
    "a move": (
        "INSERT INTO settlement.moves (request_id, before, after, xact)"
        " SELECT request_id, 'ready', 'settled', xact"
        " FROM settlement.moves WHERE id = pg_temp.at(5)"
    ),
    "a note": (
        "INSERT INTO settlement.notes (xact, subject_kind, subject, detail)"
        " SELECT xact, 'operator', 'nobody', '{}'"
        " FROM settlement.moves WHERE id = pg_temp.at(5)"
    ),
}


@pytest.mark.parametrize(("statement", "kind", "block", "position"), ROWS)
def test_verify_names_the_block_and_the_row_when_rows_are_tampered_with(
    engine: Engine,
    login_engine: Engine,
    statement: str,
    kind: FaultKind,
    block: int,
    position: int,
) -> None:
    tamper(login_engine, statement)
    fault = checked(engine).fault
    assert fault is not None
    assert (fault.kind, fault.block, fault.position) == (kind, block, position)


@pytest.mark.parametrize("statement", FORGED.values(), ids=FORGED)
def test_verify_names_the_block_when_a_row_is_inserted(
    engine: Engine, login_engine: Engine, statement: str
) -> None:
    tamper(login_engine, statement)
    fault = checked(engine).fault
    assert fault is not None
    assert (fault.kind, fault.block, fault.position) == ("row_inserted", 2, 7)


def test_verify_finds_a_row_that_was_inserted_before_all_others(
    engine: Engine, login_engine: Engine
) -> None:
    tamper(
        login_engine,
        "INSERT INTO settlement.moves (request_id, before, after, xact)"
        " VALUES (gen_random_uuid(), 'ready', 'settled', -5)",
    )
    fault = checked(engine).fault
    assert fault is not None
    assert (fault.kind, fault.block, fault.position) == ("row_inserted", 1, 1)


@pytest.mark.parametrize(("statement", "kind", "block"), BLOCK_FAULTS)
def test_verify_names_the_block_when_blocks_are_tampered_with(
    engine: Engine, login_engine: Engine, statement: str, kind: FaultKind, block: int
) -> None:
    tamper(login_engine, statement)
    fault = checked(engine).fault
    assert fault is not None
    assert (fault.kind, fault.block) == (kind, block)


def test_verify_finds_a_number_that_was_put_for_a_text(
    engine: Engine, login_engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO settlement.notes (subject_kind, subject, detail)"
                """ VALUES ('operator', 'a test', '{"gas": "1"}')"""
            )
        )
    seal_all(engine)
    tamper(
        login_engine,
        "ALTER TABLE settlement.notes DROP CONSTRAINT ck_notes_detail_without_numbers",
        """UPDATE settlement.notes SET detail = '{"gas": 1.5}'""",
    )
    fault = checked(engine).fault
    assert fault is not None
    assert (fault.kind, fault.block) == ("row_edited", 4)


def test_verify_names_the_block_that_was_sealed_again(engine: Engine, login_engine: Engine) -> None:
    """The rows are edited, and the last two blocks made to fit them; their heads were kept."""
    kept = {1: _hash(engine, 1), 3: _hash(engine, 3)}
    tamper(
        login_engine,
        "UPDATE settlement.moves SET after = 'void' WHERE id = pg_temp.at(6)",
        "DELETE FROM settlement.audit_blocks WHERE number > 1",
    )
    assert len(seal_all(engine, ROWS_PER_BLOCK)) == BLOCKS - 1
    assert checked(engine).fault is None, "nothing inside tells"
    fault = checked(engine, kept).fault
    assert fault is not None
    assert (fault.kind, fault.block) == ("block_resealed", 3)


def test_verify_names_a_block_sealed_again_by_the_one_behind_it(
    engine: Engine, login_engine: Engine
) -> None:
    tamper(
        login_engine,
        "CREATE TABLE kept AS SELECT * FROM settlement.audit_blocks WHERE number = 3",
        "DELETE FROM settlement.audit_blocks WHERE number > 1",
        "UPDATE settlement.moves SET after = 'void' WHERE id = pg_temp.at(6)",
    )
    seal_all(engine, ROWS_PER_BLOCK)
    tamper(
        login_engine,
        "DELETE FROM settlement.audit_blocks WHERE number = 3",
        "INSERT INTO settlement.audit_blocks SELECT * FROM kept",
    )
    fault = checked(engine).fault
    assert fault is not None
    assert (fault.kind, fault.block) == ("block_resealed", 2)


def test_verify_finds_a_chain_cut_short_when_its_head_was_kept(
    engine: Engine, login_engine: Engine
) -> None:
    kept = {3: _hash(engine, 3)}
    tamper(login_engine, "DELETE FROM settlement.audit_blocks WHERE number = 3")
    assert checked(engine).fault is None
    fault = checked(engine, kept).fault
    assert fault is not None
    assert (fault.kind, fault.block) == ("chain_truncated", 3)


def _hash(engine: Engine, number: int) -> bytes:
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT hash FROM settlement.audit_blocks WHERE number = :number"),
            {"number": number},
        )
        return bytes(found.scalar_one())
