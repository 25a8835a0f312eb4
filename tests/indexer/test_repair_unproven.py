"""What a reading may not change that could not be proven."""

import pytest
from sqlalchemy import Engine, delete, update

from indexer.chain.types import BlockNumber
from indexer.errors import ChainContradiction
from indexer.events import FILTER_ID
from indexer.ledger import forget, holes
from indexer.prover import prove_once
from indexer.tables import blocks, payments_created, provider_findings, ranges, unclaimed_logs
from tests.support.indexing import (
    CAMPAIGN,
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
from tests.support.protocol_logs import address, deployment, payment_created, treasury_deployed
from tests.support.repairing import (
    OTHER,
    Unproving,
    counts,
    genesis_of,
    mine_payments,
    repair,
)

FORGED = {
    payment_created(TREASURY, PAYMENT).data: payment_created(TREASURY, PAYMENT, amount=5).data
}


@pytest.fixture
def liar() -> Unproving:
    chain = Unproving()
    mine_payments(chain)
    return chain


@pytest.fixture
def indexed(engine: Engine, liar: Unproving) -> list[str]:
    """The state of a database that has it all, proven, from a node that lies from then on."""
    catch_up(follower_of(engine, liar))
    liar.forged = {2: FORGED}
    return state_of(engine)


def proven_blocks(engine: Engine) -> set[int]:
    return {row["number"] for row in rows_of(engine, blocks) if row["proven"]}


def test_proven_rows_stay_and_nobody_is_charged_when_a_reading_cannot_be_proven(
    engine: Engine, liar: Unproving, indexed: list[str]
) -> None:
    ledger, proven = rows_of(engine, ranges), proven_blocks(engine)
    outcome = repair(engine, liar, 1, 10, genesis=genesis_of(liar))
    assert (counts(outcome), outcome.charged, outcome.disputed) == ({}, (), (2,))
    assert not outcome.proven
    assert state_of(engine) == indexed
    assert (rows_of(engine, ranges), proven_blocks(engine)) == (ledger, proven)
    assert rows_of(engine, provider_findings) == []


def test_other_blocks_are_mended_when_one_of_the_slice_cannot_be_proven(
    engine: Engine, liar: Unproving, indexed: list[str]
) -> None:
    with engine.begin() as connection:
        connection.execute(delete(payments_created).where(payments_created.c.block_number == 4))
        connection.execute(update(payments_created).values(amount=7))
        connection.execute(update(ranges).values(state="fetched"))
    liar.forged = {4: FORGED}
    outcome = repair(engine, liar, 1, 10, genesis=genesis_of(liar))
    assert outcome.charged == ("fake",)
    assert state_of(engine) != indexed, "its word was taken back"
    assert [int(row["amount"]) for row in rows_of(engine, payments_created)] == [10**18] * 2


def test_true_rows_stay_and_the_honest_is_not_charged_when_a_prover_asks_a_liar(
    engine: Engine,
) -> None:
    honest = Unproving(name="honest")
    mine_treasury(honest)
    honest.mine(
        [payment_created(TREASURY, PAYMENT)],
    )
    mine_empty(honest, 30)
    catch_up(follower_of(engine, honest, header_scan_blocks_max=5, depth="checked"))
    state = state_of(engine)
    liar = honest.view("liar")
    liar.forged = {2: FORGED}
    record = deployment(genesis_of(honest))
    while prove_once(engine, liar, NETWORK, record, history="proven"):
        pass
    assert state_of(engine) == state
    assert {row["kind"] for row in rows_of(engine, provider_findings)} == {"unprovable"}
    (left,) = [row for row in rows_of(engine, ranges) if row["state"] == "fetched"]
    assert (left["low"], left["high"], left["provider"]) == (2, 2, "honest")
    assert not prove_once(engine, liar, NETWORK, record, history="proven")
    while prove_once(engine, honest, NETWORK, record, history="proven"):
        pass
    assert {row["state"] for row in rows_of(engine, ranges)} == {"proven"}
    assert state_of(engine) == state


def test_proven_rows_stay_when_the_ledger_counts_them_no_longer(
    engine: Engine, liar: Unproving, indexed: list[str]
) -> None:
    with engine.begin() as connection:
        forget(connection, CHAIN, BlockNumber(1), BlockNumber(10))
    forgotten = state_of(engine)
    with pytest.raises(ChainContradiction, match="block 2, which was proven"):
        repair(engine, liar, 1, 10, genesis=genesis_of(liar))
    assert state_of(engine) == forgotten
    liar.forged = {}
    repair(engine, liar, 1, 10, genesis=genesis_of(liar))
    assert state_of(engine) == indexed


def test_hole_is_filled_and_not_proven_when_a_reading_cannot_be_proven(
    engine: Engine, liar: Unproving, indexed: list[str]
) -> None:
    liar.forged = {2: {}}
    with engine.begin() as connection:
        connection.execute(delete(payments_created))
        connection.execute(delete(blocks).where(blocks.c.number == 2))
        forget(connection, CHAIN, BlockNumber(1), BlockNumber(10))
    outcome = repair(engine, liar, 1, 10, genesis=genesis_of(liar))
    assert counts(outcome) == {"payments_created": (0, 2, 0, 2)}
    assert outcome.charged == ()
    assert state_of(engine) == indexed
    assert 2 not in proven_blocks(engine)
    states = [(row["low"], row["high"], row["state"]) for row in rows_of(engine, ranges)]
    assert states[:2] == [(1, 1, "proven"), (2, 2, "fetched")]


def test_blocks_after_are_read_by_what_is_stored_when_a_liar_invents_a_treasury(
    engine: Engine,
) -> None:
    liar = Unproving()
    stranger = address("stranger")
    mine_treasury(liar)
    liar.mine([treasury_deployed(address("second"), CAMPAIGN)])
    liar.mine([payment_created(stranger, OTHER)])
    mine_empty(liar, 20)
    catch_up(follower_of(engine, liar))
    state = state_of(engine)
    true, false = (treasury_deployed(one, CAMPAIGN).data for one in (address("second"), stranger))
    liar.forged = {2: {true: false}}
    outcome = repair(engine, liar, 1, 10, genesis=genesis_of(liar))
    assert (counts(outcome), outcome.disputed) == ({}, (2,))
    assert state_of(engine) == state
    assert [row["claimed_block"] for row in rows_of(engine, unclaimed_logs)] == [None]
    with engine.connect() as connection:
        assert holes(connection, CHAIN, FILTER_ID, BlockNumber(1), BlockNumber(10)) == []
    assert marks_of(engine).degraded_reason is None
