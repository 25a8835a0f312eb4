from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Engine, update
from typing_extensions import override

from indexer.backfill.ranges import Depth
from indexer.chain.blocks import Log
from indexer.chain.types import Address, BlockHash, BlockNumber, TxHash
from indexer.crosscheck import cross_check_once, differing_blocks
from indexer.events import FILTER_ID
from indexer.ledger import complete_up_to, holes
from indexer.providers import truth_scores
from indexer.repair import repair_hole
from indexer.tables import payments_created, provider_findings, ranges
from tests.support.fake_blocks import FakeBlock
from tests.support.fake_chain import FakeChain
from tests.support.fake_nodes import FakeNodes
from tests.support.indexing import (
    CHAIN,
    NETWORK,
    TREASURY,
    catch_up,
    follower_on,
    forget_all,
    marks_of,
    mine_empty,
    mine_treasury,
    rows_of,
    state_of,
)
from tests.support.protocol_logs import address, deployment, payment_created, transfer
from tests.support.repairing import Unproving, genesis_of, repair

PAYMENTS = 12
SHARED = b"s" * 32
"""A payment created in one block with another: losing it leaves the block named."""
ALONE = bytes([3]) * 32
"""A payment alone in its block: losing it hides the block."""


@pytest.fixture
def first(chain: FakeChain) -> FakeChain:
    """The node that serves history: 12 blocks with logs of ours, then enough to make them final."""
    mine_treasury(chain)
    for number in range(PAYMENTS - 2):
        chain.mine([payment_created(TREASURY, bytes([number]) * 32)])
    chain.mine([payment_created(TREASURY, b"t" * 32)], [payment_created(TREASURY, SHARED)])
    mine_empty(chain, 20)
    return chain


@pytest.fixture
def second(first: FakeChain) -> FakeChain:
    return first.view("second")


def index(engine: Engine, source: FakeNodes, *, depth: Depth = "checked") -> list[str]:
    genesis = source.nodes[0].blocks[0].header.hash
    follower = follower_on(engine, source, NETWORK, genesis=genesis, history_from=4, depth=depth)
    catch_up(follower)
    return state_of(engine)


def check(engine: Engine, source: FakeNodes) -> int:
    """Cross-check until nothing is left; how many ranges that were."""
    record = deployment(source.nodes[0].blocks[0].header.hash)
    for calls in range(50):
        if not cross_check_once(engine, source, NETWORK, record):
            return calls
    raise AssertionError("never done")


def repair_all(engine: Engine, source: FakeNodes) -> None:
    record = deployment(source.nodes[0].blocks[0].header.hash)
    for _ in range(50):
        if repair_hole(engine, source, NETWORK, record) is None:
            return
    raise AssertionError("holes remain")


def test_range_is_cross_checked_when_a_second_node_says_the_same(
    engine: Engine, first: FakeChain, second: FakeChain
) -> None:
    nodes = FakeNodes([first, second])
    state = index(engine, nodes)
    assert rows_of(engine, ranges)[0]["state"] == "fetched"
    assert check(engine, nodes) >= 1
    with engine.connect() as connection:
        sure = complete_up_to(connection, CHAIN, FILTER_ID, BlockNumber(1), "cross_checked")
    assert sure == first.height
    assert rows_of(engine, ranges)[0]["confirmed_by"] == "second"
    assert state_of(engine) == state
    assert rows_of(engine, provider_findings) == []


def test_nothing_is_compared_when_there_is_one_node(engine: Engine, first: FakeChain) -> None:
    nodes = FakeNodes([first])
    index(engine, nodes)
    assert check(engine, nodes) == 0


