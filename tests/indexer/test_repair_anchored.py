"""Whose blocks may mend what is stored: those that lead to the finalized one."""

import pytest
from sqlalchemy import Engine, delete, update

from indexer.chain.types import BlockNumber
from indexer.errors import ChainContradiction, InvariantError
from indexer.mend import examine
from indexer.repair import repair_hole
from indexer.scene import Scene
from indexer.tables import blocks, payments_confirmed, ranges
from tests.support.fake_chain import FakeChain
from tests.support.fake_nodes import FakeNodes
from tests.support.indexing import (
    NETWORK,
    TREASURY,
    catch_up,
    follower_of,
    marks_of,
    mine_empty,
    rows_written,
    state_of,
)
from tests.support.protocol_logs import deployment, settled
from tests.support.repairing import final_of, genesis_of, mine_payments, repair


@pytest.fixture
def indexed(engine: Engine, chain: FakeChain) -> list[str]:
    """The state of a database that has it all."""
    mine_payments(chain)
    catch_up(follower_of(engine, chain))
    return state_of(engine)


def change_below_finalized(chain: FakeChain) -> None:
    chain.fork(chain.height - 1)
    chain.mine(settled(TREASURY, b"x" * 32))
    mine_empty(chain, 22)


@pytest.mark.parametrize("high", [3, 16])
def test_repair_halts_the_writer_and_writes_nothing_when_the_finalized_block_changed(
    engine: Engine, chain: FakeChain, indexed: list[str], high: int
) -> None:
    assert indexed
    assert final_of(engine) == 16
    rows = rows_written(engine)
    change_below_finalized(chain)
    with pytest.raises(InvariantError, match="finalized block 16 changed"):
        repair(engine, chain, 1, high, genesis=genesis_of(chain))
    assert rows_written(engine) == rows
    reason = marks_of(engine).degraded_reason
    assert reason is not None
    assert "finalized block 16 changed" in reason


def test_repair_of_a_hole_halts_the_writer_when_the_finalized_block_changed(
    engine: Engine, chain: FakeChain, indexed: list[str]
) -> None:
    assert indexed
    with engine.begin() as connection:
        connection.execute(delete(ranges))
    change_below_finalized(chain)
    with pytest.raises(InvariantError, match="finalized block 16 changed"):
        repair_hole(engine, chain, NETWORK, deployment(genesis_of(chain)))


def test_one_node_of_two_does_not_halt_the_writer(
    engine: Engine, chain: FakeChain, indexed: list[str]
) -> None:
    other = chain.view("other")
    other.blocks = list(chain.blocks)
    change_below_finalized(other)
    nodes = FakeNodes([other, chain])
    with pytest.raises(ChainContradiction):
        repair(engine, nodes, 1, 1, genesis=genesis_of(chain))
    assert state_of(engine) == indexed


def test_examining_changes_not_even_the_marks_when_the_finalized_block_changed(
    engine: Engine, chain: FakeChain, indexed: list[str]
) -> None:
    change_below_finalized(chain)
    scene = Scene.of(engine, chain, NETWORK, deployment(genesis_of(chain)))
    with pytest.raises(ChainContradiction, match="another finalized block 16"):
        examine(scene, BlockNumber(1), BlockNumber(10))
    assert state_of(engine) == indexed


def test_false_block_is_replaced_when_the_true_one_leads_to_the_finalized_block(
    engine: Engine, chain: FakeChain, indexed: list[str]
) -> None:
    with engine.begin() as connection:
        connection.execute(update(blocks).where(blocks.c.number == 4).values(hash=b"f" * 32))
        connection.execute(update(payments_confirmed).values(block_hash=b"f" * 32))
    outcome = repair(engine, chain, 4, 4, genesis=genesis_of(chain))
    assert [one.table for one in outcome.changes if one.is_change] == ["payments_confirmed"]
    assert state_of(engine) == indexed


@pytest.mark.parametrize(("low", "high"), [(1, 4), (1, 3), (4, 4)])
def test_repair_refuses_blocks_that_do_not_lead_to_the_finalized_one(
    engine: Engine, chain: FakeChain, indexed: list[str], low: int, high: int
) -> None:
    """A node that holds our finalized block, and other ones below it."""
    other = FakeChain(seed=99)
    mine_payments(other)
    chain.blocks[1:5] = other.blocks[1:5]
    with pytest.raises(ChainContradiction, match="does not follow"):
        repair(engine, chain, low, high, genesis=genesis_of(chain))
    assert state_of(engine) == indexed
    assert marks_of(engine).degraded_reason is None
