"""Chains to repair, and what a repair says."""

from sqlalchemy import Engine

from indexer.chain.types import BlockHash, BlockNumber
from indexer.repair import repair_range
from indexer.scene import RepairOutcome
from tests.support.fake_chain import FakeChain
from tests.support.fake_nodes import FakeNodes
from tests.support.indexing import (
    NETWORK,
    PAYMENT,
    TREASURY,
    marks_of,
    mine_empty,
    mine_treasury,
)
from tests.support.protocol_logs import (
    deployment,
    payment_confirmed,
    payment_created,
    transfer,
)

OTHER = b"q" * 32


def mine_payments(chain: FakeChain) -> None:
    """Blocks 1 to 4 hold logs of ours, then enough empty ones to make them final."""
    mine_treasury(chain)
    chain.mine([payment_created(TREASURY, PAYMENT)], [payment_created(TREASURY, OTHER)])
    chain.mine([transfer(TREASURY, 10**18)])
    chain.mine([payment_confirmed(TREASURY, PAYMENT)], [payment_confirmed(TREASURY, OTHER)])
    mine_empty(chain, 20)


def repair(
    engine: Engine, chain: FakeChain | FakeNodes, low: int, high: int, *, genesis: BlockHash
) -> RepairOutcome:
    return repair_range(
        engine,
        chain,
        NETWORK,
        deployment(genesis),
        BlockNumber(low),
        BlockNumber(high),
        reason="test",
    )


def genesis_of(chain: FakeChain) -> BlockHash:
    return chain.blocks[0].header.hash


def counts(outcome: RepairOutcome) -> dict[str, tuple[int, int, int, int]]:
    """Rows before, missing, false and after, of the tables that changed."""
    return {
        one.table: (one.before, one.missing, one.false, one.after)
        for one in outcome.changes
        if one.is_change
    }


def final_of(engine: Engine) -> BlockNumber:
    final = marks_of(engine).finalized
    assert final is not None
    return final.number