@pytest.mark.parametrize(("depth", "hidden"), [("checked", SHARED), ("listed", ALONE)])
def test_log_the_first_node_hid_is_found_when_the_second_lists_it(
    engine: Engine, first: FakeChain, second: FakeChain, depth: Depth, hidden: bytes
) -> None:
    """What each depth cannot see by itself: part of a block, or a block that no list names."""
    honest = index(engine, FakeNodes([second, first]), depth=depth)
    forget_all(engine)
    liar = Hiding(first, hidden)
    nodes = FakeNodes([liar, second])
    index(engine, nodes, depth=depth)
    before = len(rows_of(engine, payments_created))

    check(engine, nodes)
    repair_all(engine, nodes)
    check(engine, nodes)
    assert (before, len(rows_of(engine, payments_created))) == (PAYMENTS - 1, PAYMENTS)
    assert state_of(engine) == honest
    with engine.connect() as connection:
        scores = {one.provider: one.score for one in truth_scores(connection, CHAIN)}
        final = marks_of(engine).finalized
        assert final is not None
        assert holes(connection, CHAIN, FILTER_ID, BlockNumber(1), final.number) == []
    assert scores["fake"] == pytest.approx(0.5, abs=0.01)
    assert scores.get("second", 1.0) == 1.0


@pytest.mark.parametrize("history_from", [None, 4])
def test_unprovable_block_is_cross_checked_when_strangers_move_other_tokens_in_it(
    engine: Engine, first: FakeChain, second: FakeChain, history_from: int | None
) -> None:
    """What was read from receipts and what a filter lists must be the same logs."""
    first.mine([transfer(TREASURY, 1, token=address("stranger")), transfer(TREASURY, 1)])
    number = first.height
    block = first.blocks[number]
    unknown = tuple(replace(receipt, type=0x5A) for receipt in block.receipts)
    first.blocks[number] = FakeBlock(block.header, unknown)
    mine_empty(first, 20)
    nodes = FakeNodes([first, second])
    follower = follower_on(
        engine,
        nodes,
        NETWORK,
        genesis=first.blocks[0].header.hash,
        history_from=history_from,
        depth="proven",
    )
    catch_up(follower)
    mine_empty(first, 20)
    catch_up(follower)
    assert "fetched" in {row["state"] for row in rows_of(engine, ranges)}
    assert check(engine, nodes) == 1
    assert "fetched" not in {row["state"] for row in rows_of(engine, ranges)}
    assert rows_of(engine, provider_findings) == []


def test_second_node_is_charged_and_the_range_trusted_when_receipts_contradict_it(
    engine: Engine, first: FakeChain, second: FakeChain
) -> None:
    liar = Hiding(second, ALONE)
    nodes = FakeNodes([first, liar])
    state = index(engine, nodes)
    check(engine, nodes)
    assert state_of(engine) == state
    findings = rows_of(engine, provider_findings)
    assert {(row["provider"], row["kind"]) for row in findings} == {("second", "logs_missing")}
    assert {row["state"] for row in rows_of(engine, ranges)} <= {"cross_checked", "proven"}
    assert check(engine, nodes) == 0, "it is not asked about the same range for ever"


def test_range_becomes_a_hole_when_its_server_no_longer_says_what_it_said(
    engine: Engine, first: FakeChain, second: FakeChain
) -> None:
    liar = Hiding(first, SHARED)
    nodes = FakeNodes([liar, second])
    index(engine, nodes)
    before = len(rows_of(engine, payments_created))
    liar.hidden = ALONE
    check(engine, nodes)
    repair_all(engine, nodes)
    assert (before, len(rows_of(engine, payments_created))) == (PAYMENTS - 1, PAYMENTS)
    findings = {(row["provider"], row["kind"]) for row in rows_of(engine, provider_findings)}
    assert findings == {("fake", "contradiction")}


def test_dispute_is_left_open_when_no_receipts_can_decide_it(
    engine: Engine, first: FakeChain, second: FakeChain
) -> None:
    number = next(
        place
        for place, block in enumerate(first.blocks)
        if any(ALONE in log.topics for receipt in block.receipts for log in receipt.logs)
    )
    block = first.blocks[number]
    unknown = tuple(replace(receipt, type=0x5A) for receipt in block.receipts)
    first.blocks[number] = FakeBlock(block.header, unknown)
    nodes = FakeNodes([first, Hiding(second, ALONE)])
    state = index(engine, nodes)
    assert check(engine, nodes) == 1, "asked once, not for ever"
    assert check(engine, nodes) == 0
    findings = {(row["provider"], row["kind"]) for row in rows_of(engine, provider_findings)}
    assert findings == {("fake", "undecided"), ("second", "undecided")}
    assert rows_of(engine, ranges)[0]["state"] == "fetched"
    assert state_of(engine) == state


