"""What looks like a reorg and is none, or is none that may be followed yet."""

from http import HTTPStatus

import pytest
from sqlalchemy import Engine

from indexer.errors import ChainContradiction, InvariantError, RpcError
from indexer.finality import Disagreement
from indexer.health import readiness
from indexer.status import read_status
from indexer.tables import reorgs
from tests.support.fake_chain import FakeChain
from tests.support.fake_nodes import FakeNodes
from tests.support.fresh_index import assert_fresh
from tests.support.indexing import (
    NETWORK,
    catch_up,
    follower_of,
    follower_on,
    mine_empty,
    mine_payments,
    mine_treasury,
    present_of,
    reorg_depths,
    rows_of,
    rows_written,
    state_of,
)


def test_no_reorg_is_recorded_when_a_node_lags_or_goes_backwards(
    engine: Engine, chain: FakeChain
) -> None:
    mine_treasury(chain)
    mine_payments(chain, 6)
    follower = follower_of(engine, chain)
    catch_up(follower)
    before = rows_written(engine)
    for lag in (1, 6, 3, 7, 0, 5):
        chain.lag = lag
        catch_up(follower)
        assert rows_written(engine) == before
    assert rows_of(engine, reorgs) == []
    chain.lag = 0
    mine_payments(chain, 1, first=50)
    catch_up(follower)
    assert rows_of(engine, reorgs) == []
    assert_fresh(engine, chain)


@pytest.mark.parametrize("why", ["pruned", "false", "empty"])
def test_nothing_is_undone_when_the_replacement_cannot_be_read(
    engine: Engine, chain: FakeChain, why: str
) -> None:
    mine_treasury(chain)
    mine_payments(chain, 5)
    follower = follower_of(engine, chain)
    catch_up(follower)
    before = state_of(engine)
    chain.fork(4)
    mine_payments(chain, 4, first=100)
    chain.prunes_receipts = why == "pruned"
    chain.drops_log_from_receipts = why == "false"
    chain.answers_emptily = why == "empty"
    for _ in range(3):
        with pytest.raises((RpcError, ChainContradiction)) as caught:
            follower.step()
        follower.recover(caught.value)
        assert state_of(engine) == before
    chain.prunes_receipts = chain.drops_log_from_receipts = chain.answers_emptily = False
    catch_up(follower)
    assert_fresh(engine, chain)


def test_deep_branch_of_one_node_is_not_followed_while_another_holds_ours(engine: Engine) -> None:
    chain = FakeChain(finality_lag=20)
    nodes = FakeNodes([chain.view("astray"), chain.view("honest")])
    mine_treasury(chain)
    mine_payments(chain, 8)
    follower = follower_on(engine, nodes, NETWORK, genesis=chain.blocks[0].header.hash)
    catch_up(follower)
    before = rows_written(engine)
    astray = FakeChain(finality_lag=20, seed=10**6)
    astray.blocks = chain.blocks[:-6]
    mine_empty(astray, 8)
    nodes.nodes[0].blocks = astray.blocks

    with pytest.raises(Disagreement, match="honest still holds") as caught:
        follower.step()
    follower.recover(caught.value)
    catch_up(follower)
    assert rows_written(engine) == before
    assert nodes.provider == "honest"

    nodes.nodes[0].blocks = astray.blocks  # now both
    nodes.unreachable.add("honest")
    catch_up(follower)
    assert reorg_depths(engine) == [6]
    assert_fresh(engine, astray)


def test_writer_halts_and_readers_go_on_when_a_finalized_block_changes(
    engine: Engine, chain: FakeChain
) -> None:
    mine_treasury(chain)
    mine_payments(chain, 3)
    mine_empty(chain, 12)
    follower = follower_of(engine, chain)
    catch_up(follower)
    before, payments = rows_written(engine), present_of(engine)
    chain.fork(chain.finality_lag + 2)
    mine_empty(chain, chain.finality_lag + 4)
    with pytest.raises(InvariantError, match="changed"):
        follower.step()
    with pytest.raises(InvariantError, match="halted earlier"):
        follower_of(engine, chain)
    with engine.connect() as connection:
        answer, body = readiness(read_status(connection, NETWORK))
    assert answer is HTTPStatus.SERVICE_UNAVAILABLE
    assert "finalized block" in str(body["reason"])
    assert rows_written(engine) == before
    assert present_of(engine) == payments
