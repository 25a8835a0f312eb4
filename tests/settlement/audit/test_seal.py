"""Sealing the record: every row once, in one order, whoever commits when and dies where."""

import json
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, func, insert, select, text

from indexer.errors import InvariantError
from migrations.run import migrate
from settlement.audit.rows import read_state
from settlement.audit.seal import seal_due, seal_record
from settlement.audit.tables import audit_blocks, notes
from settlement.record_tables import moves
from tests.settlement.audit.recorded import (
    checked,
    exported,
    go,
    payment,
    seal_all,
    seal_one,
    tamper,
    write_moves,
)
from tests.support.dying import dying_at


@pytest.fixture
def engine(engine_as: Callable[[str], Engine]) -> Engine:
    return engine_as("settlement")


def sealed_rows(engine: Engine) -> int:
    verdict = checked(engine)
    assert verdict.fault is None
    return verdict.head.position


def written_rows(engine: Engine) -> int:
    with engine.connect() as connection:
        counts = (select(func.count()).select_from(table) for table in (moves, notes))
        return sum(connection.execute(count).scalar_one() for count in counts)


def test_seal_does_nothing_when_nothing_was_done(engine: Engine) -> None:
    assert seal_one(engine) is None
    assert checked(engine).fault is None


def test_seal_takes_every_row_once_in_bounded_blocks(engine: Engine) -> None:
    write_moves(engine, 5)
    write_moves(engine, 2)
    blocks = seal_all(engine, rows_max=3)
    assert [(one.number, one.first_position, one.last_position) for one in blocks] == [
        (1, 1, 3),
        (2, 4, 6),
        (3, 7, 7),
    ]
    assert seal_one(engine) is None
    assert sealed_rows(engine) == 7


@pytest.mark.parametrize("rows_max", [1, 2, 3, 4])
def test_seal_cuts_anywhere_between_the_rows_of_one_transaction(
    engine: Engine, rows_max: int
) -> None:
    """Survives: the end of a block between two tables of one transaction, or within one."""
    for _ in range(2):
        with engine.begin() as connection:
            for number in range(2):
                go(connection, payment(connection))
                told = {"subject_kind": "operator", "subject": str(number), "detail": {}}
                connection.execute(insert(notes).values(told))
    seal_all(engine, rows_max)
    assert sealed_rows(engine) == written_rows(engine) == 8
    tables = [json.loads(line).get("table") for line in exported(engine)]
    each = ["moves", "moves", "notes", "notes"]
    assert [one for one in tables if one is not None] == each * 2


def test_export_is_the_same_bytes_when_nothing_was_sealed_meanwhile(engine: Engine) -> None:
    write_moves(engine, 3)
    seal_all(engine)
    before = exported(engine)
    write_moves(engine, 1)
    assert exported(engine) == before


def test_state_tells_what_waits(engine: Engine) -> None:
    write_moves(engine, 3)
    seal_one(engine, rows_max=2)
    with engine.connect() as connection:
        state = read_state(connection)
    assert (state.head.position, state.unsealed) == (2, 1)
    assert state.sealed_at is not None
    assert state.oldest_unsealed_at is not None
    assert state.oldest_unsealed_at < state.sealed_at


def test_seal_waits_for_a_transaction_that_began_first_and_commits_last(engine: Engine) -> None:
    """Survives: ids and times out of order, which a cursor over either would skip."""
    with engine.begin() as connection:
        ours = payment(connection)
        theirs = payment(connection)
    with engine.connect() as early, engine.connect() as late:
        go(early, ours)
        go(late, theirs, moves=2)
        late.commit()
        assert seal_one(engine) is None, "the earlier row could still come"
        early.commit()
    assert seal_one(engine) is not None
    assert sealed_rows(engine) == 3


def test_seal_takes_what_is_below_a_running_transaction(engine: Engine) -> None:
    write_moves(engine, 2)
    with engine.connect() as running:
        go(running, payment(running))
        assert sealed_rows(engine) == 0
        assert len(seal_all(engine)) == 1
        running.rollback()
    write_moves(engine, 1)
    seal_all(engine)
    assert sealed_rows(engine) == 3


def test_readers_do_not_hold_sealing_up(engine: Engine, login_engine: Engine) -> None:
    reading = login_engine.execution_options(isolation_level="REPEATABLE READ")
    with reading.connect() as connection:
        connection.execute(select(func.count()).select_from(moves))
        write_moves(engine, 1)
        assert seal_one(engine) is not None


