"""Reorgs by name; the measure of all is a fresh index of the final chain."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Engine, insert, text
from typing_extensions import override

from indexer.chain.reads import RawLogs
from indexer.chain.types import (
    Address,
    BlockHash,
    BlockNumber,
    BlockStamp,
    PaymentId,
    utc_from_unix,
)
from indexer.projections.project import project
from indexer.rewind import rewind_to, undo_blocks
from indexer.tables import marks, orphans, ranges
from tests.support.fake_blocks import GENESIS_UNIX
from tests.support.fake_chain import FakeChain
from tests.support.fresh_index import assert_fresh
from tests.support.indexing import (
    CHAIN,
    NETWORK,
    PAYMENT,
    TREASURY,
    catch_up,
    claimed_of,
    follower_of,
    marks_of,
    mine_empty,
    mine_payments,
    mine_treasury,
    payment_numbered,
    present_of,
    reorg_depths,
    rows_of,
)
from tests.support.protocol_logs import payment_confirmed, payment_created, settled

OTHER_PAYMENT = PaymentId(b"q" * 32)


@pytest.mark.parametrize(("depth", "every"), [(1, 1), (10, 1), (45, 5), (75, 5), (2_000, 100)])
def test_rows_equal_a_fresh_index_when_blocks_are_replaced_to_any_depth(
    engine: Engine, depth: int, every: int
) -> None:
    """Nothing is dropped by age: only the finalized mark says what can be undone no more."""
    chain = FakeChain(finality_lag=depth + 5)
    mine_treasury(chain)
    mine_empty(chain, 10)
    mine_payments(chain, depth, every=every)
    follower = follower_of(engine, chain)
    catch_up(follower)
    assert len(present_of(engine)) == len(range(0, depth, every))
    chain.fork(depth)
    mine_payments(chain, depth + 1, first=10**6, every=every)
    catch_up(follower)
    assert reorg_depths(engine) == [depth]
    assert len(rows_of(engine, orphans)) == 2 * len(range(0, depth, every))
    assert_fresh(engine, chain)


def test_rows_equal_a_fresh_index_when_reorgs_follow_each_other(engine: Engine) -> None:
    chain = FakeChain(finality_lag=30)
    mine_treasury(chain)
    follower = follower_of(engine, chain)
    mine_payments(chain, 10)
    catch_up(follower)
    for number, depth in enumerate([3, 1, 5, 2, 6, 12], start=1):
        chain.fork(depth)
        mine_payments(chain, depth + number % 2, first=100 * number)
        catch_up(follower)
    assert reorg_depths(engine) == [3, 1, 5, 2, 6, 12]
    assert_fresh(engine, chain)


def test_rows_equal_a_fresh_index_when_the_new_branch_is_shorter(
    engine: Engine, chain: FakeChain
) -> None:
    mine_treasury(chain)
    mine_payments(chain, 6)
    follower = follower_of(engine, chain)
    catch_up(follower)
    chain.fork(5)
    mine_payments(chain, 2, first=100)
    catch_up(follower)
    assert marks_of(engine).indexed == chain.head.stamp
    assert_fresh(engine, chain)


def test_same_transaction_counts_once_when_it_is_included_elsewhere(
    engine: Engine, chain: FakeChain
) -> None:
    mine_treasury(chain)
    chain.mine(settled(TREASURY, PAYMENT))
    follower = follower_of(engine, chain)
    catch_up(follower)
    (gone,) = chain.fork(1)
    chain.mine([])
    again = chain.mine([payment_created(TREASURY, OTHER_PAYMENT)], gone)
    catch_up(follower)
    (settled_again,) = (row for row in present_of(engine) if row["payment_id"] == PAYMENT)
    assert settled_again["confirmed_tx"] == gone.tx_hash
    assert settled_again["confirmed_block_hash"] == again.hash
    assert_fresh(engine, chain)


def test_rows_equal_a_fresh_index_when_a_factory_deployment_moves_behind_what_it_made_known(
    engine: Engine, chain: FakeChain
) -> None:
    """The deployment is undone, comes back later, vanishes: claims go with it and come back."""
    chain.mine([payment_created(TREASURY, PAYMENT)])
    mine_treasury(chain)
    chain.mine([payment_confirmed(TREASURY, PAYMENT)])
    follower = follower_of(engine, chain)
    catch_up(follower)
    assert [row["state"] for row in present_of(engine)] == ["confirmed"]

    deployment = chain.fork(2)
    chain.mine([payment_confirmed(TREASURY, PAYMENT)])
    catch_up(follower)
    assert present_of(engine) == []
    assert set(claimed_of(engine).values()) == {False}
    assert {row["fact"] for row in rows_of(engine, orphans)} == {
        "payments_created",
        "payments_confirmed",
        "logs",
    }
    assert_fresh(engine, chain)

    chain.mine(*deployment[:2])
    catch_up(follower)
    assert [row["state"] for row in present_of(engine)] == ["confirmed"]
    assert_fresh(engine, chain)

    chain.fork(1)
    mine_empty(chain, 2)
    catch_up(follower)
    assert present_of(engine) == []
    assert_fresh(engine, chain)


class ForkingInBackfill(FakeChain):
    """Replaces its newest blocks each time history is asked for."""

    @override
    def raw_logs(
        self,
        low: BlockNumber,
        high: BlockNumber,
        topics: Sequence[Sequence[bytes] | None],
        addresses: Sequence[Address] | None = None,
        *,
        provider: int | None = None,
    ) -> RawLogs:
        answer = super().raw_logs(low, high, topics, addresses, provider=provider)
        self.fork(5)
        mine_payments(self, 6, first=1_000 + self.height)
        return answer


def test_rows_equal_a_fresh_index_when_the_tip_is_replaced_during_a_backfill(
    engine: Engine,
) -> None:
    chain = ForkingInBackfill()
    mine_treasury(chain)
    mine_payments(chain, 120)
    chain.widest_range = 20
    tip = follower_of(engine, chain, header_scan_blocks_max=10**6)
    chain.lag = 100
    catch_up(tip)
    chain.lag = 0
    catch_up(follower_of(engine, chain, header_scan_blocks_max=10))
    assert "logs" in chain.asked
    assert_fresh(engine, chain)


def test_undo_data_outlives_a_stall_of_finality(engine: Engine) -> None:
    chain = FakeChain(finality_lag=3)
    mine_treasury(chain)
    mine_payments(chain, 10)
    follower = follower_of(engine, chain)
    catch_up(follower)
    final = marks_of(engine).finalized
    chain.stalls_finality = True
    mine_payments(chain, 400, first=100, every=20)
    catch_up(follower)
    assert marks_of(engine).finalized == final
    chain.fork(395)
    mine_payments(chain, 300, first=1_000, every=20)
    catch_up(follower)
    chain.stalls_finality = False
    chain.mine()
    catch_up(follower)
    assert reorg_depths(engine) == [395]
    assert_fresh(engine, chain)


def test_a_day_of_unfinalized_blocks_is_undone_in_seconds(engine: Engine) -> None:
    """43,000 Polygon blocks with two facts each; no statement may take longer than is said here."""
    mined = BlockNumber(43_000)
    tip = BlockStamp(mined, BlockHash(payment_numbered(mined)), utc_from_unix(GENESIS_UNIX))
    with engine.begin() as connection:
        connection.execute(
            insert(marks).values(chain_id=CHAIN, network=NETWORK.name, first_block=1)
        )
        for statement in _A_DAY:
            connection.execute(text(statement), {"chain_id": CHAIN, "mined": mined})
        project(connection, CHAIN, BlockNumber(1), mined)
        lives = connection.execute(text("SELECT count(*) FROM chain.payment_lives")).scalar_one()
        connection.execute(text("SET LOCAL statement_timeout = '10s'"))
        undo_blocks(connection, CHAIN, ancestor=BlockNumber(0), tip=tip)
        counted = connection.execute(text("SELECT count(*) FROM chain.orphans")).scalar_one()
        left = connection.execute(text("SELECT count(*) FROM chain.payment_lives")).scalar_one()
    assert (counted, lives, left) == (2 * mined, mined, 0)


_A_DAY = (
    (
        "INSERT INTO chain.blocks SELECT :chain_id, n, h, h, now(), h, 2, true"
        " FROM (SELECT n, decode(lpad(to_hex(n), 64, '0'), 'hex') AS h"
        " FROM generate_series(1, :mined) AS n) AS mined"
    ),
    (
        "INSERT INTO chain.payments_created"
        " SELECT :chain_id, n, 0, 0, h, h, a, h, h, a, h, h, a, 1, 0, false, 3"
        " FROM (SELECT n, decode(lpad(to_hex(n), 64, '0'), 'hex') AS h,"
        " decode(repeat('11', 20), 'hex') AS a FROM generate_series(1, :mined) AS n) AS mined"
    ),
    (
        "INSERT INTO chain.payments_confirmed"
        " SELECT :chain_id, n, 1, 0, h, h, 0, a, h, 'PaymentConfirmed'"
        " FROM (SELECT n, decode(lpad(to_hex(n), 64, '0'), 'hex') AS h,"
        " decode(repeat('11', 20), 'hex') AS a FROM generate_series(1, :mined) AS n) AS mined"
    ),
)


def test_following_goes_on_when_an_operator_rewound(engine: Engine, chain: FakeChain) -> None:
    mine_treasury(chain)
    mine_payments(chain, 9)
    catch_up(follower_of(engine, chain))
    with engine.begin() as connection:
        to = rewind_to(connection, CHAIN, number=BlockNumber(6), tip=chain.head.stamp)
    assert to == chain.blocks[6].header.stamp
    assert len(present_of(engine)) == 5
    assert [row["high"] for row in rows_of(engine, ranges)] == [6]
    catch_up(follower_of(engine, chain))
    assert_fresh(engine, chain)
