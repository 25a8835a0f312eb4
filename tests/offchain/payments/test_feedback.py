"""What comes back from the chain, with rows as settlement and the indexer write them."""

import uuid
from typing import Any

import pytest
from sqlalchemy import Engine, select

from indexer.chain.types import Address
from offchain.ledger.accounts import owed_to_campaign
from offchain.ledger.balances import balance
from offchain.ledger.checking import check_ledger
from offchain.payments.feedback import attempts_on_the_way, feed_back
from offchain.payments.observing import apply
from offchain.payments.reversing import take_back
from offchain.tables import attempt_events, pledges
from tests.support.claims import books, dispute_seen, paid, refund_seen
from tests.support.offchain import (
    add_attempt,
    add_campaign,
    add_pledge,
    attempt,
    confirm_onchain,
    context,
    forget_onchain,
    make_live,
    seen,
    set_finalized,
    set_request_state,
)


@pytest.fixture
def attempt_id(engine: Engine, login_engine: Engine) -> uuid.UUID:
    """A captured payment that waits for settlement."""
    campaign_id = add_campaign(engine, onchain=True)
    make_live(login_engine, campaign_id)
    made = add_attempt(engine, add_pledge(engine, campaign_id))
    with engine.begin() as connection:
        apply(connection, made, seen(made), context=context())
    return made


def look(engine: Engine, attempt_id: uuid.UUID) -> tuple[str, str | None]:
    with engine.begin() as connection:
        feed_back(connection, attempts_on_the_way(connection, after=None, limit=10))
    row = attempt(engine, attempt_id)
    return row.chain_status, row.review_reason


def owed(engine: Engine, attempt_id: uuid.UUID) -> tuple[int, int]:
    pledge_id = attempt(engine, attempt_id).pledge_id
    with engine.connect() as connection:
        query = select(pledges.c.campaign_id).where(pledges.c.id == pledge_id)
        campaign_id = connection.execute(query).scalar_one()
        found = balance(connection, owed_to_campaign(campaign_id).name, "brl")
    assert found is not None
    return found.posted, found.pending


def test_feedback_posts_once_when_the_confirmation_is_final_and_proven(
    engine: Engine, login_engine: Engine, attempt_id: uuid.UUID
) -> None:
    assert look(engine, attempt_id) == ("queued", None)
    set_request_state(login_engine, attempt_id, "batched")
    assert look(engine, attempt_id) == ("submitted", None)
    confirm_onchain(login_engine, attempt_id, block=10)
    set_finalized(login_engine, 9)
    assert look(engine, attempt_id) == ("mined", None)
    assert owed(engine, attempt_id) == (0, 5000)
    set_finalized(login_engine, 10)
    for _ in range(2):
        assert look(engine, attempt_id) == ("final", None)
        assert owed(engine, attempt_id) == (5000, 0)
    with engine.connect() as connection:
        last = connection.execute(
            select(attempt_events).order_by(attempt_events.c.id.desc()).limit(1)
        ).one()
    assert (last.source, last.to_status, last.evidence["block_number"]) == ("chain", "final", 10)


def test_feedback_goes_back_and_posts_nothing_when_a_reorg_took_the_confirmation(
    engine: Engine, login_engine: Engine, attempt_id: uuid.UUID
) -> None:
    set_request_state(login_engine, attempt_id, "included")
    set_finalized(login_engine, 5)
    confirm_onchain(login_engine, attempt_id, block=10)
    assert look(engine, attempt_id) == ("mined", None)
    forget_onchain(login_engine)
    set_request_state(login_engine, attempt_id, "batched")
    assert look(engine, attempt_id) == ("submitted", None)
    set_request_state(login_engine, attempt_id, "ready")
    assert look(engine, attempt_id) == ("queued", None)
    assert owed(engine, attempt_id) == (0, 5000)
    confirm_onchain(login_engine, attempt_id, block=12)
    set_finalized(login_engine, 12)
    assert look(engine, attempt_id) == ("final", None)


def reverse(engine: Engine) -> int:
    with engine.begin() as connection:
        return take_back(connection)


