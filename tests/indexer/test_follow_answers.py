"""What the follower asks nodes, and what it does with answers that lie or are refused."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from indexer.chain.types import PaymentId
from indexer.errors import ChainContradiction
from indexer.tables import blocks, provider_findings, ranges
from tests.support.fake_blocks import FakeLog
from tests.support.fake_chain import FakeChain
from tests.support.indexing import (
    PAYMENT,
    TREASURY,
    catch_up,
    claimed_of,
    follower_of,
    forget_all,
    mine_empty,
    mine_treasury,
    rows_of,
    state_of,
)
from tests.support.protocol_logs import address, payment_confirmed, payment_created, transfer

OTHER_PAYMENT = PaymentId(b"q" * 32)


def test_nothing_is_written_when_receipts_lack_a_log(engine: Engine, chain: FakeChain) -> None:
    mine_treasury(chain)
    follower = follower_of(engine, chain)
    chain.drops_log_from_receipts = True
    with pytest.raises(ChainContradiction, match="receipts of block 1 have root") as caught:
        follower.step()
    assert rows_of(engine, blocks) == []
    assert claimed_of(engine) == {}

    follower.recover(caught.value)
    chain.drops_log_from_receipts = False
    catch_up(follower)
    assert len(claimed_of(engine)) == 2
    assert chain.distrusted == 1
    (finding,) = rows_of(engine, provider_findings)
    assert (finding["provider"], finding["kind"]) == ("fake", "contradiction")


def test_reorg_undoes_nothing_when_the_replacement_is_a_lie(
    engine: Engine, chain: FakeChain
) -> None:
    mine_treasury(chain)
    follower = follower_of(engine, chain)
    chain.mine([payment_created(TREASURY, PAYMENT)])
    catch_up(follower)
    before = state_of(engine)
    chain.fork(1)
    chain.mine([payment_created(TREASURY, OTHER_PAYMENT)])
    chain.drops_log_from_receipts = True
    with pytest.raises(ChainContradiction):
        follower.step()
    assert state_of(engine) == before


def test_history_is_read_by_headers_when_a_filtered_answer_lacks_a_log(
    engine: Engine, chain: FakeChain
) -> None:
    mine_treasury(chain)
    chain.mine([payment_created(TREASURY, PAYMENT), payment_confirmed(TREASURY, PAYMENT)])
    mine_empty(chain, 20)
    chain.drops_listed_logs = True
    catch_up(follower_of(engine, chain, header_scan_blocks_max=0))
    assert len(claimed_of(engine)) == 4
    assert [row["state"] for row in rows_of(engine, ranges)] == ["proven"]


def test_history_is_read_in_smaller_ranges_when_the_node_refuses_wide_ones(
    engine: Engine, chain: FakeChain
) -> None:
    mine_treasury(chain)
    mine_empty(chain, 40)
    chain.widest_range = 7
    catch_up(follower_of(engine, chain, header_scan_blocks_max=0))
    by_logs = state_of(engine)
    states = [row["state"] for row in rows_of(engine, ranges)]
    assert (set(states), states[-1]) == ({"fetched", "proven"}, "proven")
    forget_all(engine)
    catch_up(follower_of(engine, chain))
    assert state_of(engine) == by_logs


def test_receipts_are_not_asked_for_when_the_bloom_rules_our_logs_out(
    engine: Engine, chain: FakeChain
) -> None:
    chain.mine([FakeLog(address("stranger"), (b"t" * 32,))])
    chain.mine([transfer(address("stranger"), 1)])
    chain.asked.clear()
    catch_up(follower_of(engine, chain))
    assert "receipts" not in chain.asked
    assert [row["proven"] for row in rows_of(engine, blocks)] == [True, True]


def test_blocks_are_unproven_when_a_receipt_has_an_unknown_type(
    engine: Engine, chain: FakeChain
) -> None:
    mine_treasury(chain)
    block = chain.blocks[1]
    unknown = tuple(replace(receipt, type=0x6A) for receipt in block.receipts)
    chain.blocks[1] = replace(block, receipts=unknown)
    catch_up(follower_of(engine, chain))
    assert [row["proven"] for row in rows_of(engine, blocks)] == [False]
    assert [row["state"] for row in rows_of(engine, ranges)] == ["fetched"]
