from datetime import date

import pytest
from sqlalchemy import Connection, delete, select, text

from indexer.chain.types import BlockNumber, PaymentId
from indexer.payment_keys import crypto_key
from indexer.projection_tables import daily_totals, payment_lives, transactions, treasuries
from indexer.projections.project import project, reproject
from indexer.projections.rebuild import rebuild
from indexer.projections.totals import fold_totals
from indexer.projections.undo import undo_projections
from indexer.tables import payments_created
from indexer.views import (
    campaign_totals_latest,
    daily_totals_finalized,
    daily_totals_latest,
    payments,
    payments_finalized,
    treasury_totals_finalized,
)
from tests.indexer.projections.oracle import fold
from tests.indexer.projections.reading import all_rows, lives
from tests.support.facts import (
    BUYER,
    CHAIN,
    PAYMENT,
    TOKEN,
    TREASURY,
    FactRow,
    add,
    add_blocks,
    add_marks,
    address,
    block_row,
    cancelled,
    confirmed,
    created,
    hash_of,
    logged,
    paid,
    refunded,
    transferred,
    treasury_made,
    unclaimed,
)

TOP = 9


def index(
    connection: Connection, *rows: FactRow, low: int = 1, finalized: int | None = None
) -> None:
    add_blocks(connection, 1, TOP)
    add_marks(connection, indexed=TOP, finalized=finalized)
    add(connection, *rows)
    project(connection, CHAIN, BlockNumber(low), BlockNumber(TOP))


def test_project_numbers_the_lives_of_an_id_that_is_created_again(connection: Connection) -> None:
    index(
        connection,
        created(1, 0, amount=1),
        confirmed(2, 0),
        refunded(3, 0),
        created(4, 0, amount=2),
        cancelled(4, 1),
        created(5, 0, amount=3),
    )
    found = connection.execute(select(payment_lives).order_by(payment_lives.c.life)).all()
    assert [(one.life, one.state, one.amount, one.is_present) for one in found] == [
        (1, "refunded", 1, False),
        (2, "cancelled", 2, False),
        (3, "created", 3, True),
    ]
    assert found[0].claimer == BUYER
    assert connection.execute(select(payments)).one().life == 3


def test_project_takes_no_confirmation_after_the_end(connection: Connection) -> None:
    index(connection, created(1, 0), cancelled(2, 0), confirmed(3, 0))
    assert connection.execute(select(payments)).one().confirmed_block is None


def test_project_gives_the_same_twice(connection: Connection) -> None:
    """Survives: a range that is projected, committed and projected again after a kill."""
    rows = (created(1, 0), confirmed(2, 0), refunded(3, 0), created(4, 0), treasury_made(1, 5))
    index(connection, *rows)
    once = all_rows(connection)
    project(connection, CHAIN, BlockNumber(1), BlockNumber(TOP))
    assert all_rows(connection) == once
    project(connection, CHAIN, BlockNumber(2), BlockNumber(3))
    assert all_rows(connection) == once


def test_late_creation_takes_the_confirmation_that_was_there_before_it(
    connection: Connection,
) -> None:
    """Survives: a provider drops the log of a creation, and a repair brings it."""
    index(connection, created(2, 0, PaymentId(hash_of("other"))), confirmed(5, 0))
    add(connection, created(1, 0))
    project(connection, CHAIN, BlockNumber(1), BlockNumber(1))
    found = lives(connection)
    assert found[TREASURY, PAYMENT, 1]["confirmed"] == (5, 0)


def test_fact_that_a_repair_removes_takes_its_life_along(connection: Connection) -> None:
    index(connection, created(1, 0), cancelled(2, 0), created(3, 0, amount=7), confirmed(4, 0))
    connection.execute(delete(payments_created).where(payments_created.c.block_number == 1))
    reproject(connection, CHAIN, BlockNumber(1), BlockNumber(1))
    assert lives(connection) == fold([cancelled(2, 0), created(3, 0, amount=7), confirmed(4, 0)])


def test_late_creation_changes_what_a_later_refund_means(connection: Connection) -> None:
    """A name means the platform's payment where there is one, else the buyer's."""
    rows = [*paid(1, 0), refunded(4, 0)]
    index(connection, *rows)
    key = crypto_key(PAYMENT, BUYER)
    assert lives(connection)[TREASURY, key, 1]["state"] == "refunded"
    late = created(2, 0)
    add(connection, late)
    project(connection, CHAIN, BlockNumber(2), BlockNumber(2))
    found = lives(connection)
    assert found[TREASURY, key, 1]["state"] == "confirmed"
    assert found[TREASURY, PAYMENT, 1]["state"] == "refunded"
    assert found == fold([*rows, late])


