"""Following a chain that forks, lags and lies, into a real Postgres."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine

import indexer.follow
from indexer.chain.types import PaymentId
from indexer.errors import ChainContradiction
from indexer.events import PROTOCOL_EVENTS
from indexer.queries import (
    campaign_by_identifier,
    payments_by_id,
    read_marks,
    treasury_of_campaign,
)
from indexer.tables import blocks, logs, marks, payments, ranges, reorgs, token_transfers
from tests.support.fake_chain import FakeChain, FakeLog
from tests.support.indexing import (
    CAMPAIGN,
    CHAIN,
    IDENTIFIER,
    PAYMENT,
    TREASURY,
    catch_up,
    follower_of,
    forget_all,
    marks_of,
    mine_empty,
    mine_treasury,
    rows_of,
    state_of,
)
from tests.support.protocol_logs import (
    PLATFORM,
    REFUND_ESCROW,
    TOKEN,
    address,
    log_of,
    payment_cancelled,
    payment_confirmed,
    payment_created,
    refund_claimed,
    settled,
    transfer,
    treasury_deployed,
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
        campaign = campaign_by_identifier(connection, chain_id=CHAIN, identifier_hash=IDENTIFIER)
        treasury = treasury_of_campaign(
            connection, chain_id=CHAIN, campaign=CAMPAIGN, platform_hash=PLATFORM
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
    assert rows_of(engine, payments) == []
    (reorg,) = rows_of(engine, reorgs)
    facts = sorted(fact["fact"] for fact in reorg["orphaned_facts"])
    assert facts == ["confirmed", "confirmed", "created", "created"]


def test_refund_escrow_is_believed_and_its_lookalike_is_not(
    engine: Engine, chain: FakeChain
) -> None:
    event = next(one for one in PROTOCOL_EVENTS if one.name == "RefundDeposited")
    owed = {"treasury": TREASURY, "paymentId": PAYMENT, "token": TOKEN, "amount": 5}
    chain.mine([log_of(event, REFUND_ESCROW, **owed), log_of(event, address("lookalike"), **owed)])
    catch_up(follower_of(engine, chain))
    assert [(row["event"], row["claimed"]) for row in rows_of(engine, logs)] == [
        ("RefundDeposited", True),
        ("RefundDeposited", False),
    ]


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
    assert [row["state"] for row in rows_of(engine, payments)] == ["refunded"]
    chain.mine([payment_created(TREASURY, PAYMENT, amount=9), payment_confirmed(TREASURY, PAYMENT)])
    catch_up(follower)
    (row,) = rows_of(engine, payments)
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

    assert [row["state"] for row in rows_of(engine, payments)] == ["cancelled"]
    (reorg,) = rows_of(engine, reorgs)
    assert reorg["ancestor_number"] == orphan.number - 1
    assert reorg["orphaned_tip_hash"] == orphan.hash
    assert [fact["fact"] for fact in reorg["orphaned_facts"]] == ["confirmed"]
    assert reorg["orphaned_facts"][0]["payment_id"] == "0x" + PAYMENT.hex()


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
    assert [row["state"] for row in rows_of(engine, payments)] == ["confirmed"]

    chain.fork(1)
    mine_empty(chain, 40)
    catch_up(follower_of(engine, chain, header_scan_blocks_max=20))

    assert [row["state"] for row in rows_of(engine, payments)] == ["created"]
    (reorg,) = rows_of(engine, reorgs)
    assert [fact["fact"] for fact in reorg["orphaned_facts"]] == ["confirmed"]


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


def test_log_is_kept_as_undecodable_when_its_string_holds_nul(
    engine: Engine, chain: FakeChain
) -> None:
    """Anybody may emit it, and Postgres stores no NUL in text or JSON."""
    event = next(one for one in PROTOCOL_EVENTS if one.name == "PlatformLineItemTypeSet")
    flags = ("countsTowardGoal", "applyProtocolFee", "canRefund", "instantTransfer")
    chain.mine(
        [
            log_of(
                event,
                address("stranger"),
                platformHash=bytes(32),
                typeId=bytes(32),
                label="a\0b",
                **dict.fromkeys(flags, True),
            )
        ]
    )
    catch_up(follower_of(engine, chain))
    (row,) = rows_of(engine, logs)
    assert not row["claimed"]
    assert "NUL" in row["arguments"]["undecodable"]


def test_nothing_is_written_when_receipts_lack_a_log(engine: Engine, chain: FakeChain) -> None:
    mine_treasury(chain)
    follower = follower_of(engine, chain)
    chain.drops_log_from_receipts = True
    with pytest.raises(ChainContradiction, match="receipts of block 1 have root") as caught:
        follower.step()
    assert rows_of(engine, blocks) == []
    assert rows_of(engine, logs) == []

    follower.recover(caught.value)
    chain.drops_log_from_receipts = False
    catch_up(follower)
    assert len(rows_of(engine, logs)) == 2
    assert chain.distrusted == 1


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
    assert len(rows_of(engine, logs)) == 4
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
    assert states == ["fetched", "proven"]
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


def test_logs_are_claimed_later_when_their_treasury_becomes_known(
    engine: Engine, chain: FakeChain
) -> None:
    follower = follower_of(engine, chain)
    chain.mine([payment_created(TREASURY, PAYMENT)])
    catch_up(follower)
    assert [row["claimed"] for row in rows_of(engine, logs)] == [False]
    assert rows_of(engine, payments) == []
    mine_treasury(chain)
    catch_up(follower)
    assert all(row["claimed"] for row in rows_of(engine, logs))
    assert [row["state"] for row in rows_of(engine, payments)] == ["created"]


def test_claims_are_taken_back_when_the_deployment_is_orphaned(
    engine: Engine, chain: FakeChain
) -> None:
    follower = follower_of(engine, chain)
    chain.mine([payment_created(TREASURY, PAYMENT)])
    mine_treasury(chain)
    catch_up(follower)
    chain.fork(1)
    chain.mine()
    catch_up(follower)
    assert [row["claimed"] for row in rows_of(engine, logs)] == [False]
    assert rows_of(engine, payments) == []


def test_lookalikes_stay_unclaimed_when_an_unknown_factory_deploys(
    engine: Engine, chain: FakeChain
) -> None:
    stranger = address("stranger")
    chain.mine([treasury_deployed(TREASURY, CAMPAIGN, emitter=stranger)])
    chain.mine([payment_created(TREASURY, PAYMENT)])
    chain.mine([FakeLog(TREASURY, payment_confirmed(TREASURY, PAYMENT).topics[:1])])
    catch_up(follower_of(engine, chain))
    stored = rows_of(engine, logs)
    assert [row["claimed"] for row in sorted(stored, key=lambda r: r["block_number"])] == [
        False,
        False,
        False,
    ]
    assert rows_of(engine, payments) == []
