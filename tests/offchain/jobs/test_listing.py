"""A gateway's own list finds what no webhook told, and keeps in sight what is nobody's."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise, repeat
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update
from typing_extensions import override

from offchain.claim_tables import recon_cursors
from offchain.gateways.errors import GatewayUnavailable
from offchain.gateways.types import Observation
from offchain.jobs.runtime import Budget, Runtime
from offchain.jobs.sweeps import listing
from offchain.jobs.sweeps.listing import list_walk, read_listed
from offchain.reconciliation.listing import LEASE, claim_listed
from offchain.reconciliation.tables import corrections, listed_payments
from offchain.reconciliation.walking import FIRST_LOOK_BACK, OVERLAP, WINDOW_MAX, walk
from offchain.services import Services
from tests.support.crowdsplit import FakeCrowdSplit, running_fake
from tests.support.jobs import away, budget, created, known, later, make_runtime, opened, status
from tests.support.offchain import NOW, attempt


@pytest.fixture(scope="module")
def own_fake(server_directory: Path) -> Iterator[FakeCrowdSplit]:
    """A gateway that lists only what these tests made."""
    with running_fake(server_directory) as fake:
        yield fake


@pytest.fixture
def crowdsplit(own_fake: FakeCrowdSplit) -> FakeCrowdSplit:
    own_fake.calm()
    return own_fake


def rows(engine: Engine) -> dict[str, Any]:
    with engine.connect() as connection:
        found = connection.execute(select(listed_payments)).mappings()
        return {row["provider_payment_id"]: row for row in found}


def cursor(engine: Engine) -> datetime | None:
    with engine.connect() as connection:
        return connection.execute(select(recon_cursors.c.high_water)).scalar_one_or_none()


def make_due(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(update(listed_payments).values(next_try_at=func.now()))


def corrected(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        found = connection.execute(select(corrections.c.found_by, corrections.c["count"]))
        return {row[0]: row[1] for row in found}


@dataclass
class ListingGateway:
    """A gateway whose list the test writes; what it shows, the test decides."""

    pages: list[Any]
    """Ids, or an error to raise between two of them."""
    shows: dict[str, Observation] = field(default_factory=dict)
    asked: list[tuple[datetime, datetime]] = field(default_factory=list)
    """From when to when, each time."""
    name: str = "crowdsplit"

    def changed_payments(self, *, since: datetime, until: datetime) -> Iterator[str]:
        self.asked.append((since, until))
        for one in self.pages:
            if isinstance(one, Exception):
                raise one
            yield one

    def read_payment(self, provider_payment_id: str) -> Observation | None:
        return self.shows.get(provider_payment_id)


def with_list(services: Services, *pages: Any) -> tuple[Services, ListingGateway]:
    gateway = ListingGateway(list(pages))
    gateways: Any = {"crowdsplit": gateway}
    return replace(services, gateways=gateways), gateway


def test_list_captures_what_webhook_and_poll_missed(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    attempt_id = opened(services)
    crowdsplit.pay(known(services, attempt_id))
    assert list_walk(runtime, budget()) == 1
    assert read_listed(runtime, budget()) >= 1
    assert status(services, attempt_id) == "captured"
    assert corrected(services.engine) == {"list": 1}
    assert attempt(services.engine, attempt_id).provider_payment_id not in rows(services.engine)


def test_list_counts_no_correction_when_all_was_known(runtime: Runtime, services: Services) -> None:
    known(services, opened(services))
    list_walk(runtime, budget())
    assert read_listed(runtime, budget()) >= 1
    assert corrected(services.engine) == {}


def test_list_finds_the_attempt_whose_create_answer_was_lost(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    attempt_id = opened(services)
    payment = created(services, attempt_id).provider_payment_id
    crowdsplit.pay(payment)
    list_walk(runtime, budget())
    read_listed(runtime, budget())
    row = attempt(services.engine, attempt_id)
    assert (row.fiat_status, row.provider_payment_id) == ("captured", payment)


def test_list_leaves_an_attempt_alone_whose_create_may_be_in_flight(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    attempt_id = opened(services, created_at=datetime.now(UTC))
    payment = created(services, attempt_id).provider_payment_id
    crowdsplit.pay(payment)
    list_walk(runtime, budget())
    read_listed(runtime, budget())
    assert status(services, attempt_id) == "created"
    assert rows(services.engine)[payment]["state"] == "listed", "it is kept for later"
    make_due(services.engine)
    read_listed(later(runtime, seconds=61), budget())
    assert status(services, attempt_id) == "captured"


def test_a_listed_payment_that_nobody_has_stays_in_sight_with_its_money(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    payment = created(services, uuid.uuid4())
    crowdsplit.pay(payment.provider_payment_id)
    list_walk(runtime, budget())
    read_listed(runtime, budget())
    row = rows(services.engine)[payment.provider_payment_id]
    assert (row["state"], row["effect"], row["amount_minor"], row["currency"]) == (
        "unmatched",
        "captured",
        5000,
        "brl",
    )
    assert row["reason"] == "no attempt of ours has it"
    assert row["next_try_at"] > datetime.now(UTC)


def test_an_unmatched_payment_is_matched_once_its_attempt_is_there(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    early = uuid.uuid4()
    payment = created(services, early).provider_payment_id
    crowdsplit.pay(payment)
    list_walk(runtime, budget())
    read_listed(runtime, budget())
    opened(services, id=early)
    make_due(services.engine)
    read_listed(runtime, budget())
    assert status(services, early) == "captured"
    assert payment not in rows(services.engine)


def test_an_unmatched_payment_is_given_up_after_three_days_and_stays_in_sight(
    services: Services,
) -> None:
    listing_services, _ = with_list(services, "p1")
    runtime = make_runtime(listing_services)
    list_walk(runtime, budget())
    read_listed(later(runtime, days=3, minutes=1), budget())
    row = rows(services.engine)["p1"]
    assert (row["state"], row["next_try_at"]) == ("unmatched", None)
    assert row["reason"] == "the gateway shows it no more"
    list_walk(runtime, budget())
    assert rows(services.engine)["p1"]["next_try_at"] is not None, "it changed there"


def test_a_dismissed_payment_is_not_read_again(services: Services) -> None:
    listing_services, _ = with_list(services, "p1")
    runtime = make_runtime(listing_services)
    list_walk(runtime, budget())
    with services.engine.begin() as connection:
        connection.execute(update(listed_payments).values(state="dismissed"))
    list_walk(runtime, budget())
    assert read_listed(runtime, budget()) == 0
    assert rows(services.engine)["p1"]["state"] == "dismissed"


def test_walk_begins_an_overlap_before_where_the_last_one_began(services: Services) -> None:
    moment = NOW
    listing_services, gateway = with_list(services, "p1")
    listing_services = replace(listing_services, clock=lambda: moment)
    for ahead in (timedelta(0), timedelta(minutes=5)):
        moment = NOW + ahead
        list_walk(make_runtime(listing_services), budget())
        assert cursor(services.engine) == moment
    assert gateway.asked[-1] == (NOW - OVERLAP, NOW + timedelta(minutes=5))


def test_cursor_stays_and_what_was_listed_is_kept_when_a_walk_breaks_off(
    services: Services,
) -> None:
    listing_services, gateway = with_list(services, *map(str, range(150)))
    gateway.pages.append(GatewayUnavailable("gone"))
    assert list_walk(make_runtime(listing_services), budget()) == 0
    assert cursor(services.engine) is None
    assert len(rows(services.engine)) == 100, "whole pages"
    gateway.pages.pop()
    assert list_walk(make_runtime(listing_services), budget()) == 1
    assert cursor(services.engine) is not None
    assert len(rows(services.engine)) == 150


def test_cursor_stays_when_a_walk_takes_too_long(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "WALK_SECONDS_MAX", 10)
    moments = chain([0.0], repeat(99.0))
    short = Budget(10, monotonic=lambda: next(moments))
    monkeypatch.setattr(listing, "Budget", lambda *_, **__: replace(short, started=0.0))
    listing_services, _ = with_list(services, *map(str, range(150)))
    listing_services = replace(listing_services, clock=lambda: NOW)
    assert list_walk(make_runtime(listing_services), budget()) == 0
    assert cursor(services.engine) == NOW - FIRST_LOOK_BACK


def test_walk_that_takes_too_long_goes_on_where_it_stopped(services: Services) -> None:
    """After a long outage, however little time each run has."""
    listing_services, gateway = with_list(services, "p1")
    listing_services = replace(listing_services, clock=lambda: NOW)
    walker: Any = gateway
    answers = chain([False, False], repeat(True))
    assert walk(listing_services, walker, is_time_over=lambda: next(answers)) == "unfinished"
    stopped = NOW - FIRST_LOOK_BACK + WINDOW_MAX
    assert cursor(services.engine) == stopped
    gateway.asked.clear()
    assert walk(listing_services, walker, is_time_over=lambda: False) == "walked"
    assert gateway.asked[0] == (stopped - OVERLAP, stopped + WINDOW_MAX)
    assert all(since == before - OVERLAP for (_, before), (since, _) in pairwise(gateway.asked))
    assert cursor(services.engine) == gateway.asked[-1][1] == NOW


def test_walk_asks_the_time_though_nothing_is_listed(services: Services) -> None:
    listing_services, gateway = with_list(services)
    listing_services = replace(listing_services, clock=lambda: NOW)
    walker: Any = gateway
    assert walk(listing_services, walker, is_time_over=lambda: True) == "unfinished"
    assert len(gateway.asked) == 1


def test_walk_takes_half_as_much_at_once_after_what_no_run_could_finish(
    services: Services,
) -> None:
    listing_services, gateway = with_list(services, "p1")
    listing_services = replace(listing_services, clock=lambda: NOW)
    walker: Any = gateway
    for _ in range(2):
        assert walk(listing_services, walker, is_time_over=lambda: True) == "unfinished"
    assert walk(listing_services, walker, is_time_over=lambda: False) == "walked"
    sizes = [until - since - OVERLAP for since, until in gateway.asked]
    assert sizes[:5] == [WINDOW_MAX, WINDOW_MAX / 2, WINDOW_MAX / 4, WINDOW_MAX / 2, WINDOW_MAX]
    assert cursor(services.engine) == NOW


def test_one_odd_list_stops_no_other(services: Services) -> None:
    listing_services, odd = with_list(services, ValueError("unforeseen"))
    good = ListingGateway(["p1"], name="stripe")
    gateways: Any = {"crowdsplit": odd, "stripe": good}
    runtime = make_runtime(replace(listing_services, gateways=gateways))
    assert list_walk(runtime, budget()) == 1
    assert list(rows(services.engine)) == ["p1"]


def test_a_list_is_walked_by_one_worker_at_a_time(services: Services) -> None:
    entered, leave = Event(), Event()

    class Slow(ListingGateway):
        @override
        def changed_payments(self, *, since: datetime, until: datetime) -> Iterator[str]:
            entered.set()
            assert leave.wait(10)
            yield from super().changed_payments(since=since, until=until)

    slow: Any = Slow(["p1"])
    quick, _ = with_list(services, "p2")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(walk, services, slow, is_time_over=lambda: False)
        assert entered.wait(10)
        held = walk(services, quick.gateways["crowdsplit"], is_time_over=lambda: False)
        leave.set()
        assert (held, first.result()) == ("held", "walked")
    again = walk(services, quick.gateways["crowdsplit"], is_time_over=lambda: False)
    assert again == "walked", "the lock is let go"


def test_each_listed_payment_is_read_once_when_two_workers_read(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "CLAIM_CHUNK", 2)
    listing_services, _ = with_list(services, *map(str, range(12)))
    runtime = make_runtime(listing_services)
    list_walk(runtime, budget())
    with ThreadPoolExecutor(2) as pool:
        read = list(pool.map(lambda _: read_listed(runtime, budget()), range(2)))
    assert sum(read) == 12
    assert {row["tries"] for row in rows(services.engine).values()} == {1}


def test_a_change_listed_while_its_payment_is_being_read_is_read_too(services: Services) -> None:
    """Survives: the payment changes, and is listed anew, between our read and our commit."""
    attempt_id = opened(services)
    payment = known(services, attempt_id)
    listing_services, _ = with_list(services, payment)
    real = services.gateways["crowdsplit"]
    runtime = make_runtime(listing_services)
    list_walk(runtime, budget())

    class Relisting(ListingGateway):
        @override
        def read_payment(self, provider_payment_id: str) -> Observation | None:
            seen = real.read_payment(provider_payment_id)
            list_walk(runtime, budget())
            return seen

    gateways: Any = {"crowdsplit": Relisting([])}
    read_listed(make_runtime(replace(services, gateways=gateways)), Budget(30))
    assert payment in rows(services.engine)


def test_a_listed_payment_is_due_again_after_its_lease_when_its_worker_died(
    services: Services,
) -> None:
    listing_services, _ = with_list(services, "p1")
    runtime = make_runtime(listing_services)
    list_walk(runtime, budget())
    with services.engine.begin() as connection:
        (taken,) = claim_listed(connection, ["crowdsplit"], limit=10)  # and the worker dies here
    assert timedelta(0) < taken.lease_until - datetime.now(UTC) <= LEASE
    assert read_listed(runtime, budget()) == 0
    make_due(services.engine)
    assert read_listed(runtime, budget()) == 1


def test_listed_payments_wait_when_their_gateway_is_away(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    attempt_id = opened(services)
    payment = known(services, attempt_id)
    list_walk(runtime, budget())
    gone = replace(services, gateways={"crowdsplit": away(crowdsplit)})
    assert read_listed(make_runtime(gone), budget()) >= 1
    row = rows(services.engine)[payment]
    assert row["state"] == "listed"
    assert row["next_try_at"] > datetime.now(UTC)
    make_due(services.engine)
    read_listed(runtime, budget())
    assert payment not in rows(services.engine)
