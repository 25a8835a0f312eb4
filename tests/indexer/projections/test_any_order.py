"""Random facts, projected in random slices with random undoing and late arrivals, against a fold
in plain Python and against a rebuild."""

from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from indexer.chain.types import Address, BlockNumber, PaymentId
from indexer.payment_keys import crypto_key
from indexer.projections.project import project
from indexer.projections.rebuild import rebuild
from indexer.projections.totals import fold_totals
from indexer.projections.undo import undo_projections
from tests.indexer.projections.oracle import fold
from tests.indexer.projections.reading import all_rows, lives
from tests.support.facts import (
    BUYER,
    CHAIN,
    FactRow,
    add,
    add_blocks,
    add_marks,
    address,
    campaign_made,
    cancelled,
    confirmed,
    created,
    hash_of,
    paid,
    refunded,
    treasury_made,
)

BLOCKS = 6
OTHER_BUYER = address("other buyer")
IDS = (PaymentId(hash_of("p")), PaymentId(hash_of("q")))
# Few, so that facts meet: mostly one id of one treasury, and what it may be taken for.
NAMES = (IDS[0], IDS[0], IDS[0], IDS[0], crypto_key(IDS[0], BUYER), IDS[1])
TREASURIES = (*[address("treasury one")] * 4, address("treasury two"))

SAID = st.tuples(
    st.sampled_from(("create", "create", "confirm", "confirm", "cancel", "refund", "pay", "make")),
    st.sampled_from(NAMES),
    st.sampled_from(TREASURIES),
    st.sampled_from((BUYER, OTHER_BUYER)),
)


def rows_of(number: int, said: list[tuple[str, PaymentId, Address, Address]]) -> list[FactRow]:
    """The facts of one block."""
    rows: list[FactRow] = []
    for index, (kind, name, treasury, buyer) in enumerate(said):
        at, amount = treasury, 1 + 10 * number + index
        match kind:
            case "create":
                rows.append(created(number, index, name, treasury=at, amount=amount))
            case "confirm":
                rows += [
                    confirmed(number, index, name, treasury=at, ordinal=ordinal)
                    for ordinal in range(1 + index % 2)
                ]
            case "cancel":
                rows.append(cancelled(number, index, name, treasury=at))
            case "refund":
                rows.append(refunded(number, index, name, treasury=at, amount=amount))
            case "pay":
                rows += paid(number, index, name, buyer=buyer, treasury=at, amount=amount)
            case _:
                # Of a treasury without payments: those of one that goes, go with it.
                made = treasury_made(number, index, address(repr(name)), campaign=buyer)
                rows.append(made if number % 2 else campaign_made(number, index, buyer))
    return rows


@dataclass(frozen=True, slots=True)
class Case:
    """Facts by block, those that turn up late, and what is done."""

    blocks: list[list[FactRow]]
    late: int
    """The block whose facts turn up when all others are projected; 0 for none."""
    cuts: list[int]
    """Slices end at these blocks."""
    undone: list[int]
    """Ancestors of reorgs that bring the same blocks back."""
    final: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    said = draw(st.lists(st.lists(SAID, max_size=4), min_size=BLOCKS, max_size=BLOCKS))
    return Case(
        blocks=[rows_of(number, one) for number, one in enumerate(said, start=1)],
        late=draw(st.integers(0, BLOCKS)),
        cuts=sorted(draw(st.sets(st.integers(1, BLOCKS - 1)))),
        undone=draw(st.lists(st.integers(1, BLOCKS - 1), max_size=2)),
        final=draw(st.integers(0, BLOCKS)),
    )


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=cases())
def test_projections_equal_the_fold_and_a_rebuild_after_any_slices_undoing_and_late_facts(
    connection: Connection, case: Case
) -> None:
    with connection.begin_nested() as savepoint:
        perform(connection, case)
        savepoint.rollback()


def perform(connection: Connection, case: Case) -> None:
    add_blocks(connection, 1, BLOCKS)
    add_marks(connection, indexed=BLOCKS)
    on_time = [row for n, rows in enumerate(case.blocks, start=1) if n != case.late for row in rows]
    add(connection, *on_time)
    advance(connection, 1, case.cuts)
    assert lives(connection) == fold(on_time)

    for ancestor in case.undone:
        undo_projections(connection, CHAIN, BlockNumber(ancestor))
        assert lives(connection) == fold(
            row for row in on_time if row[1]["block_number"] <= ancestor
        )
        advance(connection, ancestor + 1, case.cuts)
    fold_totals(connection, CHAIN, BlockNumber(case.final))
    connection.execute(text("UPDATE chain.marks SET finalized_number = totals_number"))

    if case.late:
        add(connection, *case.blocks[case.late - 1])
        project(connection, CHAIN, BlockNumber(case.late), BlockNumber(case.late))
    assert lives(connection) == fold(row for rows in case.blocks for row in rows)
    lived_through = all_rows(connection)
    rebuild(connection, CHAIN)
    assert all_rows(connection) == lived_through


def advance(connection: Connection, low: int, cuts: list[int]) -> None:
    for high in [*(cut for cut in cuts if cut >= low), BLOCKS]:
        project(connection, CHAIN, BlockNumber(low), BlockNumber(high))
        low = high + 1
