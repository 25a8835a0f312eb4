"""Refunds reach their gateways whoever asked for them and whatever was lost on the way."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, func, update

from offchain.claim_tables import refunds
from offchain.jobs.runtime import Runtime
from offchain.jobs.sweeps import refunds as sweeps_refunds
from offchain.jobs.sweeps.polling import payment_poll
from offchain.jobs.sweeps.refunds import refund_sweep
from offchain.payments.refunding import send_refund
from offchain.services import Services
from tests.support.claims import ask_back, refund_rows
from tests.support.crowdsplit import FakeCrowdSplit
from tests.support.jobs import budget, known, opened, status


@pytest.fixture
def paid(runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit) -> tuple[uuid.UUID, str]:
    """A captured payment, and its id at the gateway."""
    attempt_id = opened(services)
    payment = known(services, attempt_id)
    crowdsplit.pay(payment)
    payment_poll(runtime, budget())
    assert status(services, attempt_id) == "captured"
    return attempt_id, payment


def sent(crowdsplit: FakeCrowdSplit, payment: str) -> int:
    return len(crowdsplit.calls("POST", f"/payments/{payment}/refund"))


def make_due(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(update(refunds).values(next_try_at=func.now()))


def test_refund_is_sent_once_when_the_sweep_runs_twice(
    runtime: Runtime,
    services: Services,
    crowdsplit: FakeCrowdSplit,
    paid: tuple[uuid.UUID, str],
) -> None:
    attempt_id, payment = paid
    ask_back(services.engine, attempt_id, 2000)
    assert [refund_sweep(runtime, budget()) for _ in range(2)] == [1, 0]
    assert sent(crowdsplit, payment) == 1
    ((origin, state, minor),) = refund_rows(services.engine, attempt_id)
    assert (origin, minor) == ("operator", 2000)
    assert state in {"pending", "succeeded"}


def test_refund_is_made_once_at_the_gateway_when_every_answer_was_lost(
    runtime: Runtime,
    services: Services,
    crowdsplit: FakeCrowdSplit,
    paid: tuple[uuid.UUID, str],
) -> None:
    attempt_id, payment = paid
    ask_back(services.engine, attempt_id, 2000)
    crowdsplit.fault(f"/payments/{payment}/refund", "reset_after", method="POST", times=3)
    assert refund_sweep(runtime, budget()) == 1
    assert refund_rows(services.engine, attempt_id) == [("operator", "requested", 2000)]
    make_due(services.engine)
    assert refund_sweep(runtime, budget()) == 1
    (row,) = [one for one in crowdsplit.totals()["payments"] if one["id"].endswith(payment)]
    assert row["refunded_amount"] in {0, 2000}, "once, or still on its way"
    seen = services.gateways["crowdsplit"].read_payment(payment)
    assert seen is not None
    assert [refund.minor for refund in seen.refunds] == [2000]


def test_refunds_go_out_once_each_when_two_workers_sweep(
    runtime: Runtime,
    services: Services,
    crowdsplit: FakeCrowdSplit,
    paid: tuple[uuid.UUID, str],
) -> None:
    attempt_id, payment = paid
    for _ in range(5):
        ask_back(services.engine, attempt_id, 1000)
    with ThreadPoolExecutor(2) as pool:
        tried = list(pool.map(lambda _: refund_sweep(runtime, budget()), range(2)))
    assert sum(tried) == 5
    assert sent(crowdsplit, payment) == 5


def test_one_odd_refund_stops_no_other(
    runtime: Runtime,
    services: Services,
    paid: tuple[uuid.UUID, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attempt_id, _ = paid
    odd, good = (ask_back(services.engine, attempt_id, 1000) for _ in range(2))

    def send(of: Services, refund_id: uuid.UUID) -> None:
        if refund_id == odd:
            raise ValueError("unforeseen")
        send_refund(of, refund_id)

    monkeypatch.setattr(sweeps_refunds, "send_refund", send)
    assert refund_sweep(runtime, budget()) == 2
    assert good != odd
    assert sorted(state == "requested" for _, state, _ in refund_rows(services.engine, attempt_id))
    make_due(services.engine)
    monkeypatch.undo()
    assert refund_sweep(runtime, budget()) == 1
