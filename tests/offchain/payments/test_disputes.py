"""Disputes wherever a payment stands: where statuses, settlement and ledger end."""

import pytest
from sqlalchemy import Engine

from offchain.gateways.types import DisputeState
from offchain.payments.claims import HELD_REASON
from offchain.payments.observing import DUPLICATE_REASON
from tests.support.claims import (
    Paid,
    books,
    dispute_seen,
    dispute_states,
    paid,
    refund_rows,
    refund_seen,
)
from tests.support.offchain import (
    add_attempt,
    add_campaign,
    add_pledge,
    attempt,
    make_live,
    set_request_state,
)

OWED, RECEIVABLE = "owed_to_campaign", "gateway_receivable"
LOSSES, CREATOR = "chargeback_losses", "due_from_creator"
SUSPENSE, PAYABLE = "suspense", "refunds_payable"


@pytest.fixture
def queued(engine: Engine, login_engine: Engine) -> Paid:
    return paid(engine, login_engine)


@pytest.fixture
def fiat_only(engine: Engine, login_engine: Engine) -> Paid:
    return paid(engine, login_engine, onchain=False)


def test_payment_that_is_queued_is_held_and_never_confirmed_when_it_is_disputed(
    engine: Engine, queued: Paid
) -> None:
    """Race 9."""
    queued.see(disputes=(dispute_seen(),))
    assert queued.statuses() == ("captured", "held", "disputed")
    assert queued.asked_to_undo() == 1
    assert books(engine) == {RECEIVABLE: (5000, -5000), OWED: (5000, 0), LOSSES: (0, 5000)}
    queued.look()
    assert queued.statuses()[1] == "held", "settlement has not heard of it yet"
    set_request_state(queued.login, queued.id, "void", reason="its refund was asked for")
    queued.look()
    assert queued.statuses() == ("captured", "failed", "disputed")
    assert queued.reason == "the gateway reports the payment as disputed"


@pytest.mark.parametrize(
    ("outcome", "claim", "left"),
    [
        ("won", "none", {RECEIVABLE: (5000, 0), OWED: (5000, 0)}),
        ("lost", "dispute_lost", {}),
    ],
)
def test_dispute_before_settlement_ends_with_the_campaign_owed_what_is_here(
    engine: Engine,
    queued: Paid,
    outcome: DisputeState,
    claim: str,
    left: dict[str, tuple[int, int]],
) -> None:
    queued.see(disputes=(dispute_seen(),))
    queued.see(disputes=(dispute_seen(outcome),))
    assert queued.statuses() == ("captured", "held", claim)
    assert books(engine) == left
    assert queued.asked_to_undo() == 1
    if outcome == "won":
        assert queued.reason is None, "it is handed over anew"


def test_dispute_that_was_lost_before_settlement_and_won_later_brings_the_money_back(
    engine: Engine, queued: Paid
) -> None:
    """Race 17."""
    for state in ("open", "lost", "won", "lost"):
        queued.see(disputes=(dispute_seen(state),))
    assert dispute_states(engine, queued.id) == ["won"]
    assert queued.statuses()[2] == "none"
    assert books(engine) == {RECEIVABLE: (5000, 0), OWED: (5000, 0)}
    assert queued.reason == "a dispute that was lost is won after all"


@pytest.mark.parametrize("stage", ["submitted", "final"])
def test_dispute_after_sealing_leaves_the_chain_alone_and_costs_the_platform(
    engine: Engine, queued: Paid, stage: str
) -> None:
    """Race 10."""
    queued.batched()
    if stage == "final":
        queued.final()
    queued.see(disputes=(dispute_seen(),))
    assert queued.statuses() == ("captured", stage, "disputed")
    queued.see(disputes=(dispute_seen("lost"),))
    queued.final()
    assert queued.statuses() == ("captured", "final", "dispute_lost")
    assert queued.asked_to_undo() == 0
    assert books(engine) == {OWED: (5000, 0), LOSSES: (5000, 0)}
    queued.see(disputes=(dispute_seen("won"),))
    assert books(engine) == {RECEIVABLE: (5000, 0), OWED: (5000, 0)}


def test_payment_that_was_never_handed_over_waits_for_the_end_of_a_dispute_and_goes_then(
    engine: Engine, login_engine: Engine
) -> None:
    campaign_id = add_campaign(engine, onchain=True)
    one = Paid(engine, login_engine, add_attempt(engine, add_pledge(engine, campaign_id)))
    one.see(disputes=(dispute_seen(),))
    make_live(login_engine, campaign_id)
    one.see(disputes=(dispute_seen(),))
    assert one.statuses() == ("captured", "none", "disputed")
    assert books(engine) == {RECEIVABLE: (5000, -5000), OWED: (5000, 0), LOSSES: (0, 5000)}
    one.see(disputes=(dispute_seen("won"),))
    assert one.statuses() == ("captured", "queued", "none")
    assert one.reason is None
    one.batched().final()
    assert one.statuses() == ("captured", "final", "none")
    assert books(engine) == {RECEIVABLE: (5000, 0), OWED: (5000, 0)}, "posted before, and once"


def test_card_that_was_refunded_and_is_disputed_all_the_same_costs_the_platform(
    engine: Engine, fiat_only: Paid
) -> None:
    fiat_only.see(refunds=(refund_seen(),))
    fiat_only.see(refunds=(refund_seen(),), disputes=(dispute_seen("lost"),))
    assert fiat_only.statuses()[2] == "dispute_lost"
    assert books(engine) == {RECEIVABLE: (-5000, 0), LOSSES: (5000, 0)}


def test_disputed_payment_keeps_its_pledge_and_a_second_one_goes_back(
    engine: Engine, fiat_only: Paid
) -> None:
    """Race 7 while a dispute is open."""
    pledge_id = attempt(engine, fiat_only.id).pledge_id
    fiat_only.see(disputes=(dispute_seen(),))
    second = Paid(engine, fiat_only.login, add_attempt(engine, pledge_id))
    second.see()
    assert second.statuses() == ("captured", "none", "refund_pending")
    assert second.reason == DUPLICATE_REASON
    assert refund_rows(engine, second.id) == [("duplicate", "requested", 5000)]


def test_held_money_that_is_disputed_and_lost_is_gone_without_a_loss_to_book(
    engine: Engine, login_engine: Engine
) -> None:
    pledge_id = add_pledge(engine, add_campaign(engine))
    one = Paid(engine, login_engine, add_attempt(engine, pledge_id, fiat_status="expired"))
    one.see(disputes=(dispute_seen(),))
    assert one.statuses() == ("late_paid", "none", "disputed")
    assert books(engine) == {RECEIVABLE: (5000, -5000), SUSPENSE: (5000, -5000)}
    one.see(disputes=(dispute_seen("lost"),))
    assert one.statuses() == ("returned", "none", "dispute_lost")
    assert (one.reason, books(engine)) == (None, {})


def test_held_money_whose_dispute_is_won_still_waits_for_a_person(
    engine: Engine, login_engine: Engine
) -> None:
    pledge_id = add_pledge(engine, add_campaign(engine))
    one = Paid(engine, login_engine, add_attempt(engine, pledge_id, fiat_status="expired"))
    one.see(disputes=(dispute_seen(),))
    one.see(disputes=(dispute_seen("won"),))
    assert (one.statuses(), one.reason) == (("late_paid", "none", "none"), HELD_REASON)
