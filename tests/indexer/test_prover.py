from dataclasses import replace

import pytest
from sqlalchemy import Engine, delete, update

from indexer.backfill.ranges import Depth
from indexer.chain.types import BlockNumber
from indexer.errors import ChainContradiction
from indexer.events import FILTER_ID
from indexer.ledger import complete_up_to
from indexer.prover import prove_once
from indexer.tables import blocks, payments_confirmed, payments_created, provider_findings, ranges
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
    rows_of,
    state_of,
)
from tests.support.protocol_logs import deployment, payment_confirmed, payment_created

OTHER = b"q" * 32
UNKNOWN_TYPE = 0x5A


@pytest.fixture
def listed(engine: Engine, chain: FakeChain) -> list[str]:
    """A database whose history is a node's word: nothing in it is proven."""
    mine_treasury(chain)
    chain.mine([payment_created(TREASURY, PAYMENT)], [payment_created(TREASURY, OTHER)])
    mine_empty(chain, 5)
    chain.mine([payment_confirmed(TREASURY, PAYMENT)], [payment_confirmed(TREASURY, OTHER)])
    mine_empty(chain, 140)
    catch_up(follower_of(engine, chain))
    with engine.begin() as connection:
        connection.execute(update(blocks).values(proven=False))
        connection.execute(update(ranges).values(state="fetched", headers_linked=False))
    return state_of(engine)


def prove(engine: Engine, chain: FakeChain, history: Depth = "checked") -> int:
    """Prove until there is nothing left; how many calls found something."""
    record = deployment(chain.blocks[0].header.hash)
    for calls in range(100):
        if not prove_once(engine, chain, NETWORK, record, history=history):
            return calls
    raise AssertionError("never done")


def proven_blocks(engine: Engine) -> list[int]:
    return [row["number"] for row in rows_of(engine, blocks) if row["proven"]]


def make_unprovable(chain: FakeChain, number: int) -> None:
    """Give a block's first receipt a type that nobody knows, as a node after a fork might."""
    block = chain.blocks[number]
    first, *others = block.receipts
    chain.blocks[number] = FakeBlock(block.header, (replace(first, type=UNKNOWN_TYPE), *others))


def test_blocks_that_hold_logs_are_proven_when_no_more_is_asked_for(
    engine: Engine, chain: FakeChain, listed: list[str]
) -> None:
    assert prove(engine, chain) == 2
    assert proven_blocks(engine) == [1, 2, 8]
    assert [row["state"] for row in rows_of(engine, ranges)] == ["fetched"]
    assert state_of(engine) == listed


def test_all_is_proven_when_history_is_asked_for(
    engine: Engine, chain: FakeChain, listed: list[str]
) -> None:
    final = marks_of(engine).finalized
    assert final is not None
    assert prove(engine, chain, "proven") == 4
    assert [number for number in proven_blocks(engine) if number < 9] == [1, 2, 8]
    with engine.connect() as connection:
        proven = complete_up_to(connection, CHAIN, FILTER_ID, BlockNumber(1), "proven")
    assert proven == final.number
    assert state_of(engine) == listed


def test_rows_a_node_hid_are_found_when_their_block_is_proven(
    engine: Engine, chain: FakeChain, listed: list[str]
) -> None:
    """One confirmation of two was left out of a list: the block itself tells."""
    with engine.begin() as connection:
        connection.execute(
            delete(payments_confirmed).where(payments_confirmed.c.payment_id == OTHER)
        )
    assert len(rows_of(engine, payments_confirmed)) == 1
    prove(engine, chain)
    assert len(rows_of(engine, payments_confirmed)) == 2
    (finding,) = rows_of(engine, provider_findings)
    assert (finding["provider"], finding["kind"], finding["low"]) == ("fake", "logs_missing", 8)
    assert rows_of(engine, ranges) == [], "all else it served is to be read again"
    without_ledger = [row for row in state_of(engine) if not row.startswith("read ")]
    assert without_ledger == [row for row in listed if not row.startswith("read ")]


def test_whole_block_a_node_hid_is_found_when_history_is_proven(
    engine: Engine, chain: FakeChain, listed: list[str]
) -> None:
    with engine.begin() as connection:
        connection.execute(delete(payments_created))
        connection.execute(delete(blocks).where(blocks.c.number == 2))
    prove(engine, chain, "proven")
    assert len(rows_of(engine, payments_created)) == 2
    (finding,) = rows_of(engine, provider_findings)
    assert finding["kind"] == "logs_missing"
    with engine.connect() as connection:
        assert complete_up_to(connection, CHAIN, FILTER_ID, BlockNumber(1)) is not None
    assert [row for row in state_of(engine) if row.startswith("payments_created")] == [
        row for row in listed if row.startswith("payments_created")
    ]


@pytest.mark.parametrize("history", ["checked", "proven"])
def test_block_is_left_alone_and_not_wrong_when_a_receipt_type_is_unknown(
    engine: Engine, chain: FakeChain, listed: list[str], history: Depth
) -> None:
    make_unprovable(chain, 8)
    prove(engine, chain, history)
    assert prove(engine, chain, history) == 0
    assert 8 not in proven_blocks(engine)
    assert {row["kind"] for row in rows_of(engine, provider_findings)} == {"unprovable"}
    assert state_of(engine) == listed


def test_nothing_is_proven_when_the_receipts_are_false(
    engine: Engine, chain: FakeChain, listed: list[str]
) -> None:
    chain.drops_log_from_receipts = True
    with pytest.raises(ChainContradiction):
        prove(engine, chain)
    assert proven_blocks(engine) == []
    assert state_of(engine) == listed


def test_nothing_is_proven_when_no_block_is_final(engine: Engine, chain: FakeChain) -> None:
    assert prove(engine, chain, "proven") == 0
