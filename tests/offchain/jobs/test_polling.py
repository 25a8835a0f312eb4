"""Payments are read again without anybody asking, and codes expire by our own clock."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select
from typing_extensions import override

from offchain.gateways.crowdsplit.adapter import CrowdSplit
from offchain.gateways.types import Observation, RefundSeen
from offchain.jobs.runtime import Budget, Runtime
from offchain.jobs.sweeps import polling
from offchain.jobs.sweeps.patience import UNANSWERED_MAX
from offchain.jobs.sweeps.polling import expire_pix, payment_poll
from offchain.payments.observing import apply
from offchain.reconciliation.due import LEASE, claim_due
from offchain.reconciliation.tables import corrections
from offchain.services import Services
from offchain.tables import payment_attempts
from tests.support.crowdsplit import FakeCrowdSplit
from tests.support.jobs import (
    away,
    budget,
    change,
    created,
    known,
    later,
    next_read_of,
    opened,
    reads_of,
    status,
)
from tests.support.offchain import FIFTY, NOW, context, seen

ANY = payment_attempts.c.id.is_not(None)


def corrected(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        rows = connection.execute(select(corrections.c.found_by, corrections.c["count"]))
        return {row[0]: row[1] for row in rows}


def test_poll_captures_when_the_webhook_never_came(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    attempt_id = opened(services)
    crowdsplit.pay(created(services, attempt_id).provider_payment_id)
    # Its gateway id is unknown here: the reply of the create was lost too.
    assert payment_poll(runtime, budget()) == 1
    assert status(services, attempt_id) == "captured"
    assert corrected(services.engine) == {"poll": 1}


def test_poll_counts_no_correction_when_nothing_had_moved(
    runtime: Runtime, services: Services
) -> None:
    known(services, opened(services))
    assert payment_poll(runtime, budget()) == 1
    assert corrected(services.engine) == {}


def test_poll_waits_between_two_reads_of_one_payment(runtime: Runtime, services: Services) -> None:
    known(services, opened(services))
    assert [payment_poll(runtime, budget()) for _ in range(2)] == [1, 0]
    assert payment_poll(later(runtime, minutes=2), budget()) == 1


def test_poll_leaves_a_payment_alone_when_its_create_may_be_in_flight(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    attempt_id = opened(services, created_at=datetime.now(UTC))
    crowdsplit.pay(created(services, attempt_id).provider_payment_id)
    assert payment_poll(later(runtime, seconds=55), budget()) == 0
    assert payment_poll(later(runtime, seconds=65), budget()) == 1


def test_poll_leaves_a_payment_alone_when_its_webhook_may_be_on_its_way(
    runtime: Runtime, services: Services
) -> None:
    known(services, opened(services, created_at=datetime.now(UTC)))
    patient = replace(runtime, poll_gap=timedelta(seconds=60))
    assert payment_poll(later(patient, seconds=55), budget()) == 0
    assert payment_poll(later(patient, seconds=65), budget()) == 1


def test_poll_fails_an_attempt_when_its_gateway_never_got_it(
    runtime: Runtime, services: Services
) -> None:
    attempt_id = opened(services, created_at=NOW - timedelta(hours=2), expires_at=None)
    assert payment_poll(runtime, budget()) == 1
    assert status(services, attempt_id) == "failed"


def test_poll_ends_what_nobody_completed_in_a_week(runtime: Runtime, services: Services) -> None:
    old: dict[str, Any] = {"created_at": NOW - timedelta(days=7, minutes=1), "expires_at": None}
    abandoned, reserved = opened(services, **old), opened(services, **old)
    known(services, abandoned)
    known(services, reserved)
    change(services.engine, reserved, fiat_status="authorized")
    assert payment_poll(runtime, budget()) == 2
    assert [status(services, one) for one in (abandoned, reserved)] == ["expired", "authorized"]


def test_poll_finds_a_refund_that_was_made_at_the_gateway_after_the_capture(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    attempt_id = opened(services)
    payment = known(services, attempt_id)
    crowdsplit.pay(payment)
    assert payment_poll(runtime, budget()) == 1
    crowdsplit.control(f"/payments/{payment}/refund")
    assert payment_poll(runtime, budget()) == 0, "it waits an hour after the capture"
    assert payment_poll(later(runtime, hours=1, minutes=1), budget()) == 1
    with services.engine.connect() as connection:
        claim = connection.execute(select(payment_attempts.c.claim_status)).scalar_one()
    assert claim in {"refund_pending", "refunded"}
    assert corrected(services.engine) == {"poll": 2}


def test_poll_asks_about_late_money_for_three_days_past_the_expiry_of_an_old_payment(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    made = datetime.now(UTC) - timedelta(days=6)
    recent = opened(services, created_at=made, expires_at=datetime.now(UTC) - timedelta(minutes=1))
    over = opened(services, created_at=made, expires_at=made + timedelta(days=2))
    payment = known(services, recent)
    known(services, over)
    for one in (recent, over):
        change(services.engine, one, fiat_status="expired")
    assert payment_poll(runtime, budget()) == 2
    assert next_read_of(services.engine, over) is None
    crowdsplit.pay(payment)
    assert payment_poll(later(runtime, hours=2), budget()) == 1
    assert status(services, recent) == "late_paid"


def test_expiry_ends_an_unpaid_code_and_money_after_it_is_late(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    attempt_id = opened(services)
    payment = known(services, attempt_id)
    assert expire_pix(runtime, budget()) == 0
    assert [expire_pix(later(runtime, hours=2), budget()) for _ in range(2)] == [1, 0]
    assert status(services, attempt_id) == "expired"
    crowdsplit.pay(payment)
    assert payment_poll(later(runtime, hours=4), budget()) == 1
    assert status(services, attempt_id) == "late_paid"


def test_expiry_captures_when_the_money_came_in_time_unseen(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    attempt_id = opened(services)
    crowdsplit.pay(known(services, attempt_id))
    assert expire_pix(later(runtime, hours=2), budget()) == 0
    assert status(services, attempt_id) == "captured"


def test_expiry_is_postponed_when_the_gateway_cannot_be_asked(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    attempt_id = opened(services)
    known(services, attempt_id)
    crowdsplit.fault("/transactions", "status", times=3)
    assert expire_pix(later(runtime, hours=2), budget()) == 0
    assert status(services, attempt_id) == "awaiting"
    assert expire_pix(later(runtime, hours=2, minutes=2), budget()) == 1


def test_attempts_wait_when_their_gateway_is_not_configured_any_more(
    runtime: Runtime, services: Services
) -> None:
    attempt_id = opened(services, created_at=NOW - timedelta(days=1), gateway="closed")
    for sweep in (payment_poll, expire_pix):
        assert sweep(later(runtime, days=1), budget()) == 0
    assert status(services, attempt_id) == "created"


def test_poll_reads_the_others_when_one_gateway_is_away(
    runtime: Runtime,
    services: Services,
    crowdsplit: FakeCrowdSplit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(polling, "POLL_MAX", 20)
    both = replace(services, gateways={**services.gateways, "away": away(crowdsplit)})
    for _ in range(30):
        unreachable = opened(services, gateway="away", provider_payment_id=str(uuid.uuid4()))
        change(services.engine, unreachable, next_read_at=NOW - timedelta(hours=1))
    paid = opened(services)
    crowdsplit.pay(known(services, paid))
    assert payment_poll(replace(runtime, services=both), budget()) == UNANSWERED_MAX + 1
    assert status(services, paid) == "captured"


class OddGateway(CrowdSplit):
    """Fails on one payment in a way that nobody foresaw."""

    odd: str = ""

    @override
    def read_payment(self, provider_payment_id: str) -> Observation | None:
        if provider_payment_id == self.odd:
            raise httpx.InvalidURL("unforeseen")
        return super().read_payment(provider_payment_id)


@pytest.mark.parametrize("sweep", [payment_poll, expire_pix])
def test_one_odd_payment_stops_no_other(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit, sweep: Any
) -> None:
    gateway = OddGateway(crowdsplit.caller())
    over: dict[str, Any] = (
        {} if sweep is payment_poll else {"expires_at": NOW - timedelta(minutes=1)}
    )
    odd, good = opened(services, **over), opened(services, **over)
    gateway.odd = known(services, odd)
    crowdsplit.pay(known(services, good))
    change(services.engine, odd, next_read_at=NOW - timedelta(hours=1))
    sweep(replace(runtime, services=replace(services, gateways={"crowdsplit": gateway})), budget())
    assert [status(services, one) for one in (odd, good)] == ["awaiting", "captured"]
    assert sweep(later(runtime, minutes=2), budget()) == 1, "the odd one is tried again soon"


def test_poll_is_bounded_and_leaves_the_rest_due_when_its_time_is_over(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    payments = [known(services, opened(services)) for _ in range(3)]
    moments = iter([0.0, 0.0, 99.0])
    short = Budget(30, monotonic=lambda: next(moments), started=0.0)
    assert payment_poll(runtime, short) == 1
    rest = later(runtime, seconds=LEASE.total_seconds() + 1)
    assert payment_poll(rest, budget()) == 3
    assert sorted(reads_of(crowdsplit, payment) for payment in payments) == [1, 1, 2]


def test_poll_reads_no_more_than_its_bound_in_one_run(
    runtime: Runtime, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "POLL_MAX", 2)
    monkeypatch.setattr(polling, "CLAIM_CHUNK", 2)
    for _ in range(3):
        known(services, opened(services))
    assert [payment_poll(runtime, budget()) for _ in range(2)] == [2, 1]


def test_each_payment_is_read_once_when_two_workers_poll_at_once(
    runtime: Runtime,
    services: Services,
    crowdsplit: FakeCrowdSplit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(polling, "CLAIM_CHUNK", 2)
    payments = [known(services, opened(services)) for _ in range(8)]
    with ThreadPoolExecutor(2) as pool:
        read = list(pool.map(lambda _: payment_poll(runtime, budget()), range(2)))
    assert sum(read) == 8
    assert [reads_of(crowdsplit, payment) for payment in payments] == [1] * 8


def test_a_payment_is_due_again_after_its_lease_when_its_worker_died(
    runtime: Runtime, services: Services
) -> None:
    attempt_id = opened(services)
    known(services, attempt_id)
    now = datetime.now(UTC)
    with services.engine.begin() as connection:
        taken = claim_due(connection, ANY, gateways=["crowdsplit"], now=now, limit=10)
    assert [one.id for one in taken] == [attempt_id]  # and the worker dies here
    assert payment_poll(runtime, budget()) == 0
    assert payment_poll(later(runtime, seconds=LEASE.total_seconds() + 1), budget()) == 1


def test_a_claim_has_a_payment_read_again_that_had_been_left_alone(services: Services) -> None:
    """Survives: the webhook that tells what became of a late refund never comes."""
    attempt_id = opened(services)
    refund = RefundSeen("re_1", None, "pending", FIFTY.minor)
    for observation in (seen(attempt_id), seen(attempt_id, refunds=(refund,))):
        change(services.engine, attempt_id, next_read_at=None)
        with services.engine.begin() as connection:
            apply(connection, attempt_id, observation, context=context())
        planned = next_read_of(services.engine, attempt_id)
        assert planned is not None
        assert timedelta(minutes=55) < planned - datetime.now(UTC) <= timedelta(hours=1)
