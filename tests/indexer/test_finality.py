"""When blocks become final, who must say so, and what stops the writer."""

import pytest
from sqlalchemy import Engine, update
from typing_extensions import override

from indexer.chain.blocks import Header
from indexer.chain.types import BlockHash, PaymentId
from indexer.cursor import clear_degraded
from indexer.errors import ChainContradiction, InvariantError
from indexer.finality import Disagreement, FinalityWatch
from indexer.queries import payments_by_id, read_marks
from indexer.tables import marks
from tests.support.fake_blocks import FakeBlock
from tests.support.fake_chain import FakeChain
from tests.support.indexing import (
    CHAIN,
    NETWORK,
    PAYMENT,
    TREASURY,
    catch_up,
    follower_of,
    marks_of,
    mine_empty,
    mine_treasury,
    rows_written,
)
from tests.support.protocol_logs import batch_confirmed, payment_confirmed, payment_created

OTHER_PAYMENT = PaymentId(b"q" * 32)


class WaveringChain(FakeChain):
    """A node that does not stand by its fork when asked for one of its blocks by hash."""

    def __init__(self, *, turns_honest: list[FakeBlock] | None) -> None:
        super().__init__()
        self.turns_honest = turns_honest

    @override
    def block_by_hash(self, block_hash: BlockHash) -> Header | None:
        if self.turns_honest is None:
            return None
        found = super().block_by_hash(block_hash)
        self.blocks = self.turns_honest
        return found


def forked(chain: FakeChain, depth: int) -> FakeChain:
    """A node on another fork of the chain, as high as it."""
    other = FakeChain(finality_lag=chain.finality_lag, seed=10**6, name="forked")
    other.blocks = chain.blocks[:-depth]
    mine_empty(other, depth)
    return other


def test_payment_becomes_final_when_the_finalized_tag_passes_its_block(
    engine: Engine, chain: FakeChain
) -> None:
    mine_treasury(chain)
    chain.mine([payment_created(TREASURY, PAYMENT)])
    chain.mine([batch_confirmed(TREASURY, OTHER_PAYMENT, PAYMENT)])
    follower = follower_of(engine, chain)
    catch_up(follower)
    mine_empty(chain, chain.finality_lag)
    catch_up(follower)
    with engine.connect() as connection:
        found = payments_by_id(connection, chain_id=CHAIN, treasury=TREASURY, payment_ids=[PAYMENT])
        seen = read_marks(connection, CHAIN)
    assert found[PAYMENT].is_final
    assert found[PAYMENT].confirmed_ordinal == 1
    assert seen is not None
    assert seen.finalized is not None
    assert seen.finalized.number == chain.finalized_height


def test_writer_halts_when_a_finalized_block_changes(engine: Engine, chain: FakeChain) -> None:
    mine_treasury(chain)
    mine_empty(chain, 12)
    follower = follower_of(engine, chain)
    catch_up(follower)
    before = rows_written(engine)
    chain.fork(chain.finality_lag + 2)
    mine_empty(chain, chain.finality_lag + 4)

    with pytest.raises(InvariantError, match="finalized block 5 changed"):
        follower.step()

    assert rows_written(engine) == before
    with engine.connect() as connection:
        seen = read_marks(connection, CHAIN)
    assert seen is not None
    assert seen.degraded_reason is not None
    with pytest.raises(InvariantError, match="halted earlier"):
        follower_of(engine, chain)


def test_writer_goes_on_when_only_one_of_two_nodes_contradicts_finality(
    engine: Engine, chain: FakeChain
) -> None:
    mine_empty(chain, 20)
    catch_up(follower_of(engine, chain))
    astray = forked(chain, 15)
    mine_empty(astray, 2)
    astray.others = [chain]
    follower = follower_of(engine, astray)

    with pytest.raises(ChainContradiction, match="no second answer bears out") as caught:
        follower.step()
    follower.recover(caught.value)

    assert astray.distrusted == 1
    assert marks_of(engine).degraded_reason is None
    follower_of(engine, astray)


def test_writer_halts_when_a_second_node_too_contradicts_finality(
    engine: Engine, chain: FakeChain
) -> None:
    mine_empty(chain, 20)
    catch_up(follower_of(engine, chain))
    astray, silent = forked(chain, 15), FakeChain()
    mine_empty(astray, 2)
    astray.others = [silent, forked(chain, 15), chain]
    with pytest.raises(InvariantError, match="finalized block 12 changed"):
        follower_of(engine, astray).step()


