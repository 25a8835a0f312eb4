"""Chains to repair, and what a repair says."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Engine
from typing_extensions import override

from indexer.chain.blocks import Log, Receipt
from indexer.chain.types import Address, BlockHash, BlockNumber
from indexer.crosscheck import cross_check_once
from indexer.repair import repair_hole, repair_range
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


UNKNOWN_TYPE = 0x66


class Unproving(FakeChain):
    """A node that gives the receipts of some blocks a type nobody knows, and tells them its way.

    What it tells has the bloom of the truth, so that nothing refutes it.
    """

    forged: dict[int, dict[bytes, bytes]]
    """By block: what its logs say instead, by what they say."""

    def __init__(self, *, finality_lag: int = 8, seed: int = 0, name: str = "fake") -> None:
        self.forged = {}
        super().__init__(finality_lag=finality_lag, seed=seed, name=name)

    @override
    def receipts(self, block_hash: BlockHash) -> list[Receipt] | None:
        found = super().receipts(block_hash)
        if not found or found[0].block_number not in self.forged:
            return found
        told = self.forged[found[0].block_number]
        return [
            replace(
                one,
                type=UNKNOWN_TYPE,
                logs=tuple(replace(log, data=told.get(log.data, log.data)) for log in one.logs),
            )
            for one in found
        ]


class Dropping(FakeChain):
    """A node whose lists of logs leave a block out, until it is told to stop."""

    dropped: int | None = None

    @override
    def logs(
        self,
        low: BlockNumber,
        high: BlockNumber,
        topics: Sequence[Sequence[bytes] | None],
        addresses: Sequence[Address] | None = None,
    ) -> list[Log]:
        found = super().logs(low, high, topics, addresses)
        return [log for log in found if log.block_number != self.dropped]


def do_idle_work(engine: Engine, chain: FakeChain | FakeNodes, genesis: BlockHash) -> None:
    """Compare and fill holes until nothing is left to do."""
    at = (engine, chain, NETWORK, deployment(genesis))
    for _ in range(50):
        if not cross_check_once(*at) and repair_hole(*at) is None:
            return
    raise AssertionError("still busy")
