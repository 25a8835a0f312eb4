"""Refunds wherever a payment stands: where statuses, settlement and ledger end."""

from itertools import permutations

import pytest
from sqlalchemy import Engine, select

from offchain.payments.claims import DISPLACED_REASON, REST_REASON
from offchain.tables import attempt_events
from tests.support.claims import (
    Paid,
    ask_back,
    books,
    dispute_seen,
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
    request_states,
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


def test_gateways_own_refund_becomes_a_row_and_an_entry_once_however_often_it_is_seen(
    engine: Engine, fiat_only: Paid
) -> None:
    for _ in range(3):
        fiat_only.see(refunds=(refund_seen(),))
    assert refund_rows(engine, fiat_only.id) == [("gateway", "succeeded", 5000)]
    assert fiat_only.statuses() == ("captured", "none", "refunded")
    assert fiat_only.reason == "the gateway reports the payment as refunded"
    assert books(engine) == {}
    with engine.connect() as connection:
        events = connection.execute(
            select(attempt_events.c.lattice, attempt_events.c.to_status).order_by(
                attempt_events.c.id
            )
        ).all()
    assert [tuple(row) for row in events] == [
        ("fiat", "captured"),
        ("refund", "succeeded"),
        ("claim", "refunded"),
    ]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_refund_ends_the_same_in_whatever_order_its_states_are_seen(
    engine: Engine, fiat_only: Paid, order: tuple[int, ...]
) -> None:
    """Races 3 and 16: pending, succeeded and failed, mixed up; the money is here."""
    sightings = [refund_seen(state=state) for state in ("pending", "succeeded", "failed")]
    for place in order:
        fiat_only.see(refunds=(sightings[place],))
    assert refund_rows(engine, fiat_only.id) == [("gateway", "failed", 5000)]
    assert fiat_only.statuses() == ("captured", "none", "none")
    assert books(engine) == {RECEIVABLE: (5000, 0), OWED: (5000, 0)}
    assert (fiat_only.reason or "").startswith("a refund failed")


def test_refund_that_a_later_look_leaves_out_is_not_gone(engine: Engine, fiat_only: Paid) -> None:
    fiat_only.see(refunds=(refund_seen(),))
    fiat_only.see(refunds=())
    assert fiat_only.statuses()[2] == "refunded"
    assert refund_rows(engine, fiat_only.id) == [("gateway", "succeeded", 5000)]


def test_refund_that_succeeded_and_then_failed_is_reversed_by_a_new_entry(
    engine: Engine, fiat_only: Paid
) -> None:
    """Race 16."""
    fiat_only.see(refunds=(refund_seen(),))
    assert books(engine) == {}
    fiat_only.see(refunds=(refund_seen(state="failed"),))
    assert books(engine) == {RECEIVABLE: (5000, 0), OWED: (5000, 0)}
    assert fiat_only.statuses()[2] == "none"
    assert (fiat_only.reason or "").startswith("a refund failed after it had succeeded")


def test_settlement_that_sealed_a_payment_we_believe_queued_is_not_asked_to_undo_it_for_a_part(
    engine: Engine, queued: Paid
) -> None:
    """Race 10: our status follows settlement's, and may be a moment old."""
    set_request_state(queued.login, queued.id, "batched")
    ask_back(engine, queued.id, 2000)
    assert queued.statuses() == ("captured", "queued", "refund_pending")
    assert queued.asked_to_undo() == 0
    assert books(engine)[CREATOR] == (0, 2000)


def test_part_given_back_while_queued_holds_the_payment(engine: Engine, queued: Paid) -> None:
    """Race 9."""
    queued.see(refunds=(refund_seen(minor=2000),))
    assert queued.statuses() == ("captured", "held", "partially_refunded")
    assert queued.asked_to_undo() == 1
    assert books(engine) == {RECEIVABLE: (3000, 0), OWED: (3000, 0)}


@pytest.mark.parametrize("stage", ["submitted", "final"])
def test_part_given_back_after_sealing_is_owed_by_the_creator(
    engine: Engine, queued: Paid, stage: str
) -> None:
    """Race 10: the chain keeps the whole, the books say who has what."""
    queued.batched()
    if stage == "final":
        queued.final()
    queued.see(refunds=(refund_seen(minor=2000),))
    assert queued.statuses() == ("captured", stage, "partially_refunded")
    queued.final()
    assert queued.asked_to_undo() == 0
    assert books(engine) == {RECEIVABLE: (3000, 0), OWED: (5000, 0), CREATOR: (2000, 0)}


@pytest.mark.parametrize("stage", ["submitted", "final"])
def test_whole_given_back_after_sealing_is_undone_on_chain_once_it_has_succeeded(
    engine: Engine, queued: Paid, stage: str
) -> None:
    queued.batched()
    if stage == "final":
        queued.final()
    queued.see(refunds=(refund_seen(state="pending"),))
    assert (queued.statuses()[2], queued.asked_to_undo()) == ("refund_pending", 0)
    queued.see(refunds=(refund_seen(),))
    assert queued.statuses() == ("captured", stage, "refunded")
    assert queued.asked_to_undo() == 1
    assert books(engine) == {}
    queued.final()
    assert books(engine) == {}, "its capture counts already"


def test_refund_that_failed_before_hand_over_lets_the_payment_go(
    engine: Engine, login_engine: Engine
) -> None:
    campaign_id = add_campaign(engine, onchain=True)
    one = Paid(engine, login_engine, add_attempt(engine, add_pledge(engine, campaign_id)))
    one.see(refunds=(refund_seen(state="pending"),))
    make_live(login_engine, campaign_id)
    one.see(refunds=(refund_seen(state="failed"),))
    assert one.statuses() == ("captured", "queued", "none")
    assert request_states(engine) == {one.id: "ready"}


def test_claim_seen_before_the_money_counts_when_the_money_comes(
    engine: Engine, login_engine: Engine
) -> None:
    """Race 3: what the gateway says of the refund arrives before what it says of the payment."""
    pledge_id = add_pledge(engine, add_campaign(engine))
    one = Paid(engine, login_engine, add_attempt(engine, pledge_id))
    one.see(effect="unknown", refunds=(refund_seen(minor=2000),))
    assert one.statuses() == ("created", "none", "none")
    assert books(engine) == {}
    one.see()
    assert one.statuses() == ("captured", "none", "partially_refunded")
    assert books(engine) == {RECEIVABLE: (3000, 0), OWED: (3000, 0)}


def test_pledge_may_be_paid_anew_once_its_money_is_gone_and_goes_on_chain_under_a_new_name(
    engine: Engine, queued: Paid
) -> None:
    pledge_id = attempt(engine, queued.id).pledge_id
    queued.see(refunds=(refund_seen(),))
    set_request_state(queued.login, queued.id, "void", reason="its refund was asked for")
    again = Paid(engine, queued.login, add_attempt(engine, pledge_id))
    again.see()
    assert again.statuses() == ("captured", "queued", "none")
    assert request_states(engine) == {queued.id: "void", again.id: "ready"}


def test_money_that_comes_back_after_its_pledge_was_paid_anew_is_owed_back(
    engine: Engine, fiat_only: Paid
) -> None:
    """Race 17 with race 7: the first payment's dispute is lost, another pays, then it is won."""
    pledge_id = attempt(engine, fiat_only.id).pledge_id
    fiat_only.see(disputes=(dispute_seen("lost"),))
    again = Paid(engine, fiat_only.login, add_attempt(engine, pledge_id))
    again.see()
    assert again.statuses() == ("captured", "none", "none")
    fiat_only.see(disputes=(dispute_seen("won"),))
    assert attempt(engine, fiat_only.id).booked_to == "payable"
    assert fiat_only.reason == DISPLACED_REASON
    assert books(engine) == {RECEIVABLE: (10_000, 0), OWED: (5000, 0), PAYABLE: (5000, 0)}


def test_refund_of_another_payment_is_refused_and_changes_nothing(
    engine: Engine, fiat_only: Paid, login_engine: Engine
) -> None:
    other = paid(engine, login_engine, onchain=False)
    other.see(refunds=(refund_seen("shared"),))
    fiat_only.see(refunds=(refund_seen("shared"),))
    assert fiat_only.statuses()[2] == "none"
    assert refund_rows(engine, fiat_only.id) == []


def test_dispute_of_money_that_was_given_back_takes_nothing_from_the_pledges_new_payment(
    engine: Engine, fiat_only: Paid
) -> None:
    pledge_id = attempt(engine, fiat_only.id).pledge_id
    fiat_only.see(refunds=(refund_seen(),))
    again = Paid(engine, fiat_only.login, add_attempt(engine, pledge_id))
    again.see()
    fiat_only.see(refunds=(refund_seen(),), disputes=(dispute_seen(),))
    assert fiat_only.statuses()[2] == "refunded"
    assert fiat_only.reason is not None
    assert again.statuses() == ("captured", "none", "none")
    assert books(engine)[OWED] == (5000, 0)
    assert PAYABLE not in books(engine)


def test_part_that_bounces_after_its_pledge_was_paid_anew_is_owed_back_and_no_more(
    engine: Engine, fiat_only: Paid
) -> None:
    pledge_id = attempt(engine, fiat_only.id).pledge_id
    parts = refund_seen("a", minor=2000), refund_seen("b", minor=3000)
    fiat_only.see(refunds=parts)
    again = Paid(engine, fiat_only.login, add_attempt(engine, pledge_id))
    again.see()
    fiat_only.see(refunds=(refund_seen("a", "failed", 2000), parts[1]))
    assert attempt(engine, fiat_only.id).booked_to == "payable"
    assert books(engine) == {RECEIVABLE: (7000, 0), OWED: (5000, 0), PAYABLE: (2000, 0)}


@pytest.mark.parametrize("is_known_to_be_sealed", [True, False])
def test_payment_that_falls_back_into_the_queue_is_called_back_while_it_is_disputed(
    queued: Paid, *, is_known_to_be_sealed: bool
) -> None:
    """Race 9: its batch fails, or a reorg takes it, after the dispute was opened."""
    set_request_state(queued.login, queued.id, "batched")
    if is_known_to_be_sealed:
        queued.look()
    queued.see(disputes=(dispute_seen(),))
    assert queued.asked_to_undo() == 0
    set_request_state(queued.login, queued.id, "ready")
    assert queued.look().look().statuses() == ("captured", "held", "disputed")
    assert queued.asked_to_undo() == 1


def test_rest_of_a_payment_of_which_a_part_went_back_before_settlement_wants_a_person(
    queued: Paid,
) -> None:
    queued.see(refunds=(refund_seen(minor=2000),))
    assert queued.statuses() == ("captured", "held", "partially_refunded")
    assert queued.reason == REST_REASON


def test_what_a_lost_dispute_left_of_held_money_can_be_given_back(
    engine: Engine, fiat_only: Paid
) -> None:
    late = add_attempt(engine, attempt(engine, fiat_only.id).pledge_id, fiat_status="expired")
    held = Paid(engine, fiat_only.login, late)
    held.see(disputes=(dispute_seen("lost", 2000),))
    assert held.statuses() == ("late_paid", "none", "partially_refunded")
    ask_back(engine, held.id)
    assert ("operator", "requested", 3000) in refund_rows(engine, held.id)
