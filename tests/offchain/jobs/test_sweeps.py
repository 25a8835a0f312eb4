"""Every sweep finds its work by the rows alone, however often it runs."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from indexer.errors import InvariantError
from offchain.gateways.types import Observation
from offchain.jobs import runtime as jobs_runtime
from offchain.jobs import sweeps
from offchain.jobs.entry import ring, run_sweep
from offchain.jobs.runtime import Budget, Runtime
from offchain.jobs.sweeps import expire_pix, handover_sweep, inbox_sweep, payment_poll
from offchain.services import Services
from offchain.tables import job_runs, ledger_transfers, payment_attempts
from tests.offchain.gateways.test_gateway_suite import new_payment
from tests.offchain.inbox.test_working import receive, state
from tests.support.crowdsplit import FakeCrowdSplit
from tests.support.offchain import (
    NOW,
    add_attempt,
    add_campaign,
    add_pledge,
    attempt,
    count,
    make_live,
    request_states,
)


def budget() -> Budget:
    """Time enough, counted from now: a budget runs out."""
    return Budget(30)


@pytest.fixture
def runtime(services: Services) -> Iterator[Runtime]:
    made = Runtime(services, poll_gap=timedelta(seconds=1), seconds_max=30)
    jobs_runtime.install(made)
    yield made
    jobs_runtime.install(None)


def later(runtime: Runtime, **ahead: float) -> Runtime:
    moment = datetime.now(UTC) + timedelta(**ahead)
    return replace(runtime, services=replace(runtime.services, clock=lambda: moment))


def opened(services: Services, *, onchain: bool = False, **columns: Any) -> uuid.UUID:
    pledge_id = add_pledge(services.engine, add_campaign(services.engine, onchain=onchain))
    return add_attempt(services.engine, pledge_id, **columns)


def created(services: Services, attempt_id: uuid.UUID) -> Observation:
    return services.gateways["crowdsplit"].create_payment(new_payment(attempt_id=attempt_id))


def status(services: Services, attempt_id: uuid.UUID) -> str:
    return attempt(services.engine, attempt_id).fiat_status


def test_poll_captures_when_the_webhook_never_came(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    attempt_id = opened(services, created_at=NOW - timedelta(minutes=2))
    crowdsplit.pay(created(services, attempt_id).provider_payment_id)
    # Its gateway id is unknown here: the reply of the create was lost too.
    assert payment_poll(runtime, budget()) == 1
    assert status(services, attempt_id) == "captured"
    assert payment_poll(later(runtime, hours=1), budget()) == 0


def test_poll_waits_between_two_reads_of_one_payment(runtime: Runtime, services: Services) -> None:
    attempt_id = opened(services, created_at=datetime.now(UTC) - timedelta(minutes=2))
    created(services, attempt_id)
    assert [payment_poll(runtime, budget()) for _ in range(2)] == [1, 0]
    assert payment_poll(later(runtime, minutes=2), budget()) == 1


def test_poll_leaves_a_payment_alone_when_its_create_may_be_in_flight(
    runtime: Runtime, services: Services
) -> None:
    opened(services, created_at=datetime.now(UTC))
    assert payment_poll(later(runtime, seconds=30), budget()) == 0


def test_poll_fails_an_attempt_when_its_gateway_never_got_it(
    runtime: Runtime, services: Services
) -> None:
    attempt_id = opened(services, created_at=NOW - timedelta(hours=2), expires_at=None)
    assert payment_poll(runtime, budget()) == 1
    assert status(services, attempt_id) == "failed"


def test_expiry_ends_an_unpaid_code_and_money_after_it_is_late(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    attempt_id = opened(services)
    payment = created(services, attempt_id).provider_payment_id
    assert expire_pix(runtime, budget()) == 0
    assert [expire_pix(later(runtime, hours=2), budget()) for _ in range(2)] == [1, 0]
    assert status(services, attempt_id) == "expired"
    crowdsplit.pay(payment)
    assert payment_poll(later(runtime, hours=3), budget()) == 1
    assert status(services, attempt_id) == "late_paid"


def test_poll_asks_about_late_money_for_three_days_past_the_expiry_of_an_old_payment(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    made = datetime.now(UTC) - timedelta(days=6)
    expired: dict[str, Any] = {"fiat_status": "expired", "created_at": made}
    recent = opened(services, expires_at=datetime.now(UTC) - timedelta(minutes=1), **expired)
    opened(services, expires_at=made + timedelta(days=2), **expired)
    crowdsplit.pay(created(services, recent).provider_payment_id)
    with services.engine.begin() as connection:
        payment = services.gateways["crowdsplit"].find_payment(recent, since=NOW)
        assert payment is not None
        connection.execute(
            update(payment_attempts)
            .where(payment_attempts.c.id == recent)
            .values(provider_payment_id=payment.provider_payment_id)
        )
    assert payment_poll(runtime, budget()) == 1
    assert status(services, recent) == "late_paid"


def test_expiry_captures_when_the_money_came_in_time_unseen(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    attempt_id = opened(services)
    crowdsplit.pay(created(services, attempt_id).provider_payment_id)
    assert expire_pix(later(runtime, hours=2), budget()) == 0
    assert status(services, attempt_id) == "captured"


def test_expiry_is_postponed_when_the_gateway_cannot_be_asked(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    attempt_id = opened(services)
    created(services, attempt_id)
    crowdsplit.fault("/transactions", "status", times=3)
    assert expire_pix(later(runtime, hours=2), budget()) == 0
    assert status(services, attempt_id) == "created"
    assert expire_pix(later(runtime, hours=2), budget()) == 1


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
    monkeypatch.setattr(sweeps, "HAND_OVER_PAGE", 2)
    never = add_campaign(services.engine, onchain=True)
    live = add_campaign(services.engine, onchain=True)
    make_live(login_engine, live)
    captured: dict[str, Any] = {"fiat_status": "captured", "captured_at": NOW - timedelta(hours=1)}
    # Low ids, all on one side of wherever the sweep starts; the newest is behind two full pages.
    for number in range(5):
        stuck = {**captured, "id": uuid.UUID(int=number)}
        add_attempt(services.engine, add_pledge(services.engine, never), **stuck)
    newest = uuid.UUID(int=5)
    new: dict[str, Any] = {**captured, "id": newest, "captured_at": NOW}
    add_attempt(services.engine, add_pledge(services.engine, live), **new)
    assert handover_sweep(runtime, budget()) == 1
    assert request_states(services.engine) == {newest: "ready"}


def test_inbox_sweep_stops_within_a_chunk_when_its_time_is_over(
    runtime: Runtime, services: Services
) -> None:
    for _ in range(3):
        receive(services.engine, id=str(uuid.uuid4()))
    moments = iter([0.0, 0.0, 99.0])
    assert inbox_sweep(runtime, Budget(30, monotonic=lambda: next(moments), started=0.0)) == 1


def test_bell_and_sweep_work_an_event_off_once_when_both_run(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    attempt_id = opened(services)
    payment = created(services, attempt_id).provider_payment_id
    crowdsplit.pay(payment)
    inbox_id = receive(services.engine, id=payment)
    for _ in range(2):
        ring(inbox_id)
        assert inbox_sweep(runtime, budget()) == 0
    assert state(services.engine, inbox_id) == ("done", None)
    with services.engine.connect() as connection:
        assert count(connection, ledger_transfers) == 2


def test_sweep_runs_once_a_slot_when_two_crons_tick(runtime: Runtime, services: Services) -> None:
    jobs_runtime.install(replace(runtime, services=replace(services, clock=lambda: NOW)))
    for _ in range(2):
        run_sweep("inbox_sweep", 3600)
    with services.engine.connect() as connection:
        rows = connection.execute(select(job_runs)).mappings().all()
    assert [(row["name"], row["done"], row["error"]) for row in rows] == [("inbox_sweep", 0, None)]
    assert rows[0]["finished_at"] is not None


def test_sweep_records_its_fault_when_it_fails(runtime: Runtime, services: Services) -> None:
    jobs_runtime.install(replace(runtime, services=replace(services, clock=lambda: NOW)))
    run_sweep("no_such_sweep", 60)
    with services.engine.connect() as connection:
        assert connection.execute(select(job_runs.c.error)).scalar_one() == "KeyError"


def test_jobs_refuse_to_run_when_nothing_was_installed() -> None:
    with pytest.raises(InvariantError, match="offchain worker"):
        ring(1)