def test_range_is_sure_in_the_end_when_a_part_of_it_was_read_anew(
    engine: Engine, first: FakeChain, second: FakeChain
) -> None:
    """What is left of it has no digest any more that another node's list could be compared with."""
    nodes = FakeNodes([first, second])
    state = index(engine, nodes, depth="listed")
    repair(engine, nodes, 3, 4, genesis=genesis_of(first))
    assert any(row["digest"] is None for row in rows_of(engine, ranges) if row["high"] == 2)
    assert check(engine, nodes) >= 1
    assert "fetched" not in {row["state"] for row in rows_of(engine, ranges)}
    assert rows_of(engine, provider_findings) == []
    assert state_of(engine) == state


def test_hidden_row_is_found_when_its_range_has_no_digest(
    engine: Engine, first: FakeChain, second: FakeChain
) -> None:
    nodes = FakeNodes([Hiding(first, SHARED), second])
    index(engine, nodes)
    with engine.begin() as connection:
        connection.execute(update(ranges).values(digest=None))
    assert len(rows_of(engine, payments_created)) == PAYMENTS - 1
    check(engine, nodes)
    assert len(rows_of(engine, payments_created)) == PAYMENTS
    (finding,) = rows_of(engine, provider_findings)
    assert (finding["provider"], finding["kind"]) == ("fake", "logs_missing")


@pytest.mark.parametrize("is_forged", [False, True])
def test_range_without_a_digest_is_not_read_for_ever_when_it_cannot_be_proven(
    engine: Engine, *, is_forged: bool
) -> None:
    true, false = (payment_created(TREASURY, ALONE, amount=one).data for one in (10**18, 5))
    first = Unproving()
    mine_treasury(first)
    first.mine([payment_created(TREASURY, ALONE)])
    mine_empty(first, 30)
    nodes = FakeNodes([first, first.view("second")])
    state = index(engine, nodes)
    with engine.begin() as connection:
        connection.execute(update(ranges).values(digest=None))
    first.forged = {2: {true: false} if is_forged else {}}
    assert check(engine, nodes) >= 1
    assert check(engine, nodes) == 0
    assert state_of(engine) == state
    kinds = {row["kind"] for row in rows_of(engine, provider_findings)}
    assert kinds == ({"undecided"} if is_forged else set())
    (left,) = [row for row in rows_of(engine, ranges) if row["low"] <= 2 <= row["high"]]
    assert left["state"] == ("fetched" if is_forged else "cross_checked")


class Hiding(FakeChain):
    """Another node of a chain, which leaves one payment out of every list of logs."""

    def __init__(self, chain: FakeChain, hidden: bytes) -> None:
        super().__init__(finality_lag=chain.finality_lag, name=chain.name)
        self.blocks = chain.blocks
        self.hidden = hidden

    @override
    def logs(
        self,
        low: BlockNumber,
        high: BlockNumber,
        topics: Sequence[Sequence[bytes] | None],
        addresses: Sequence[Address] | None = None,
    ) -> list[Log]:
        found = super().logs(low, high, topics, addresses)
        return [log for log in found if self.hidden not in log.topics]


def a_log(block: int, index: int, data: bytes = b"") -> Log:
    return Log(
        address=Address(bytes(20)),
        topics=(bytes(32),),
        data=data,
        block_number=BlockNumber(block),
        block_hash=BlockHash(bytes(32)),
        tx_hash=TxHash(bytes(32)),
        tx_index=0,
        log_index=index,
    )


def test_differing_blocks_name_each_block_two_answers_tell_differently() -> None:
    same, lost, changed, invented = a_log(1, 0), a_log(2, 0), a_log(3, 0), a_log(4, 0)
    theirs = [same, replace(changed, data=b"x"), invented]
    assert differing_blocks([same, lost, changed], theirs) == (2, 3, 4)
    assert differing_blocks([lost, same], [same, lost]) == ()
