"""Webhooks in every wrong order, and workers that die half way."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, func, select, update
from typing_extensions import override

from offchain.gateways.crowdsplit import CrowdSplit
from offchain.gateways.types import Observation
from offchain.inbox.store import InboxId, store
from offchain.inbox.working import Result, backoff, claim, work
from offchain.services import Services
from offchain.tables import inbox, ledger_transfers, payment_attempts
from tests.offchain.gateways.test_gateway_suite import new_payment
from tests.support.crowdsplit import FakeCrowdSplit
from tests.support.offchain import add_attempt, add_campaign, add_pledge, attempt, count


def receive(engine: Engine, event: str = "payment.captured", **data: Any) -> InboxId:
    body = json.dumps({"id": str(uuid.uuid4()), "event": event, "data": data}).encode()
    with engine.begin() as connection:
        key = str(uuid.uuid4())
        return store(connection, gateway="crowdsplit", event_key=key, body=body, headers={}).id


def work_all(services: Services) -> list[Result]:
    with services.engine.begin() as connection:
        claimed = claim(connection, limit=100)
    return [work(services, event) for event in claimed]


def state(engine: Engine, inbox_id: InboxId) -> tuple[str, str | None]:
    with engine.connect() as connection:
        query = select(inbox.c.state, inbox.c.error).where(inbox.c.id == inbox_id)
        row = connection.execute(query).one()
    return row.state, row.error


def make_due(engine: Engine, **columns: Any) -> None:
    with engine.begin() as connection:
        connection.execute(update(inbox).values(next_try_at=func.now(), **columns))


def created(services: Services, attempt_id: uuid.UUID) -> Observation:
    return services.gateways["crowdsplit"].create_payment(new_payment(attempt_id=attempt_id))


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
    assert state(services.engine, inbox_id) == ("done", None)


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
    assert state(services.engine, inbox_id)[0] == "unmatched"
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
    assert state(services.engine, inbox_id) == ("new", "GatewayUnavailable")
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
    assert state(services.engine, inbox_id) == ("done", None)


def test_event_is_given_up_visibly_when_it_matched_nothing_for_three_days(
    services: Services,
) -> None:
    inbox_id = receive(services.engine, id=str(uuid.uuid4()))
    later = datetime.now(UTC) + timedelta(days=3, minutes=1)
    assert work_all(replace(services, clock=lambda: later)) == ["dead"]
    assert state(services.engine, inbox_id) == ("dead", "the gateway knows no such payment")
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
    gateway = OddGateway(crowdsplit.adapter()._session)
    gateway.odd = str(uuid.uuid4())
    odd = replace(services, gateways={"crowdsplit": gateway})
    failing, good = receive(services.engine, id=gateway.odd), receive(services.engine, id=payment)
    assert work_all(odd) == ["later", "applied"]
    assert state(services.engine, failing) == ("new", "InvalidURL")
    assert state(services.engine, good) == ("done", None)
    make_due(services.engine, received_at=datetime.now(UTC) - timedelta(days=3, minutes=1))
    assert work_all(odd) == ["dead"]
    assert state(services.engine, failing) == ("dead", "InvalidURL")


@pytest.mark.parametrize("odd", ["../merchant/webhooks", "\0", "a b", "x" * 70_000])
def test_event_is_kept_as_unmatched_when_its_payment_id_is_none_of_the_gateways(
    services: Services, odd: str
) -> None:
    inbox_id = receive(services.engine, id=odd)
    assert work_all(services) == ["unmatched"]
    assert state(services.engine, inbox_id)[1] == "the gateway knows no such payment"


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
    assert state(services.engine, inbox_id)[1] == "no such gateway is configured"


def test_backoff_doubles_up_to_an_hour() -> None:
    assert [backoff(tries).total_seconds() for tries in (1, 2, 3, 12, 13, 99)] == [
        1,
        2,
        4,
        2048,
        3600,
        3600,
    ]
