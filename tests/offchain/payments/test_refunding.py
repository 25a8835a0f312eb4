"""Money goes back once: whatever dies, whatever is lost, whoever asks at the same time."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine, Interval, literal, select, update

from indexer.errors import PermanentError
from offchain.claim_tables import refunds
from offchain.gateways.errors import GatewayRefused, GatewayUnavailable, OutcomeUnknown
from offchain.gateways.types import NewRefund
from offchain.money import MinorUnits
from offchain.payments.accepting import Refused
from offchain.payments.refunding import (
    BACKOFF_MAX,
    backoff,
    claim_due_refunds,
    request_refund,
    send_refund,
)
from tests.support.claims import (
    MemoryGateway,
    Paid,
    ask_back,
    books,
    dispute_seen,
    paid,
    refund_rows,
    refund_seen,
)
from tests.support.dying import dying_at
from tests.support.offchain import FIFTY, add_attempt, add_campaign, add_pledge, make_live, seen

OWED, RECEIVABLE = "owed_to_campaign", "gateway_receivable"
STATEMENTS_MAX = 80


@pytest.fixture
def one(engine: Engine, login_engine: Engine) -> Paid:
    """A captured payment of a campaign that settles in fiat only."""
    return paid(engine, login_engine, onchain=False)


def try_asking(engine: Engine, one: Paid, amount: int | None) -> object:
    minor = None if amount is None else MinorUnits(amount)
    with engine.begin() as connection:
        return request_refund(connection, one.id, minor, origin="operator", requested_by="ana")


def claim(engine: Engine, limit: int = 10) -> list[object]:
    with engine.begin() as connection:
        return list(claim_due_refunds(connection, limit=limit))


def make_due(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(update(refunds).values(next_try_at=refunds.c.created_at))


def raising(error: Exception) -> Callable[[NewRefund], None]:
    def fail(_call: NewRefund) -> None:
        raise error

    return fail


def test_refund_is_booked_before_its_gateway_hears_of_it_and_once(
    engine: Engine, one: Paid
) -> None:
    refund_id = ask_back(engine, one.id)
    assert one.statuses() == ("captured", "none", "refund_pending")
    assert books(engine) == {RECEIVABLE: (5000, -5000), OWED: (5000, -5000)}
    gateway = MemoryGateway(state="succeeded")
    for _ in range(3):
        send_refund(gateway.serving(engine), refund_id)
    assert [call.refund_id for call in gateway.calls] == [refund_id]
    assert (gateway.calls[0].amount, gateway.calls[0].is_full) == (FIFTY, True)
    assert one.statuses() == ("captured", "none", "refunded")
    assert books(engine) == {}
    assert refund_rows(engine, one.id) == [("operator", "succeeded", 5000)]


def test_refund_that_dies_anywhere_is_made_once_when_it_is_sent_again(
    engine: Engine, login_engine: Engine
) -> None:
    """Survives: kill -9 before any statement and after any commit, of the worker that sends."""
    gateway = MemoryGateway(state="succeeded")
    services = gateway.serving(engine)
    for statement in range(1, STATEMENTS_MAX):
        one = paid(engine, login_engine, onchain=False)
        refund_id = ask_back(engine, one.id)
        try:
            with dying_at(engine, statement):
                send_refund(services, refund_id)
        except KeyboardInterrupt:
            send_refund(services, refund_id)
        else:
            break
        assert refund_rows(engine, one.id) == [("operator", "succeeded", 5000)]
        assert one.statuses() == ("captured", "none", "refunded")
        assert books(engine) == {}
        assert len(gateway.made) == statement
    assert 10 < statement < STATEMENTS_MAX - 1


def test_intent_that_dies_leaves_neither_row_nor_entry(engine: Engine, one: Paid) -> None:
    """Survives: kill -9 anywhere in the transaction that asks."""
    before = books(engine)
    for statement in range(1, STATEMENTS_MAX):
        try:
            with dying_at(engine, statement):
                ask_back(engine, one.id)
        except KeyboardInterrupt:
            if refund_rows(engine, one.id):  # it died after its commit
                break
            assert books(engine) == before
            assert one.statuses()[2] == "none"
    assert books(engine) == {RECEIVABLE: (5000, -5000), OWED: (5000, -5000)}


def test_refund_is_nobody_elses_while_a_slow_gateway_is_asked(engine: Engine, one: Paid) -> None:
    """Survives: a call that takes minutes, beside a worker that looks for what is due."""
    refund_id = ask_back(engine, one.id)
    taken: list[object] = []

    def answer_after_a_quarter_of_an_hour(_call: NewRefund) -> None:
        with engine.begin() as connection:
            earlier = refunds.c.next_try_at - literal(timedelta(minutes=15), Interval)
            connection.execute(update(refunds).values(next_try_at=earlier))
        taken.extend(claim(engine))

    gateway = MemoryGateway(state="succeeded", before=answer_after_a_quarter_of_an_hour)
    send_refund(gateway.serving(engine), refund_id)
    assert taken == []
    assert len(gateway.calls) == 1
    assert refund_rows(engine, one.id) == [("operator", "succeeded", 5000)]


@pytest.mark.parametrize("echoes", [True, False])
def test_refund_whose_answer_was_lost_is_joined_with_what_the_gateway_shows(
    engine: Engine, one: Paid, *, echoes: bool
) -> None:
    """Race 4 of refunds: a webhook tells of it before our own call's answer is known."""
    refund_id = ask_back(engine, one.id)
    gateway = MemoryGateway(echoes=echoes, after=raising(OutcomeUnknown("no answer")))
    send_refund(gateway.serving(engine), refund_id)
    assert refund_rows(engine, one.id) == [("operator", "requested", 5000)]
    shown = gateway.read_payment(seen(one.id).provider_payment_id)
    assert shown is not None
    one.see(refunds=shown.refunds)
    assert refund_rows(engine, one.id) == [("operator", "pending", 5000)]
    assert claim(engine) == []
    one.see(refunds=(refund_seen(f"re-{refund_id}"),))
    assert refund_rows(engine, one.id) == [("operator", "succeeded", 5000)]
    assert books(engine) == {}


