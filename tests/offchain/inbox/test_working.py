"""Webhooks in every wrong order, and workers that die half way."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, func, select, update
from structlog.testing import capture_logs
from typing_extensions import override

from offchain.gateways.crowdsplit.adapter import CrowdSplit
from offchain.gateways.errors import GatewayRefused
from offchain.gateways.types import Observation
from offchain.inbox.working import Result, backoff, claim, work
from offchain.ledger.tables import ledger_transfers
from offchain.services import Services
from offchain.tables import inbox, payment_attempts
from tests.support.crowdsplit import FakeCrowdSplit
from tests.support.jobs import created, known, receive, state_of
from tests.support.offchain import add_attempt, add_campaign, add_pledge, attempt, count


def work_all(services: Services) -> list[Result]:
    with services.engine.begin() as connection:
        claimed = claim(connection, limit=100)
    return [work(services, event) for event in claimed]


def make_due(engine: Engine, **columns: Any) -> None:
    with engine.begin() as connection:
        connection.execute(update(inbox).values(next_try_at=func.now(), **columns))


@pytest.fixture
def attempt_id(engine: Engine) -> uuid.UUID:
    return add_attempt(engine, add_pledge(engine, add_campaign(engine)))


def test_event_captures_when_the_gateway_confirms_it(
    services: Services, crowdsplit: FakeCrowdSplit, attempt_id: uuid.UUID
) -> None:
    payment = created(services, attempt_id).provider_payment_id
    crowdsplit.pay(payment)
    inbox_id = receive(services.engine, id=f"pay_{payment}")
    assert work_all(services) == ["applied"]
    assert attempt(services.engine, attempt_id).fiat_status == "captured"
    assert state_of(services.engine, inbox_id) == ("done", None)


def test_event_captures_nothing_when_only_the_webhook_says_so(
    services: Services, attempt_id: uuid.UUID
) -> None:
    payment = created(services, attempt_id).provider_payment_id
    receive(services.engine, id=f"pay_{payment}", status="captured")
    assert work_all(services) == ["applied"]
    assert attempt(services.engine, attempt_id).fiat_status == "awaiting"


def test_event_is_kept_and_lands_when_it_came_before_the_row(
    services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    early = uuid.uuid4()
    payment = created(services, early).provider_payment_id
    crowdsplit.pay(payment)
    inbox_id = receive(services.engine, id=f"pay_{payment}")
    assert work_all(services) == ["unmatched"]
    assert state_of(services.engine, inbox_id)[0] == "unmatched"
    pledge_id = add_pledge(services.engine, add_campaign(services.engine))
    add_attempt(services.engine, pledge_id, id=early)
    make_due(services.engine)
    assert work_all(services) == ["applied"]
    assert attempt(services.engine, early).fiat_status == "captured"


def test_event_is_tried_later_when_the_gateway_is_away(
    services: Services, crowdsplit: FakeCrowdSplit, attempt_id: uuid.UUID
) -> None:
    payment = created(services, attempt_id).provider_payment_id
    inbox_id = receive(services.engine, id=payment)
    crowdsplit.fault("/transactions/", "status", times=3)
    assert work_all(services) == ["later"]
    assert state_of(services.engine, inbox_id) == ("new", "GatewayUnavailable")
    assert work_all(services) == []
    make_due(services.engine)
    assert work_all(services) == ["applied"]


def test_event_is_due_again_when_its_worker_died_after_claiming_it(
    services: Services, attempt_id: uuid.UUID
) -> None:
    receive(services.engine, id=created(services, attempt_id).provider_payment_id)
    with services.engine.begin() as connection:
        assert len(claim(connection, limit=10)) == 1  # and the worker dies here
    assert work_all(services) == []
    make_due(services.engine)  # the lease ends
    assert work_all(services) == ["applied"]


def test_events_have_one_effect_when_two_workers_sweep_at_once(
    services: Services, crowdsplit: FakeCrowdSplit, attempt_id: uuid.UUID
) -> None:
    payment = created(services, attempt_id).provider_payment_id
    crowdsplit.pay(payment)
    for _ in range(6):
        receive(services.engine, id=payment)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(work_all, [services, services]))
    assert sorted(both[0] + both[1]) == ["applied"] * 6
    with services.engine.connect() as connection:
        assert count(connection, ledger_transfers) == 2


def test_event_needs_nothing_when_it_is_not_about_a_payment(services: Services) -> None:
    inbox_id = receive(services.engine, "customer.created", id="cus_1")
    assert work_all(services) == ["nothing_to_do"]
    assert state_of(services.engine, inbox_id) == ("done", None)


def test_event_is_given_up_visibly_when_it_matched_nothing_for_three_days(
    services: Services,
) -> None:
    inbox_id = receive(services.engine, id=str(uuid.uuid4()))
    later = datetime.now(UTC) + timedelta(days=3, minutes=1)
    assert work_all(replace(services, clock=lambda: later)) == ["dead"]
    assert state_of(services.engine, inbox_id) == ("dead", "the gateway knows no such payment")
    make_due(services.engine)
    assert work_all(services) == []


class OddGateway(CrowdSplit):
    """Fails on one payment in a way that nobody foresaw."""

    odd: str = ""

    @override
    def read_payment(self, provider_payment_id: str) -> Observation | None:
        if provider_payment_id == self.odd:
            raise httpx.InvalidURL("unforeseen")
        return super().read_payment(provider_payment_id)


def test_events_are_worked_off_and_one_becomes_dead_when_it_fails_unforeseen(
    services: Services, crowdsplit: FakeCrowdSplit, attempt_id: uuid.UUID
) -> None:
    payment = created(services, attempt_id).provider_payment_id
    gateway = OddGateway(crowdsplit.caller())
    gateway.odd = str(uuid.uuid4())
    odd = replace(services, gateways={"crowdsplit": gateway})
    failing, good = receive(services.engine, id=gateway.odd), receive(services.engine, id=payment)
    assert work_all(odd) == ["later", "applied"]
    assert state_of(services.engine, failing) == ("new", "InvalidURL")
    assert state_of(services.engine, good) == ("done", None)
    make_due(services.engine, received_at=datetime.now(UTC) - timedelta(days=3, minutes=1))
    assert work_all(odd) == ["dead"]
    assert state_of(services.engine, failing) == ("dead", "InvalidURL")


@pytest.mark.parametrize("odd", ["../merchant/webhooks", "\0", "a b", "x" * 70_000])
def test_event_asks_its_gateway_nothing_when_its_payment_id_can_be_none_of_theirs(
    services: Services, crowdsplit: FakeCrowdSplit, odd: str
) -> None:
    inbox_id = receive(services.engine, id=odd)
    before = len(crowdsplit.all_calls())
    assert work_all(services) == ["nothing_to_do"]
    assert state_of(services.engine, inbox_id) == ("done", None)
    assert len(crowdsplit.all_calls()) == before


@pytest.mark.parametrize("is_id_known", [True, False])
def test_event_is_read_again_by_our_attempt_when_it_names_no_payment(
    services: Services, crowdsplit: FakeCrowdSplit, attempt_id: uuid.UUID, *, is_id_known: bool
) -> None:
    payment = created(services, attempt_id).provider_payment_id
    if is_id_known:
        with services.engine.begin() as connection:
            connection.execute(update(payment_attempts).values(provider_payment_id=payment))
    crowdsplit.pay(payment)
    receive(services.engine, metadata={"lastro_attempt_id": str(attempt_id)})
    assert work_all(services) == ["applied"]
    assert attempt(services.engine, attempt_id).fiat_status == "captured"


def test_event_is_kept_when_it_names_an_attempt_that_is_not_there_yet(services: Services) -> None:
    receive(services.engine, metadata={"lastro_attempt_id": str(uuid.uuid4())})
    assert work_all(services) == ["unmatched"]


def test_event_is_kept_when_its_gateway_is_not_configured(services: Services) -> None:
    inbox_id = receive(services.engine, id="x")
    assert work_all(replace(services, gateways={})) == ["unmatched"]
    assert state_of(services.engine, inbox_id)[1] == "no such gateway is configured"


def test_backoff_doubles_up_to_ten_minutes() -> None:
    waits = [backoff(tries).total_seconds() for tries in (1, 2, 3, 10, 11, 99)]
    assert waits == [1, 2, 4, 512, 600, 600]


@pytest.mark.parametrize(
    ("age", "pause"),
    [
        (timedelta(0), timedelta(minutes=1)),
        (timedelta(hours=3), timedelta(hours=3)),
        (timedelta(days=2), timedelta(days=1)),
    ],
)
def test_unmatched_event_waits_as_long_as_it_has_waited_from_a_minute_to_a_day(
    services: Services, age: timedelta, pause: timedelta
) -> None:
    receive(services.engine, id=str(uuid.uuid4()))
    make_due(services.engine, received_at=datetime.now(UTC) - age, tries=11)
    assert work_all(services) == ["unmatched"]
    with services.engine.connect() as connection:
        planned = connection.execute(select(inbox.c.next_try_at)).scalar_one()
    assert abs(planned - datetime.now(UTC) - pause) < timedelta(seconds=30)


@pytest.mark.parametrize("claim", ["refund", "dispute"])
def test_event_about_a_claim_has_its_payment_read_again(
    services: Services, crowdsplit: FakeCrowdSplit, attempt_id: uuid.UUID, claim: str
) -> None:
    payment = known(services, attempt_id)
    crowdsplit.pay(payment)
    receive(services.engine, id=payment)
    assert work_all(services) == ["applied"]
    if claim == "refund":
        made = crowdsplit.control(f"/payments/{payment}/refund")
        data = {"id": made["id"], "type": "refund", "reference_transaction_id": payment}
        receive(services.engine, "payment.refund.created", **data)
    else:
        crowdsplit.control(f"/payments/{payment}/dispute", outcome="open")
        disputed = {"id": str(uuid.uuid4()), "status": "open", "payment": {"id": payment}}
        receive(services.engine, "payment.disputed", **disputed)
    assert work_all(services) == ["applied"]
    status = attempt(services.engine, attempt_id).claim_status
    assert status in ({"refund_pending", "refunded"} if claim == "refund" else {"disputed"})


def test_event_that_nobody_knows_is_done_and_has_its_payment_read_all_the_same(
    services: Services, crowdsplit: FakeCrowdSplit, attempt_id: uuid.UUID
) -> None:
    payment = known(services, attempt_id)
    crowdsplit.pay(payment)
    known_payment = receive(services.engine, "payment.teleported", id=payment)
    nothing = receive(services.engine, "moon.landed")
    assert work_all(services) == ["applied", "nothing_to_do"]
    assert attempt(services.engine, attempt_id).fiat_status == "captured"
    assert [state_of(services.engine, one)[0] for one in (known_payment, nothing)] == ["done"] * 2


def test_event_is_not_matched_to_an_attempt_of_another_gateway(
    services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    pledge_id = add_pledge(services.engine, add_campaign(services.engine))
    other = add_attempt(services.engine, pledge_id, gateway="stripe")
    payment = created(services, other).provider_payment_id
    crowdsplit.pay(payment)
    inbox_id = receive(services.engine, id=payment)
    assert work_all(services) == ["unmatched"]
    assert attempt(services.engine, other).fiat_status == "created"
    assert state_of(services.engine, inbox_id)[1] == "no attempt of ours has this payment"


def test_event_waits_with_its_reason_when_that_cannot_be_kept_as_it_is(
    services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    """Survives: a fault whose words Postgres cannot hold would stop every event behind it."""

    class Babbling(CrowdSplit):
        @override
        def read_payment(self, provider_payment_id: str) -> Observation | None:
            raise GatewayRefused("crowdsplit", 400, "\0\ud800" + "x" * 10_000)

    babbling = replace(services, gateways={"crowdsplit": Babbling(crowdsplit.caller())})
    inbox_id = receive(services.engine, id=str(uuid.uuid4()))
    assert work_all(babbling) == ["later"]
    state, error = state_of(services.engine, inbox_id)
    assert state == "new"
    assert error is not None
    assert error.startswith("GatewayRefused: crowdsplit refused the request: HTTP 400 ?xxx")


def test_event_says_so_when_the_gateway_uses_a_word_that_nobody_knows(
    services: Services, crowdsplit: FakeCrowdSplit, attempt_id: uuid.UUID
) -> None:
    class Modern(CrowdSplit):
        @override
        def read_payment(self, provider_payment_id: str) -> Observation | None:
            seen = super().read_payment(provider_payment_id)
            return seen and replace(seen, effect="unknown", provider_status="teleported")

    modern = replace(services, gateways={"crowdsplit": Modern(crowdsplit.caller())})
    receive(services.engine, id=known(services, attempt_id))
    with capture_logs() as logs:
        assert work_all(modern) == ["applied"]
    assert attempt(services.engine, attempt_id).fiat_status == "awaiting"
    told = [entry for entry in logs if entry["event"] == "gateway_status_unknown"]
    assert [entry["provider_status"] for entry in told] == ["teleported"]
