"""Payments that were called back for a claim that came to nothing: they go to the chain after all.

Settlement's undoing is for ever, so they go under another name, as their pledge's next generation.
"""

from datetime import timedelta
from uuid import uuid5

import pytest
from sqlalchemy import Engine, select, update

from offchain.jobs.runtime import Budget, Runtime
from offchain.jobs.sweeps.feedback import chain_feedback
from offchain.jobs.sweeps.handing_over import handover_sweep
from offchain.payments import deciding
from offchain.payments.attempts import Attempt
from offchain.payments.feedback import attempts_on_the_way, feed_back
from offchain.payments.handover import UNDONE_REASON
from offchain.payments.tokens_home import follow_refunds
from settlement.action_intake import request_refund
from settlement.tables import campaigns, requests
from tests.support.claims import (
    MemoryGateway,
    Paid,
    books,
    dispute_seen,
    paid,
    refund_seen,
)
from tests.support.offchain import (
    attempt,
    confirm_onchain,
    request_states,
    set_finalized,
    set_request_state,
)

OWED, RECEIVABLE = "owed_to_campaign", "gateway_receivable"


@pytest.fixture
def queued(engine: Engine, login_engine: Engine) -> Paid:
    return paid(engine, login_engine)


def given_up(one: Paid) -> None:
    """Settlement has heard of the claim before it sealed the payment."""
    set_request_state(one.login, one.id, "void", reason="its refund was asked for")


def sweep(one: Paid) -> Attempt:
    """What the jobs do in one round."""
    services = MemoryGateway().serving(one.engine)
    runtime = Runtime(services, poll_gap=timedelta(minutes=1), seconds_max=10)
    chain_feedback(runtime, Budget(10))
    handover_sweep(runtime, Budget(10))
    return attempt(one.engine, one.id)


def generations(engine: Engine) -> list[tuple[int, str]]:
    query = select(requests.c.generation, requests.c.state).order_by(requests.c.generation)
    with engine.connect() as connection:
        return [(row.generation, row.state) for row in connection.execute(query)]


@pytest.mark.parametrize("is_known", [True, False], ids=["void is known", "void comes later"])
def test_payment_whose_dispute_was_won_is_confirmed_once_as_the_next_generation(
    engine: Engine, queued: Paid, *, is_known: bool
) -> None:
    queued.see(disputes=(dispute_seen(),))
    if is_known:
        given_up(queued)
        assert sweep(queued).chain_status == "failed"
    queued.see(disputes=(dispute_seen("won"),))
    if not is_known:
        assert sweep(queued).chain_status == "held", "settlement has not given it up yet"
        given_up(queued)
    again = sweep(queued)
    assert queued.statuses() == ("captured", "queued", "none")
    assert again.request_id != queued.id
    assert generations(engine) == [(0, "void"), (1, "ready")]
    assert again.review_reason is None

    set_request_state(queued.login, again.request_id, "settled")
    confirm_onchain(queued.login, again.request_id)
    set_finalized(queued.login, 10)
    assert sweep(queued).chain_status == "final"
    assert books(engine) == {RECEIVABLE: (5000, 0), OWED: (5000, 0)}


def test_payment_whose_refund_bounced_is_handed_over_again(engine: Engine, queued: Paid) -> None:
    queued.see(refunds=(refund_seen(),))
    given_up(queued)
    sweep(queued)
    queued.see(refunds=(refund_seen(state="failed"),))
    assert sweep(queued).chain_status == "queued"
    assert generations(engine) == [(0, "void"), (1, "ready")]
    assert (queued.reason or "").startswith("a refund failed after it had succeeded")


def test_payment_that_is_disputed_anew_after_it_went_again_is_called_back_again(
    engine: Engine, queued: Paid
) -> None:
    queued.see(disputes=(dispute_seen(),))
    given_up(queued)
    sweep(queued)
    queued.see(disputes=(dispute_seen("won"),))
    second = sweep(queued).request_id
    queued.see(disputes=(dispute_seen("won"), dispute_seen(name="d2")))
    assert queued.statuses() == ("captured", "held", "disputed")
    set_request_state(queued.login, second, "void", reason="its refund was asked for")
    sweep(queued)
    queued.see(disputes=(dispute_seen("won"), dispute_seen("won", name="d2")))
    third = sweep(queued).request_id
    assert len({queued.id, second, third}) == 3
    assert generations(engine) == [(0, "void"), (1, "void"), (2, "ready")]


