"""Captured payments reach settlement, and what became of them comes back."""

import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select

from indexer.errors import InvariantError
from offchain.jobs.runtime import Budget, Runtime
from offchain.jobs.sweeps import feedback, handing_over
from offchain.jobs.sweeps.feedback import chain_feedback
from offchain.jobs.sweeps.handing_over import handover_sweep
from offchain.jobs.sweeps.inbox import inbox_sweep
from offchain.jobs.sweeps.rounds import round_from_anywhere
from offchain.payments.attempts import Attempt
from offchain.payments.feedback import feed_back
from offchain.payments.handover import hand_over
from offchain.payments.observing import apply
from offchain.services import Services
from offchain.tables import payment_attempts
from tests.support.crowdsplit import FakeCrowdSplit
from tests.support.jobs import budget, created, receive
from tests.support.offchain import (
    NOW,
    add_attempt,
    add_campaign,
    add_pledge,
    attempt,
    context,
    make_live,
    request_states,
    seen,
    set_request_state,
)

CAPTURED: dict[str, Any] = {
    "fiat_status": "captured",
    "booked_to": "campaign",
    "received_minor": 5000,
    "received_currency": "brl",
    "captured_at": NOW - timedelta(hours=1),
}


def on_the_way(engine: Engine, login_engine: Engine, number: int) -> list[uuid.UUID]:
    """Captured attempts whose payments settlement has sealed."""
    campaign_id = add_campaign(engine, onchain=True)
    make_live(login_engine, campaign_id)
    made = [add_attempt(engine, add_pledge(engine, campaign_id)) for _ in range(number)]
    for one in made:
        with engine.begin() as connection:
            apply(connection, one, seen(one), context=context())
        set_request_state(login_engine, one, "batched")
    return made


def test_handover_settles_once_the_campaign_is_live(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit, login_engine: Engine
) -> None:
    campaign_id = add_campaign(services.engine, onchain=True)
    attempt_id = add_attempt(services.engine, add_pledge(services.engine, campaign_id))
    payment = created(services, attempt_id).provider_payment_id
    crowdsplit.pay(payment)
    receive(services.engine, id=payment)
    assert inbox_sweep(runtime, budget()) == 1
    assert handover_sweep(runtime, budget()) == 0
    make_live(login_engine, campaign_id)
    assert [handover_sweep(runtime, budget()) for _ in range(2)] == [1, 0]
    row = attempt(services.engine, attempt_id)
    assert (row.chain_status, row.review_reason) == ("queued", None)
    assert request_states(services.engine) == {attempt_id: "ready"}


def test_handover_settles_the_newest_when_older_ones_fill_more_than_a_page(
    runtime: Runtime, services: Services, login_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handing_over, "PAGE", 2)
    never = add_campaign(services.engine, onchain=True)
    live = add_campaign(services.engine, onchain=True)
    make_live(login_engine, live)
    # Low ids, all on one side of wherever the sweep starts; the newest is behind two full pages.
    for number in range(5):
        stuck = {**CAPTURED, "id": uuid.UUID(int=number)}
        add_attempt(services.engine, add_pledge(services.engine, never), **stuck)
    newest = uuid.UUID(int=5)
    new: dict[str, Any] = {**CAPTURED, "id": newest, "captured_at": NOW}
    add_attempt(services.engine, add_pledge(services.engine, live), **new)
    assert handover_sweep(runtime, budget()) == 1
    assert request_states(services.engine) == {newest: "ready"}


def test_handover_looks_at_no_payment_of_a_fiat_campaign(
    runtime: Runtime, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    for onchain in (False, True):
        campaign_id = add_campaign(services.engine, onchain=onchain)
        add_attempt(services.engine, add_pledge(services.engine, campaign_id), **CAPTURED)
    asked: list[uuid.UUID] = []

    def refuse(_connection: Connection, attempt_id: uuid.UUID, **_context: Any) -> str:
        asked.append(attempt_id)
        return "not now"

    monkeypatch.setattr(handing_over, "hand_over", refuse)
    assert handover_sweep(runtime, budget()) == 0
    with services.engine.connect() as connection:
        query = select(payment_attempts.c.id).where(payment_attempts.c.settles_onchain)
        assert asked == list(connection.execute(query).scalars())
    assert len(asked) == 1


def test_handover_goes_on_when_one_payment_is_odd(
    runtime: Runtime, services: Services, login_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = add_campaign(services.engine, onchain=True)
    make_live(login_engine, campaign_id)
    waiting = [
        add_attempt(services.engine, add_pledge(services.engine, campaign_id), **CAPTURED)
        for _ in range(3)
    ]

    def odd(connection: Connection, attempt_id: uuid.UUID, **context: Any) -> str | None:
        if attempt_id == waiting[1]:
            raise InvariantError("unforeseen")
        return hand_over(connection, attempt_id, **context)

    monkeypatch.setattr(handing_over, "hand_over", odd)
    assert handover_sweep(runtime, budget()) == 2
    assert set(request_states(services.engine)) == {waiting[0], waiting[2]}


def test_payments_are_handed_over_once_when_two_workers_sweep_at_once(
    runtime: Runtime, services: Services, login_engine: Engine
) -> None:
    campaign_id = add_campaign(services.engine, onchain=True)
    make_live(login_engine, campaign_id)
    for _ in range(10):
        add_attempt(services.engine, add_pledge(services.engine, campaign_id), **CAPTURED)
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: handover_sweep(runtime, budget()), range(2)))
    assert sum(done) == 10
    assert len(request_states(services.engine)) == 10


def test_feedback_follows_the_others_when_one_payment_is_odd(
    runtime: Runtime, services: Services, login_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = on_the_way(services.engine, login_engine, 3)

    def odd(connection: Connection, attempts: Sequence[Attempt]) -> int:
        if made[1] in {one.id for one in attempts}:
            raise InvariantError("unforeseen")
        return feed_back(connection, attempts)

    monkeypatch.setattr(feedback, "feed_back", odd)
    assert chain_feedback(runtime, budget()) == 2
    chain = [attempt(services.engine, one).chain_status for one in made]
    assert chain == ["submitted", "queued", "submitted"]


def test_feedback_follows_all_when_taking_back_fails(
    runtime: Runtime, services: Services, login_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_the_way(services.engine, login_engine, 1)

    def take_back(_connection: Connection) -> int:
        raise InvariantError("unforeseen")

    monkeypatch.setattr(feedback, "take_back", take_back)
    assert chain_feedback(runtime, budget()) == 1


def test_feedback_stops_after_a_page_when_its_time_is_over(
    runtime: Runtime, services: Services, login_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "PAGE", 1)
    on_the_way(services.engine, login_engine, 3)
    moments = iter([0.0, 99.0])
    short = Budget(30, monotonic=lambda: next(moments), started=0.0)
    assert chain_feedback(runtime, short) == 1
    assert [chain_feedback(runtime, budget()) for _ in range(2)] == [2, 0]


@pytest.mark.parametrize("size", [0, 1, 2, 5, 6])
def test_a_round_yields_each_row_once_wherever_it_starts(size: int) -> None:
    ids = sorted(uuid.uuid4() for _ in range(size))

    def page(after: uuid.UUID | None) -> list[uuid.UUID]:
        return [one for one in ids if after is None or one > after][:2]

    for _ in range(20):
        found = [
            one
            for rows in round_from_anywhere(page, id_of=lambda one: one, page_size=2)
            for one in rows
        ]
        assert sorted(found) == ids