def test_seal_gives_way_when_another_is_sealing(engine: Engine) -> None:
    write_moves(engine, 2)
    with engine.connect() as first:
        with first.begin():
            assert seal_record(first, rows_max=1) is not None
            assert seal_one(engine) is None
        block = seal_one(engine)
    assert block is not None
    assert block.number == 2
    assert sealed_rows(engine) == 2


def test_seal_is_made_once_when_killed_at_each_statement(engine: Engine) -> None:
    """Survives: kill -9 before each statement of a seal, and between its commit and its answer."""
    for statement in range(1, 20):
        write_moves(engine, 3)
        try:
            with dying_at(engine, statement):
                seal_one(engine, rows_max=2)
        except KeyboardInterrupt:
            seal_all(engine, rows_max=2)
            assert sealed_rows(engine) == written_rows(engine)
        else:
            assert statement > 6, "the deaths did not reach every statement"
            break
    else:
        pytest.fail("it never came to its end")


def test_rows_are_sealed_once_when_writers_and_sealers_race(engine: Engine) -> None:
    """Survives: many transactions that overlap, roll back and commit late, and two sealers."""
    chance = random.Random(7)  # noqa: S311 - a repeatable shuffle
    plans = [(chance.randint(1, 3), chance.random() < 0.2) for _ in range(120)]

    def write(plan: tuple[int, bool]) -> None:
        count, gives_up = plan
        with engine.connect() as connection:
            go(connection, payment(connection), count)
            if gives_up:
                connection.rollback()
            else:
                connection.commit()

    def seal_often(_: int) -> None:
        for _ in range(60):
            seal_one(engine, rows_max=4)

    with ThreadPoolExecutor(6) as threads:
        sealing = [threads.submit(seal_often, number) for number in range(2)]
        list(threads.map(write, plans))
        for one in sealing:
            one.result()
    seal_all(engine)
    committed = sum(count for count, gives_up in plans if not gives_up)
    assert sealed_rows(engine) == written_rows(engine) == committed


def test_seal_due_seals_what_waits_within_its_bound(engine: Engine) -> None:
    write_moves(engine, 7)
    assert seal_due(engine, rows_max=2, blocks_max=2) == 4
    assert seal_due(engine, rows_max=2) == 3
    assert seal_due(engine) == 0


def test_seal_refuses_a_database_that_comes_from_another_server(
    engine: Engine, login_engine: Engine
) -> None:
    """Survives: a dump restored where transactions are counted from lower on."""
    other_server = "CREATE OR REPLACE FUNCTION settlement.xact_number(xact xid8) RETURNS bigint"
    other_server += " LANGUAGE sql IMMUTABLE RETURN xact::text::bigint + {}"
    tamper(login_engine, other_server.format(10**9))
    write_moves(engine, 2)
    seal_one(engine, rows_max=1)
    tamper(login_engine, other_server.format(0))
    with pytest.raises(InvariantError, match="another server's dump"):
        seal_one(engine)
    tamper(login_engine, other_server.format(2 * 10**9))
    write_moves(engine, 1)
    assert seal_one(engine) is not None
    assert sealed_rows(engine) == 3


def test_seal_refuses_a_forged_row_of_the_future(engine: Engine, login_engine: Engine) -> None:
    write_moves(engine, 1)
    tamper(
        login_engine,
        "INSERT INTO settlement.moves (request_id, before, after, xact)"
        " VALUES (gen_random_uuid(), 'ready', 'settled', 9000000000)",
    )
    with pytest.raises(InvariantError, match="forged"):
        seal_one(engine)


def test_moves_of_before_the_record_was_sealed_are_sealed(
    engine: Engine, login_engine: Engine, database_url: str
) -> None:
    """Survives: an update of a service that has settled payments."""
    engine.dispose()
    migrate(database_url, target="0008")
    with login_engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO settlement.moves (request_id, before, after)"
                " SELECT gen_random_uuid(), 'ready', 'batched' FROM generate_series(1, 3)"
            )
        )
    migrate(database_url)
    write_moves(engine, 1)
    seal_all(engine)
    assert sealed_rows(engine) == 4


def test_blocks_cannot_fork(engine: Engine, login_engine: Engine) -> None:
    write_moves(engine, 1)
    seal_one(engine)
    columns = ", ".join(c.name for c in audit_blocks.c if c.name != "number")
    with login_engine.connect() as connection, pytest.raises(Exception, match="uq_audit_blocks"):
        connection.execute(
            text(
                f"INSERT INTO settlement.audit_blocks (number, {columns})"  # noqa: S608 - ours
                f" SELECT 2, {columns} FROM settlement.audit_blocks"
            )
        )