def test_payment_that_went_again_is_not_handed_over_twice(engine: Engine, queued: Paid) -> None:
    queued.see(disputes=(dispute_seen(),))
    given_up(queued)
    queued.see(disputes=(dispute_seen("won"),))
    names = {sweep(queued).request_id for _ in range(4)}
    assert len(names) == 1
    assert len(request_states(engine)) == 2


def test_payment_that_is_still_wanted_back_is_not_handed_over_again(
    engine: Engine, queued: Paid
) -> None:
    queued.see(refunds=(refund_seen(minor=2000),))
    given_up(queued)
    sweep(queued)
    assert sweep(queued).chain_status == "failed"
    assert generations(engine) == [(0, "void")]


def test_refund_that_bounces_after_settlement_was_undone_asks_for_a_person(
    engine: Engine, queued: Paid
) -> None:
    queued.batched().final()
    queued.see(refunds=(refund_seen(),))
    assert queued.asked_to_undo() == 1
    queued.see(refunds=(refund_seen(state="failed"),))
    assert queued.statuses() == ("captured", "final", "none")
    assert (queued.reason or "").endswith(UNDONE_REASON)
    assert books(engine) == {RECEIVABLE: (5000, 0), OWED: (5000, 0)}


def test_tokens_that_came_home_for_a_claim_that_is_over_ask_for_a_person(queued: Paid) -> None:
    """It was sealed in the instant in which it was called back."""
    queued.see(disputes=(dispute_seen(),))
    queued.see(disputes=(dispute_seen("won"),))
    assert queued.statuses() == ("captured", "held", "none")
    set_request_state(queued.login, queued.id, "batched")
    with queued.engine.begin() as connection:
        feed_back(connection, attempts_on_the_way(connection, after=None, limit=10))
    queued.final()
    assert queued.reason is None
    set_request_state(queued.login, queued.id, "refunded")
    with queued.engine.begin() as connection:
        follow_refunds(connection)
    assert queued.reason == UNDONE_REASON


def test_payment_that_an_operator_had_undone_stays_undone(engine: Engine, queued: Paid) -> None:
    with queued.login.begin() as connection:
        request_refund(
            connection,
            action_id=uuid5(queued.id, "refund"),
            request_id=queued.id,
            recipient=None,
            requested_by="ana: fraud",
        )
    queued.see(disputes=(dispute_seen(),))
    given_up(queued)
    sweep(queued)
    queued.see(disputes=(dispute_seen("won"),))
    assert sweep(queued).chain_status == "failed"
    assert generations(engine) == [(0, "void")]
    assert queued.reason == "settlement void: its refund was asked for"


def test_payment_that_settlement_does_not_give_up_says_so(queued: Paid) -> None:
    set_request_state(queued.login, queued.id, "quarantined", reason="cancelled on-chain")
    queued.see(disputes=(dispute_seen(),))
    queued.see(disputes=(dispute_seen("won"),))
    assert sweep(queued).chain_status == "held"
    assert queued.reason == "settlement quarantined: cancelled on-chain"


def test_reason_stays_while_settlement_refuses_the_payment_anew(queued: Paid) -> None:
    queued.see(disputes=(dispute_seen(),))
    given_up(queued)
    with queued.login.begin() as connection:
        connection.execute(update(campaigns).values(state="blocked", reason="lost"))
    queued.see(disputes=(dispute_seen("won"),))
    sweep(queued)
    assert queued.reason == "settlement: the campaign is not live on-chain"
    assert queued.look().reason == "settlement: the campaign is not live on-chain"


def test_refund_that_bounces_during_a_dispute_asks_for_a_person_when_that_is_won(
    queued: Paid,
) -> None:
    queued.batched().final()
    queued.see(refunds=(refund_seen(),))
    queued.see(disputes=(dispute_seen(),))
    queued.see(refunds=(refund_seen(state="failed"),))
    queued.see(disputes=(dispute_seen("won"),))
    assert queued.statuses() == ("captured", "final", "none")
    assert (queued.reason or "").endswith(UNDONE_REASON)


def test_tokens_that_came_home_ask_once_also_under_another_name(queued: Paid) -> None:
    queued.see(disputes=(dispute_seen(),))
    given_up(queued)
    sweep(queued)
    queued.see(disputes=(dispute_seen("won"),))
    name = sweep(queued).request_id
    set_request_state(queued.login, name, "settled")
    confirm_onchain(queued.login, name)
    set_finalized(queued.login, 10)
    assert sweep(queued).chain_status == "final"
    set_request_state(queued.login, name, "refunded")
    assert sweep(queued).review_reason == UNDONE_REASON
    with queued.engine.begin() as connection:
        deciding.close_review(connection, queued.id, decided_by="ana", note="paid back by hand")
    assert sweep(queued).review_reason is None
