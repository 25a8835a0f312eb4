"""Claims that many threads bring at once, on a real Postgres: whoever is first, the end is one."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

import pytest
from sqlalchemy import Engine

from offchain.gateways.types import NewRefund, RefundSeen, RefundState
from offchain.money import MinorUnits
from offchain.payments.accepting import Refused
from offchain.payments.attempts import lock_attempt
from offchain.payments.claims import absorb
from offchain.payments.feedback import feed_back
from offchain.payments.refunding import claim_due_refunds, request_refund, send_refund
from tests.support.claims import (
    MemoryGateway,
    Paid,
    ask_back,
    books,
    dispute_seen,
    observe,
    paid,
    refund_rows,
    refund_seen,
)
from tests.support.offchain import (
    FIFTY,
    add_attempt,
    add_campaign,
    add_pledge,
    attempt,
    make_live,
    seen,
    set_request_state,
)
from tests.support.waiting import eventually

OWED, RECEIVABLE, LOSSES = "owed_to_campaign", "gateway_receivable", "chargeback_losses"


@pytest.fixture
def queued(engine: Engine, login_engine: Engine) -> Paid:
    return paid(engine, login_engine)


@pytest.fixture
def one(engine: Engine, login_engine: Engine) -> Paid:
    return paid(engine, login_engine, onchain=False)


def ask(engine: Engine, attempt_id: UUID, amount: int) -> UUID | Refused:
    with engine.begin() as connection:
        return request_refund(
            connection, attempt_id, MinorUnits(amount), origin="operator", requested_by="ana"
        )


def claim(engine: Engine, limit: int = 10) -> list[UUID]:
    with engine.begin() as connection:
        return claim_due_refunds(connection, limit=limit)


def test_claims_end_the_same_when_many_threads_bring_them_at_once(
    engine: Engine, queued: Paid
) -> None:
    """Races 1, 2 and 9: webhooks of a dispute, its twin and a refund, beside a poll."""
    part = refund_seen(minor=2000)
    sightings: list[tuple[tuple[RefundSeen, ...], bool]] = [((part,), False), ((), True)] * 4
    barrier = Barrier(len(sightings))

    def race(sighting: tuple[tuple[RefundSeen, ...], bool]) -> None:
        given, is_disputed = sighting
        disputes = (dispute_seen(minor=3000),) if is_disputed else ()
        barrier.wait()
        observe(engine, seen(queued.id, refunds=given, disputes=disputes))

    with ThreadPoolExecutor(len(sightings)) as pool:
        list(pool.map(race, sightings))
    assert queued.statuses() == ("captured", "held", "disputed")
    assert queued.asked_to_undo() == 1
    assert refund_rows(engine, queued.id) == [("gateway", "succeeded", 2000)]
    assert books(engine) == {RECEIVABLE: (3000, -3000), OWED: (3000, 0), LOSSES: (0, 3000)}


def test_capture_and_dispute_at_once_never_leave_a_disputed_payment_on_its_way(
    engine: Engine, login_engine: Engine
) -> None:
    """Race 9: whichever is first, it was not handed over or it was called back."""
    campaign_id = add_campaign(engine, onchain=True)
    make_live(login_engine, campaign_id)
    pledges = [add_pledge(engine, campaign_id) for _ in range(4)]
    payments = [Paid(engine, login_engine, add_attempt(engine, pledge)) for pledge in pledges]
    barrier = Barrier(2 * len(payments))

    def race(number: int) -> None:
        one = payments[number // 2]
        barrier.wait()
        one.see(disputes=(dispute_seen(name=f"d{number // 2}"),) if number % 2 else ())

    with ThreadPoolExecutor(2 * len(payments)) as pool:
        list(pool.map(race, range(2 * len(payments))))
    for one in payments:
        fiat, chain, claim = one.statuses()
        assert (fiat, claim) == ("captured", "disputed")
        assert (chain, one.asked_to_undo()) in {("none", 0), ("held", 1)}
    assert books(engine)[OWED][0] == len(payments) * FIFTY.minor


def test_refunds_never_sum_to_more_than_was_paid_when_many_ask_at_once(
    engine: Engine, one: Paid
) -> None:
    barrier = Barrier(8)

    def race(_number: int) -> bool:
        barrier.wait()
        return not isinstance(ask(engine, one.id, 2000), Refused)

    with ThreadPoolExecutor(8) as pool:
        asked = sum(pool.map(race, range(8)))
    assert asked == 2
    assert refund_rows(engine, one.id) == [("operator", "requested", 2000)] * 2
    assert books(engine) == {RECEIVABLE: (5000, -4000), OWED: (5000, -4000)}


def test_answer_and_webhook_of_one_refund_end_in_one_row_when_they_come_at_once(
    engine: Engine, login_engine: Engine
) -> None:
    for state in ("pending", "succeeded", "pending"):
        _race_answer_with_webhook(engine, paid(engine, login_engine, onchain=False), state)


def _race_answer_with_webhook(engine: Engine, one: Paid, state: RefundState) -> None:
    refund_id = ask_back(engine, one.id)
    barrier = Barrier(2)

    def answer(_call: NewRefund) -> None:
        barrier.wait()

    gateway = MemoryGateway(state=state, after=answer)

    def webhook() -> None:
        barrier.wait()
        one.see(refunds=(refund_seen(f"re-{refund_id}", "succeeded"),))

    with ThreadPoolExecutor(2) as pool:
        tasks = [
            pool.submit(send_refund, gateway.serving(engine), refund_id),
            pool.submit(webhook),
        ]
        for task in tasks:
            task.result()
    assert refund_rows(engine, one.id) == [("operator", "succeeded", 5000)]
    assert books(engine) == {}


def test_due_refunds_go_to_one_worker_each_when_many_claim_at_once(
    engine: Engine, login_engine: Engine
) -> None:
    wanted = {ask_back(engine, paid(engine, login_engine, onchain=False).id) for _ in range(6)}
    barrier = Barrier(4)

    def worker(_number: int) -> list[UUID]:
        barrier.wait()
        return claim(engine, limit=2)

    with ThreadPoolExecutor(4) as pool:
        claimed = [one for batch in pool.map(worker, range(4)) for one in batch]
    assert len(claimed) == len(set(claimed))
    assert set(claimed) <= wanted
    assert set(claimed) | set(claim(engine)) == wanted


def test_news_of_the_chain_waits_for_news_of_the_money_and_is_read_again(
    engine: Engine, queued: Paid
) -> None:
    """Survives: settlement seals a payment while a claim on it is being brought."""
    set_request_state(queued.login, queued.id, "batched")

    def look() -> int:
        with engine.begin() as connection:
            return feed_back(connection, [attempt(engine, queued.id)])

    def is_waiting() -> bool:
        with queued.login.connect() as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            return bool(connection.exec_driver_sql(query).scalar_one())

    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            held = lock_attempt(connection, queued.id)
            assert held is not None
            moved = pool.submit(look)
            eventually(is_waiting, what="feedback waits for the attempt")
            absorb(connection, held, disputes=(dispute_seen(),), source="webhook")
        assert moved.result() == 0, "it read the attempt as it was before the claim"
    assert queued.look().statuses() == ("captured", "submitted", "disputed")
    assert queued.asked_to_undo() == 0
