"""Following a chain that forks and lags, into a real Postgres."""

import pytest
from sqlalchemy import Engine

import indexer.follow
from indexer.chain.types import PaymentId
from indexer.errors import ChainContradiction
from indexer.queries import campaign_by_identifier, payments_by_id, read_marks, treasury_of_campaign
from indexer.tables import blocks, marks, orphans, outbox, ranges, reorgs, token_transfers
from tests.support.fake_chain import FakeChain
from tests.support.indexing import (
    CAMPAIGN,
    CHAIN,
    IDENTIFIER,
    PAYMENT,
    TREASURY,
    catch_up,
    follower_of,
    marks_of,
    mine_empty,
    mine_treasury,
    present_of,
    rows_of,
)
from tests.support.protocol_logs import (
    CAMPAIGN_FACTORY,
    PLATFORM,
    TREASURY_FACTORY,
    payment_cancelled,
    payment_confirmed,
    payment_created,
    refund_claimed,
    settled,
    transfer,
)

OTHER_PAYMENT = PaymentId(b"q" * 32)


def test_step_writes_facts_and_cursor_when_a_payment_is_confirmed(
    engine: Engine, chain: FakeChain
) -> None:
    mine_treasury(chain)
    chain.mine([payment_created(TREASURY, PAYMENT, amount=7), transfer(TREASURY, 7)])
    confirming = chain.mine([], [payment_confirmed(TREASURY, PAYMENT)])

    catch_up(follower_of(engine, chain))

    with engine.connect() as connection:
        campaign = campaign_by_identifier(
            connection, chain_id=CHAIN, factory=CAMPAIGN_FACTORY, identifier_hash=IDENTIFIER
        )
        treasury = treasury_of_campaign(
            connection,
            chain_id=CHAIN,
            factory=TREASURY_FACTORY,
            campaign=CAMPAIGN,
            platform_hash=PLATFORM,
        )
        found = payments_by_id(
            connection, chain_id=CHAIN, treasury=TREASURY, payment_ids=[PAYMENT, OTHER_PAYMENT]
        )
        seen = read_marks(connection, CHAIN)
    assert campaign is not None
    assert campaign.campaign == CAMPAIGN
    assert treasury is not None
    assert treasury.treasury == TREASURY
    assert list(found) == [PAYMENT]
    payment = found[PAYMENT]
    assert (payment.state, payment.amount, payment.life) == ("confirmed", 7, 1)
    assert payment.confirmed_block_hash == confirming.hash
    assert payment.confirmed_at == confirming.timestamp
    assert payment.is_proven
    assert not payment.is_final
    assert seen is not None
    assert seen.indexed == chain.head.stamp
    assert [row["amount"] for row in rows_of(engine, token_transfers)] == [7]


def test_final_empty_blocks_are_forgotten_when_the_mark_passes(
    engine: Engine, chain: FakeChain
) -> None:
    mine_treasury(chain)
    mine_empty(chain, 30)
    catch_up(follower_of(engine, chain))
    kept = [row["number"] for row in rows_of(engine, blocks)]
    assert kept == [1, *range(chain.finalized_height, chain.height + 1)]
    ledger = [(row["low"], row["high"], row["state"]) for row in rows_of(engine, ranges)]
    assert ledger == [(1, chain.height, "proven")]


def test_payments_are_confirmed_when_created_and_confirmed_in_one_transaction(
    engine: Engine, chain: FakeChain
) -> None:
    mine_treasury(chain)
    block = chain.mine(settled(TREASURY, OTHER_PAYMENT, PAYMENT))
    catch_up(follower_of(engine, chain))
    with engine.connect() as connection:
        found = payments_by_id(
            connection, chain_id=CHAIN, treasury=TREASURY, payment_ids=[PAYMENT, OTHER_PAYMENT]
        )
    assert [found[one].confirmed_ordinal for one in (OTHER_PAYMENT, PAYMENT)] == [0, 1]
    for payment in found.values():
        assert (payment.state, payment.life, payment.expiration) == ("confirmed", 1, 0)
        assert payment.created_tx == payment.confirmed_tx
        assert (payment.confirmed_block_hash, payment.confirmed_log_index) == (block.hash, 2)

    chain.fork(1)
    mine_empty(chain, 2)
    catch_up(follower_of(engine, chain))
    assert present_of(engine) == []
    facts = [row["fact"] for row in rows_of(engine, orphans)]
    assert facts == [*["payments_confirmed"] * 2, *["payments_created"] * 2]