def test_stranger_of_another_amount_is_not_taken_for_the_refund_whose_answer_was_lost(
    engine: Engine, one: Paid
) -> None:
    refund_id = ask_back(engine, one.id, 3000)
    gateway = MemoryGateway(before=raising(OutcomeUnknown("no answer")))
    send_refund(gateway.serving(engine), refund_id)
    one.see(refunds=(refund_seen("theirs", minor=2000),))
    assert sorted(refund_rows(engine, one.id)) == [
        ("gateway", "succeeded", 2000),
        ("operator", "requested", 3000),
    ]


def test_intent_that_was_never_sent_is_not_joined_with_a_stranger_and_is_not_sent(
    engine: Engine, one: Paid
) -> None:
    """The gateway's own page gives all back while our intent waits: once is enough."""
    refund_id = ask_back(engine, one.id)
    one.see(refunds=(refund_seen("theirs"),))
    gateway = MemoryGateway()
    send_refund(gateway.serving(engine), refund_id)
    assert gateway.calls == []
    assert sorted(refund_rows(engine, one.id)) == [
        ("gateway", "succeeded", 5000),
        ("operator", "failed", 5000),
    ]
    assert one.statuses()[2] == "refunded"
    assert books(engine) == {}


def test_refund_is_tried_again_later_and_later_while_its_gateway_is_away(
    engine: Engine, one: Paid
) -> None:
    refund_id = ask_back(engine, one.id)
    gateway = MemoryGateway(state="succeeded", before=raising(GatewayUnavailable("away")))
    for tries in range(1, 4):
        assert claim(engine) == [refund_id]
        assert claim(engine) == [], "it is somebody's"
        send_refund(gateway.serving(engine), refund_id)
        with engine.connect() as connection:
            row = connection.execute(select(refunds)).one()
        assert (row.state, row.tries, row.reason) == ("requested", tries, "GatewayUnavailable")
        make_due(engine)
    assert claim(engine) == [refund_id]
    send_refund(MemoryGateway(state="succeeded").serving(engine), refund_id)
    assert one.statuses()[2] == "refunded"


def test_backoff_doubles_up_to_an_hour() -> None:
    pauses = [backoff(tries).total_seconds() for tries in range(1, 9)]
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert backoff(1000) == BACKOFF_MAX


def test_refund_that_is_refused_fails_and_brings_the_claim_back(engine: Engine, one: Paid) -> None:
    refund_id = ask_back(engine, one.id)
    refusal = GatewayRefused("crowdsplit", 400, "validation_error")
    send_refund(MemoryGateway(before=raising(refusal)).serving(engine), refund_id)
    assert refund_rows(engine, one.id) == [("operator", "failed", 5000)]
    assert one.statuses() == ("captured", "none", "none")
    assert one.reason == "a refund failed: refused: HTTP 400 validation_error"
    assert books(engine) == {RECEIVABLE: (5000, 0), OWED: (5000, 0)}
    ask_back(engine, one.id)
    assert one.reason is None, "whoever asks again has looked"