def test_treasury_that_a_reorg_takes_takes_its_older_payments_and_totals(
    connection: Connection,
) -> None:
    """Survives: logs claimed late by a block that does not stay, after older ones were final."""
    other = address("another")
    index(
        connection,
        treasury_made(6, 0),
        created(1, 0),
        confirmed(2, 0),
        created(1, 1, treasury=other),
        confirmed(2, 1, treasury=other),
    )
    fold_totals(connection, CHAIN, BlockNumber(4))
    undo_projections(connection, CHAIN, BlockNumber(5))
    assert {treasury for treasury, _, _ in lives(connection)} == {other}
    assert connection.execute(select(daily_totals.c.treasury)).scalars().all() == [other]
    assert connection.execute(select(treasuries)).all() == []


def test_transactions_hold_every_log_of_ours_and_follow_a_reorg(connection: Connection) -> None:
    index(
        connection,
        *paid(1, 0),
        transferred(1, 4),
        logged(2, 0, "GoalReached", TREASURY, raised=1, goal=1),
        unclaimed(3, 0, hash_of("topic")),
    )
    standing = select(transactions.c.block_number, transactions.c.tx_index).order_by(
        transactions.c.block_number, transactions.c.tx_index
    )
    expected = [(1, 0), (1, 1), (2, 0), (3, 0)]
    assert connection.execute(standing).all() == expected
    undo_projections(connection, CHAIN, BlockNumber(1))
    assert connection.execute(standing).all() == expected[:2]


def test_daily_totals_close_a_day_at_midnight_in_sao_paulo_and_count_refunds_on_their_own(
    connection: Connection,
) -> None:
    # The chain begins at 09:00 in São Paulo, 15 hours before midnight.
    midnight = 15 * 3600
    add(
        connection,
        block_row(1),
        block_row(2, seconds=midnight - 1),
        block_row(3, seconds=midnight),
    )
    add_marks(connection, indexed=3, finalized=2)
    second = PaymentId(hash_of("second"))
    add(
        connection,
        treasury_made(1, 9, campaign=address("campaign")),
        created(1, 0, amount=5),
        created(1, 1, second, amount=7),
        confirmed(2, 0),
        confirmed(3, 0, second),
        refunded(3, 1, amount=4),
    )
    project(connection, CHAIN, BlockNumber(1), BlockNumber(3))
    first, last = date(2026, 1, 31), date(2026, 2, 1)
    expected = [(first, 1, 5, 0, 0), (last, 1, 7, 1, 4)]
    for totalled in (None, 1, 2):
        if totalled is not None:
            fold_totals(connection, CHAIN, BlockNumber(totalled))
        view = daily_totals_latest.c
        seen = connection.execute(
            select(
                view.day,
                view.confirmed_count,
                view.confirmed_amount,
                view.refunded_count,
                view.refunded_amount,
            ).order_by(view.day)
        ).all()
        assert seen == expected
        final = connection.execute(select(daily_totals_finalized)).one()
        assert (final.day, final.confirmed_amount, final.token) == (first, 5, TOKEN)
    assert connection.execute(select(treasury_totals_finalized)).one().confirmed_amount == 5
    by_campaign = connection.execute(select(campaign_totals_latest)).one()
    assert (by_campaign.campaign, by_campaign.confirmed_amount) == (address("campaign"), 12)


def test_fold_totals_adds_nothing_twice_and_waits_for_what_is_not_indexed(
    connection: Connection,
) -> None:
    """Survives: finality notes the same block again; a chain put back below its finalized mark."""
    index(connection, created(1, 0), confirmed(2, 0))
    for _ in range(2):
        fold_totals(connection, CHAIN, BlockNumber(TOP + 5))
    assert connection.execute(select(daily_totals.c.confirmed_count)).scalar_one() == 1
    number = connection.execute(text("SELECT totals_number FROM chain.marks")).scalar_one()
    assert number == TOP
    undo_projections(connection, CHAIN, BlockNumber(1))
    assert connection.execute(select(daily_totals)).all() == []


@pytest.mark.parametrize(
    ("finalized", "expected"),
    [
        (None, None),
        (0, None),
        (1, (1, "created", None)),
        (2, (1, "confirmed", 2)),
        (3, (1, "refunded", 2)),
        (4, (2, "created", None)),
    ],
)
def test_payments_finalized_tells_what_was_so_at_the_mark(
    connection: Connection, finalized: int | None, expected: tuple[int, str, int | None] | None
) -> None:
    rows = (created(1, 0), confirmed(2, 0), refunded(3, 0), created(4, 0))
    index(connection, *rows, finalized=finalized)
    row = connection.execute(select(payments_finalized)).one_or_none()
    assert (None if row is None else (row.life, row.state, row.confirmed_block)) == expected
    assert connection.execute(select(payments)).one().life == 2


def test_rebuild_tells_how_far_it_is_and_leaves_other_chains_alone(
    connection: Connection,
) -> None:
    index(connection, created(1, 0), confirmed(2, 0))
    connection.execute(text("UPDATE chain.payment_lives SET chain_id = 1, amount = 3"))
    told: list[tuple[int, int]] = []
    rebuild(connection, CHAIN, lambda at, to: told.append((at, to)))
    assert told == [(TOP, TOP)]
    amounts = select(payment_lives.c.chain_id, payment_lives.c.amount)
    assert sorted(connection.execute(amounts).all()) == [(1, 3), (CHAIN, 100)]
