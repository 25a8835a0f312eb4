from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Table, func, select, text, update

from indexer import checksum
from indexer.chain.types import BlockNumber, PaymentId
from indexer.checksum import facts_checksum, projections_checksum
from indexer.projections.project import project
from indexer.projections.totals import fold_totals
from indexer.tables import (
    blocks,
    details,
    logs,
    payments_confirmed,
    payments_created,
    token_transfers,
    unclaimed_logs,
)
from tests.support.facts import (
    CHAIN,
    FactRow,
    add,
    add_blocks,
    add_marks,
    block_hash,
    confirmed,
    created,
    hash_of,
    refunded,
    transferred,
    treasury_made,
    unclaimed,
)

TOP = 300


@pytest.fixture
def connection(engine_as: Callable[[str], Engine]) -> Iterator[Connection]:
    with engine_as("chain").connect() as opened:
        yield opened
        opened.rollback()


def facts() -> list[FactRow]:
    """Spread over several hashed groups of blocks, with gaps between."""
    rows = [treasury_made(2, 9), unclaimed(3, 9, hash_of("topic"), b"data")]
    for number in (2, 3, 70, 71, 129, 130, 299):
        payment_id = PaymentId(hash_of(str(number)))
        rows += [
            created(number, 0, payment_id, amount=number),
            confirmed(number + 1, 1, payment_id),
            transferred(number, 2),
        ]
    return [*rows, refunded(299, 5, PaymentId(hash_of("2")))]


def test_facts_checksum_is_the_same_however_the_rows_came_and_are_cut(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_blocks(connection, 1, TOP)
    add(connection, *facts())
    seen = facts_checksum(connection, CHAIN, BlockNumber(TOP))
    with monkeypatch.context() as patched:
        patched.setattr(checksum, "_ROWS_AIMED_AT", 1)
        assert facts_checksum(connection, CHAIN, BlockNumber(TOP)) == seen
    for table in (payments_created, payments_confirmed, token_transfers, logs, unclaimed_logs):
        connection.execute(table.delete())
    add(connection, *reversed(facts()))
    connection.execute(update(blocks).values(proven=False))
    connection.execute(
        details.insert().values(
            chain_id=CHAIN,
            block_number=2,
            log_index=0,
            ordinal=0,
            kind="buyer",
            block_hash=block_hash(2),
            source="read",
            arguments={},
        )
    )
    assert facts_checksum(connection, CHAIN, BlockNumber(TOP)) == seen


def test_facts_checksum_says_nothing_of_what_stands_above_the_block(
    connection: Connection,
) -> None:
    add_blocks(connection, 1, TOP)
    add(connection, *facts())
    whole = facts_checksum(connection, CHAIN, BlockNumber(TOP))
    part = facts_checksum(connection, CHAIN, BlockNumber(131))
    assert part != whole
    connection.execute(text("DELETE FROM chain.payments_created WHERE block_number > 131"))
    assert facts_checksum(connection, CHAIN, BlockNumber(131)) == part
    assert facts_checksum(connection, CHAIN, BlockNumber(TOP)) != whole


CHANGES: tuple[tuple[Table, dict[str, Any]], ...] = (
    (blocks, {"hash": hash_of("another")}),
    (payments_created, {"amount": 1}),
    (payments_created, {"is_crypto": True}),
    (payments_confirmed, {"ordinal": 1}),
    (token_transfers, {"tx_hash": hash_of("another")}),
    (logs, {"arguments": {"a": "1"}}),
    (logs, {"data": b"1"}),
    (unclaimed_logs, {"claimed_block": 5}),
)


def test_facts_checksum_changes_with_one_value_of_one_row(connection: Connection) -> None:
    add_blocks(connection, 1, 5)
    add(connection, *facts()[:5])
    before = facts_checksum(connection, CHAIN, BlockNumber(TOP))
    for table, change in CHANGES:
        number = table.c.number if table is blocks else table.c.block_number
        with connection.begin_nested() as savepoint:
            first = select(func.max(number)).scalar_subquery()
            changed = connection.execute(update(table).where(number == first).values(change))
            assert changed.rowcount == 1
            after = facts_checksum(connection, CHAIN, BlockNumber(TOP))
            savepoint.rollback()
        assert after != before, table.name
    assert facts_checksum(connection, CHAIN, BlockNumber(TOP)) == before


def test_projections_checksum_is_the_same_wherever_the_base_stands(
    connection: Connection,
) -> None:
    add_blocks(connection, 1, TOP)
    add_marks(connection, indexed=TOP)
    add(connection, *facts())
    project(connection, CHAIN, BlockNumber(1), BlockNumber(TOP))
    seen = projections_checksum(connection, CHAIN)
    fold_totals(connection, CHAIN, BlockNumber(130))
    assert projections_checksum(connection, CHAIN) == seen
    connection.execute(text("UPDATE chain.daily_totals SET confirmed_count = confirmed_count + 1"))
    assert projections_checksum(connection, CHAIN) != seen