def test_refusal_after_a_lost_answer_is_not_a_failure_when_the_money_went(
    engine: Engine, one: Paid
) -> None:
    """Race 5 of refunds: the first try came through, the second is told that nothing is left."""
    refund_id = ask_back(engine, one.id)
    gateway = MemoryGateway(
        state="succeeded", echoes=False, after=raising(OutcomeUnknown("no answer"))
    )
    send_refund(gateway.serving(engine), refund_id)
    gateway.before = raising(GatewayRefused("crowdsplit", 400, "nothing_left"))
    send_refund(gateway.serving(engine), refund_id)
    assert refund_rows(engine, one.id) == [("operator", "succeeded", 5000)]
    assert books(engine) == {}


@pytest.mark.parametrize("status", [401, 403, 409, 429])
def test_refusal_that_says_nothing_of_the_refund_is_tried_again(
    engine: Engine, one: Paid, status: int
) -> None:
    refund_id = ask_back(engine, one.id)
    gateway = MemoryGateway(before=raising(GatewayRefused("crowdsplit", status, "")))
    send_refund(gateway.serving(engine), refund_id)
    assert refund_rows(engine, one.id) == [("operator", "requested", 5000)]


def test_refund_waits_with_its_reason_while_its_gateway_is_not_enabled(
    engine: Engine, one: Paid
) -> None:
    refund_id = ask_back(engine, one.id)
    services = MemoryGateway().serving(engine)
    send_refund(type(services)(engine, {}, services.chains), refund_id)
    with engine.connect() as connection:
        row = connection.execute(select(refunds)).one()
    assert (row.state, row.tries, row.reason) == ("requested", 0, "crowdsplit is not enabled")


def test_trouble_of_no_known_kind_is_tried_again(engine: Engine, one: Paid) -> None:
    refund_id = ask_back(engine, one.id)
    gateway = MemoryGateway(before=raising(PermanentError("odd")))
    send_refund(gateway.serving(engine), refund_id)
    assert refund_rows(engine, one.id) == [("operator", "requested", 5000)]


@pytest.mark.parametrize(
    ("outcome", "state", "calls"), [("won", "succeeded", 1), ("lost", "failed", 0)]
)
def test_refund_waits_for_the_end_of_a_dispute_that_opened_meanwhile(
    engine: Engine, one: Paid, outcome: str, state: str, calls: int
) -> None:
    refund_id = ask_back(engine, one.id)
    gateway = MemoryGateway(state="succeeded")
    one.see(disputes=(dispute_seen(),))
    send_refund(gateway.serving(engine), refund_id)
    assert gateway.calls == []
    one.see(disputes=(dispute_seen("won" if outcome == "won" else "lost"),))
    send_refund(gateway.serving(engine), refund_id)
    assert refund_rows(engine, one.id) == [("operator", state, 5000)]
    assert len(gateway.calls) == calls


@pytest.mark.parametrize("amount", [0, -1, 5001])
def test_refund_of_more_than_is_left_or_of_nothing_is_not_asked_for(
    engine: Engine, one: Paid, amount: int
) -> None:
    answer = try_asking(engine, one, amount)
    assert isinstance(answer, Refused)
    assert "5000 minor units of it are left" in answer.reason
    assert refund_rows(engine, one.id) == []


def test_refund_of_a_disputed_payment_is_not_asked_for(engine: Engine, one: Paid) -> None:
    one.see(disputes=(dispute_seen(minor=2000),))
    answer = try_asking(engine, one, None)
    assert isinstance(answer, Refused)
    assert "disputed" in answer.reason


def test_refund_of_money_that_never_came_is_not_asked_for(
    engine: Engine, login_engine: Engine
) -> None:
    pledge_id = add_pledge(engine, add_campaign(engine))
    unpaid = Paid(engine, login_engine, add_attempt(engine, pledge_id))
    answer = try_asking(engine, unpaid, None)
    assert isinstance(answer, Refused)
    assert "no money of it is booked" in answer.reason


def test_part_of_a_refund_is_told_to_the_gateway_as_such(engine: Engine, one: Paid) -> None:
    gateway = MemoryGateway(state="succeeded")
    for amount in (2000, 3000):
        send_refund(gateway.serving(engine), ask_back(engine, one.id, amount))
    assert [call.is_full for call in gateway.calls] == [False, False]
    assert one.statuses()[2] == "refunded"


def test_refund_that_fails_before_hand_over_lets_the_payment_go(
    engine: Engine, login_engine: Engine
) -> None:
    campaign_id = add_campaign(engine, onchain=True)
    one = Paid(engine, login_engine, add_attempt(engine, add_pledge(engine, campaign_id)))
    one.see()
    refund_id = ask_back(engine, one.id)
    make_live(login_engine, campaign_id)
    send_refund(MemoryGateway(state="failed").serving(engine), refund_id)
    assert one.statuses() == ("captured", "queued", "none")
    assert one.reason == "a refund failed: the gateway says that it failed"