def test_posted_capture_is_reversed_and_posted_again_when_a_finalized_block_changed(
    engine: Engine, login_engine: Engine, attempt_id: uuid.UUID
) -> None:
    """Survives: what was settled and posted is taken back, twice, and settles again each time."""
    confirm_onchain(login_engine, attempt_id, block=10)
    set_finalized(login_engine, 10)
    for _ in range(2):
        set_request_state(login_engine, attempt_id, "settled")
        assert look(engine, attempt_id) == ("final", None)
        assert owed(engine, attempt_id) == (5000, 0)
        assert reverse(engine) == 0
        forget_onchain(login_engine)
        set_request_state(login_engine, attempt_id, "batched")
        assert [reverse(engine), reverse(engine)] == [1, 0]
        assert owed(engine, attempt_id) == (0, 5000)
        assert look(engine, attempt_id) == ("submitted", None)
        confirm_onchain(login_engine, attempt_id, block=10)
    set_request_state(login_engine, attempt_id, "settled")
    assert look(engine, attempt_id) == ("final", None)
    assert [reverse(engine), owed(engine, attempt_id)] == [0, (5000, 0)]


def test_payment_that_was_given_back_keeps_its_books_when_its_finalized_block_changed(
    engine: Engine, login_engine: Engine
) -> None:
    one = paid(engine, login_engine).batched().final()
    one.see(refunds=(refund_seen(),))
    assert books(engine) == {}
    forget_onchain(login_engine)
    set_request_state(login_engine, one.id, "batched")
    assert [reverse(engine), reverse(engine)] == [1, 0]
    assert (one.statuses(), books(engine)) == (("captured", "submitted", "refunded"), {})
    one.final()
    assert reverse(engine) == 0, "that it was taken back was brought before"
    assert (one.statuses(), books(engine)) == (("captured", "final", "refunded"), {})
    with engine.connect() as connection:
        assert all(finding.ok for finding in check_ledger(connection))


@pytest.mark.parametrize(
    ("fact", "status"),
    [
        ({"proven": False}, "mined"),
        ({"amount": 1}, "mined"),
        ({"token": Address(bytes(20))}, "mined"),
        ({"confirmed_block": None}, "submitted"),
    ],
)
def test_feedback_posts_nothing_when_the_fact_is_not_the_payment(
    engine: Engine,
    login_engine: Engine,
    attempt_id: uuid.UUID,
    fact: dict[str, Any],
    status: str,
) -> None:
    set_request_state(login_engine, attempt_id, "settled")
    set_finalized(login_engine, 20)
    confirm_onchain(login_engine, attempt_id, block=10, **fact)
    reached, reason = look(engine, attempt_id)
    assert reached == status
    assert owed(engine, attempt_id) == (0, 5000)
    assert (reason is not None) == ("amount" in fact or "token" in fact)


def test_feedback_shows_why_while_settlement_is_stopped(
    engine: Engine, login_engine: Engine, attempt_id: uuid.UUID
) -> None:
    set_request_state(login_engine, attempt_id, "blocked", reason="funding: 5 short")
    assert look(engine, attempt_id) == ("queued", "settlement blocked: funding: 5 short")
    set_request_state(login_engine, attempt_id, "ready", reason=None)
    assert look(engine, attempt_id) == ("queued", None)
    set_request_state(login_engine, attempt_id, "void", reason="operator")
    assert look(engine, attempt_id) == ("failed", "settlement void: operator")


def test_feedback_keeps_the_reason_of_a_claim_that_came_after_it_read_its_page(
    engine: Engine, login_engine: Engine, attempt_id: uuid.UUID
) -> None:
    set_request_state(login_engine, attempt_id, "blocked", reason="no funds")
    look(engine, attempt_id)
    stale = attempt(engine, attempt_id)
    assert stale.review_reason == "settlement blocked: no funds"
    set_request_state(login_engine, attempt_id, "ready", reason=None)
    with engine.begin() as connection:
        apply(
            connection, attempt_id, seen(attempt_id, disputes=(dispute_seen(),)), context=context()
        )
    with engine.begin() as connection:
        feed_back(connection, [stale])
    row = attempt(engine, attempt_id)
    assert row.claim_status == "disputed"
    assert row.review_reason == "the gateway reports the payment as disputed"


def test_feedback_notes_nothing_when_the_attempt_moved_on_after_it_read_its_page(
    engine: Engine, login_engine: Engine, attempt_id: uuid.UUID
) -> None:
    stale = attempt(engine, attempt_id)
    set_request_state(login_engine, attempt_id, "batched")
    assert look(engine, attempt_id) == ("submitted", None)
    set_request_state(login_engine, attempt_id, "blocked", reason="no funds", batch_id=None)
    with engine.begin() as connection:
        assert feed_back(connection, [stale]) == 0
    row = attempt(engine, attempt_id)
    assert (row.chain_status, row.review_reason) == ("submitted", None)