def test_next_life_replaces_the_last_when_a_refunded_id_is_created_again(
    engine: Engine, chain: FakeChain
) -> None:
    mine_treasury(chain)
    chain.mine(
        [payment_created(TREASURY, PAYMENT, amount=5)],
        [payment_confirmed(TREASURY, PAYMENT)],
        [refund_claimed(TREASURY, PAYMENT, amount=5)],
    )
    follower = follower_of(engine, chain)
    catch_up(follower)
    assert [row["state"] for row in present_of(engine)] == ["refunded"]
    chain.mine([payment_created(TREASURY, PAYMENT, amount=9), payment_confirmed(TREASURY, PAYMENT)])
    catch_up(follower)
    (row,) = present_of(engine)
    assert (row["life"], row["state"], row["amount"]) == (2, "confirmed", 9)


def test_reorg_replaces_facts_and_keeps_evidence_when_a_confirmation_vanishes(
    engine: Engine, chain: FakeChain
) -> None:
    mine_treasury(chain)
    chain.mine([payment_created(TREASURY, PAYMENT)])
    follower = follower_of(engine, chain)
    orphan = chain.mine([payment_confirmed(TREASURY, PAYMENT)])
    catch_up(follower)

    chain.fork(1)
    chain.mine([payment_cancelled(TREASURY, PAYMENT)])
    catch_up(follower)

    assert [row["state"] for row in present_of(engine)] == ["cancelled"]
    (reorg,) = rows_of(engine, reorgs)
    assert reorg["ancestor_number"] == orphan.number - 1
    assert reorg["orphaned_tip_hash"] == orphan.hash
    (evidence,) = rows_of(engine, orphans)
    assert (evidence["reorg_id"], evidence["fact"]) == (reorg["id"], "payments_confirmed")
    assert evidence["block_hash"] == orphan.hash
    assert evidence["values"]["payment_id"] == "\\x" + PAYMENT.hex()
    said = [(row["action"], row["low"], row["high"]) for row in rows_of(engine, outbox)]
    assert said == [("added", 1, 3), ("removed", 3, 3), ("added", 3, 3)]
    assert [row["revision"] for row in rows_of(engine, outbox)] == [1, 2, 2]


def test_reorg_shrinks_the_ledger_when_the_new_chain_is_shorter(
    engine: Engine, chain: FakeChain
) -> None:
    follower = follower_of(engine, chain)
    mine_empty(chain, 6)
    catch_up(follower)
    chain.fork(4)
    mine_empty(chain, 2)
    catch_up(follower)
    assert [(row["low"], row["high"]) for row in rows_of(engine, ranges)] == [(1, 4)]
    assert [row["number"] for row in rows_of(engine, blocks)] == [1, 2, 3, 4]


def test_lower_head_is_no_reorg_when_no_hash_is_contradicted(
    engine: Engine, chain: FakeChain
) -> None:
    follower = follower_of(engine, chain)
    mine_empty(chain, 6)
    catch_up(follower)
    chain.lag = 3
    catch_up(follower)
    assert rows_of(engine, reorgs) == []
    assert [row["indexed_number"] for row in rows_of(engine, marks)] == [6]


def test_orphaned_facts_are_undone_when_history_grew_past_our_tip_during_a_downtime(
    engine: Engine, chain: FakeChain
) -> None:
    """Filtered logs are not linked to what was read before: the tip's own hash must be asked."""
    mine_treasury(chain)
    chain.mine([payment_created(TREASURY, PAYMENT)])
    mine_empty(chain, 9)
    chain.mine([payment_confirmed(TREASURY, PAYMENT)])
    catch_up(follower_of(engine, chain))
    assert [row["state"] for row in present_of(engine)] == ["confirmed"]

    chain.fork(1)
    mine_empty(chain, 40)
    catch_up(follower_of(engine, chain, header_scan_blocks_max=20))

    assert [row["state"] for row in present_of(engine)] == ["created"]
    assert [row["fact"] for row in rows_of(engine, orphans)] == ["payments_confirmed"]


def test_head_is_noted_when_the_step_then_fails(engine: Engine, chain: FakeChain) -> None:
    mine_treasury(chain)
    follower = follower_of(engine, chain)
    catch_up(follower)
    chain.mine([payment_created(TREASURY, PAYMENT)])
    chain.drops_log_from_receipts = True
    mine_empty(chain, 200)
    with pytest.raises(ChainContradiction):
        follower.step()
    seen = marks_of(engine)
    assert (seen.head_number, seen.indexed and seen.indexed.number) == (202, 1)


def test_marks_stay_fresh_when_the_head_stands_still(
    engine: Engine, chain: FakeChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer.follow, "NOTE_INTERVAL_S", 0.0)
    follower = follower_of(engine, chain)
    catch_up(follower)
    before = marks_of(engine).updated_at
    follower.step()
    after = marks_of(engine).updated_at
    assert before is not None
    assert after is not None
    assert after > before