@pytest.mark.parametrize("turns_honest", [False, True])
def test_writer_does_not_halt_when_a_node_takes_its_contradiction_back(
    engine: Engine, chain: FakeChain, *, turns_honest: bool
) -> None:
    """One node is all there is: it is asked again, by number and by hash."""
    mine_empty(chain, 20)
    catch_up(follower_of(engine, chain))
    astray = WaveringChain(turns_honest=chain.blocks if turns_honest else None)
    astray.blocks = forked(chain, 15).blocks
    mine_empty(astray, 2)
    follower = follower_of(engine, astray)
    with pytest.raises(ChainContradiction, match="no second answer bears out"):
        follower.step()
    assert marks_of(engine).degraded_reason is None


@pytest.mark.parametrize("second", ["lags", "differs"])
def test_mark_waits_when_no_second_node_holds_the_block(
    engine: Engine, chain: FakeChain, second: str
) -> None:
    """Blocks that one node made up on top of our tip do not become final."""
    mine_treasury(chain)
    chain.mine([payment_created(TREASURY, PAYMENT)])
    catch_up(follower_of(engine, chain))
    other = FakeChain()
    other.blocks = list(chain.blocks)
    if second == "differs":
        mine_empty(other, 20)
    chain.others = [other]
    chain.mine([payment_confirmed(TREASURY, PAYMENT)])
    mine_empty(chain, 12)
    follower = follower_of(engine, chain)
    catch_up(follower)

    with engine.connect() as connection:
        found = payments_by_id(connection, chain_id=CHAIN, treasury=TREASURY, payment_ids=[PAYMENT])
    assert found[PAYMENT].state == "confirmed"
    assert not found[PAYMENT].is_final

    other.blocks = list(chain.blocks)
    catch_up(follower)
    finalized = marks_of(engine).finalized
    assert finalized is not None
    assert finalized.number == chain.finalized_height


def test_node_is_doubted_when_two_others_hold_another_final_block(
    engine: Engine, chain: FakeChain
) -> None:
    mine_empty(chain, 12)
    chain.others = [forked(chain, 10), forked(chain, 10)]
    follower = follower_of(engine, chain)
    with pytest.raises(ChainContradiction, match="final under another hash") as caught:
        follower.step()
    assert marks_of(engine).finalized is None
    follower.recover(caught.value)
    assert chain.charged == [("fake", "contradiction")]


def test_nobody_is_charged_when_the_node_asked_is_among_those_that_hold_another_final_block(
    engine: Engine, chain: FakeChain
) -> None:
    """Whoever gave us ours is not asked now: to charge who speaks for the majority is wrong."""
    mine_empty(chain, 12)
    ours = list(chain.blocks)
    catch_up(follower_of(engine, chain))
    with engine.begin() as connection:
        connection.execute(
            update(marks).values(
                finalized_number=None, finalized_hash=None, finalized_timestamp=None
            )
        )
    chain.blocks = forked(chain, 10).blocks
    second, third = forked(chain, 10), FakeChain(name="third")
    third.blocks = ours
    second.blocks = chain.blocks
    chain.others = [second, third]
    marks_now = marks_of(engine)
    assert marks_now.indexed is not None
    watch = FinalityWatch(engine, chain, NETWORK)
    with pytest.raises(Disagreement, match="final under another hash") as caught:
        watch.raise_mark(marks_now, chain.head)
    follower_of(engine, chain).recover(caught.value)
    assert chain.charged == []
    assert chain.distrusted == 1


def test_unconfirmed_finality_is_told_until_a_second_node_agrees(
    engine: Engine, chain: FakeChain
) -> None:
    mine_empty(chain, 12)
    silent = FakeChain(name="silent")
    chain.others = [silent]
    follower = follower_of(engine, chain)
    catch_up(follower)
    assert marks_of(engine).finalized is None
    assert follower.notices.warnings() == [
        "finality unconfirmed: only 1 of 2 providers agree on block 4"
    ]
    silent.blocks = list(chain.blocks)
    catch_up(follower)
    assert marks_of(engine).finalized is not None
    assert follower.notices.warnings() == []


def test_halted_indexer_goes_on_when_an_operator_cleared_the_reason(
    engine: Engine, chain: FakeChain
) -> None:
    mine_empty(chain, 20)
    honest = list(chain.blocks)
    catch_up(follower_of(engine, chain))
    chain.fork(15)
    mine_empty(chain, 17)
    with pytest.raises(InvariantError):
        follower_of(engine, chain).step()

    chain.blocks = honest
    with engine.begin() as connection:
        cleared = clear_degraded(connection, CHAIN)
    assert cleared is not None
    assert "finalized block 12 changed" in cleared
    chain.mine()
    catch_up(follower_of(engine, chain))
    assert marks_of(engine).indexed == chain.head.stamp
    with engine.begin() as connection:
        assert clear_degraded(connection, CHAIN) is None
