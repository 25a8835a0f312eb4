"""A worker may die at any statement of any sweep: the next run ends what it began, once."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count as counting

import pytest
from sqlalchemy import Engine, func, select, update
from typing_extensions import override

from indexer.chain.types import Address
from offchain.claim_tables import refunds
from offchain.gateways.crowdsplit.adapter import CrowdSplit
from offchain.jobs.runtime import Runtime
from offchain.jobs.sweeps.feedback import chain_feedback
from offchain.jobs.sweeps.handing_over import handover_sweep
from offchain.jobs.sweeps.inbox import inbox_sweep
from offchain.jobs.sweeps.listing import list_walk, read_listed
from offchain.jobs.sweeps.polling import expire_pix, payment_poll
from offchain.jobs.sweeps.refunds import refund_sweep
from offchain.jobs.sweeps.registry import Sweep
from offchain.ledger.checking import check_ledger
from offchain.ledger.tables import ledger_journals
from offchain.reconciliation.tables import listed_payments
from offchain.services import Services
from offchain.tables import attempt_events, inbox
from tests.support.claims import ask_back, observe, refund_rows
from tests.support.crowdsplit import FakeCrowdSplit
from tests.support.dying import dying_at
from tests.support.jobs import budget, change, known, later, opened, receive
from tests.support.offchain import (
    NOW,
    add_attempt,
    add_campaign,
    add_pledge,
    attempt,
    make_live,
    request_states,
    seen,
    set_request_state,
)

STATEMENTS_MAX = 200
"""No sweep over one payment takes so many."""


@dataclass(frozen=True, slots=True)
class Site:
    """What a case is arranged with."""

    runtime: Runtime
    crowdsplit: FakeCrowdSplit
    login: Engine

    @property
    def services(self) -> Services:
        return self.runtime.services

    @property
    def engine(self) -> Engine:
        return self.services.engine


@dataclass(frozen=True, slots=True)
class Case:
    """A sweep with one thing to do, and how to tell that it is done once."""

    sweeps: tuple[Sweep, ...]
    arrange: Callable[[Site], uuid.UUID]
    is_done: Callable[[Site, uuid.UUID], bool]
    deaths_min: int


class ShortList(CrowdSplit):
    """Lists one payment, whatever else the fake holds."""

    listed = ""

    @override
    def changed_payments(self, *, since: datetime, until: datetime) -> Iterator[str]:
        yield self.listed


@pytest.fixture
def site(runtime: Runtime, crowdsplit: FakeCrowdSplit, login_engine: Engine) -> Site:
    services = replace(runtime.services, gateways={"crowdsplit": ShortList(crowdsplit.caller())})
    return Site(replace(runtime, services=services), crowdsplit, login_engine)


def paid_at_gateway(site: Site) -> uuid.UUID:
    attempt_id = opened(site.services)
    site.crowdsplit.pay(known(site.services, attempt_id))
    return attempt_id


def listed_at_gateway(site: Site) -> uuid.UUID:
    attempt_id = paid_at_gateway(site)
    gateway = site.services.gateways["crowdsplit"]
    assert isinstance(gateway, ShortList)
    gateway.listed = attempt(site.engine, attempt_id).provider_payment_id or ""
    return attempt_id


def webhook_came(site: Site) -> uuid.UUID:
    attempt_id = opened(site.services)
    payment = known(site.services, attempt_id)
    site.crowdsplit.pay(payment)
    receive(site.engine, id=payment)
    return attempt_id


def code_is_over(site: Site) -> uuid.UUID:
    attempt_id = opened(site.services, expires_at=NOW - timedelta(minutes=1))
    known(site.services, attempt_id)
    return attempt_id


def refund_is_due(site: Site) -> uuid.UUID:
    attempt_id = opened(site.services)
    payment = known(site.services, attempt_id)
    site.crowdsplit.pay(payment)
    observation = site.services.gateways["crowdsplit"].read_payment(payment)
    assert observation is not None
    observe(site.engine, observation)
    ask_back(site.engine, attempt_id)
    return attempt_id


def campaign_came_late(site: Site) -> uuid.UUID:
    campaign_id = add_campaign(site.engine, onchain=True)
    attempt_id = add_attempt(site.engine, add_pledge(site.engine, campaign_id))
    observe(site.engine, seen(attempt_id))
    make_live(site.login, campaign_id, treasury=_treasury(attempt_id))
    return attempt_id


def settlement_sealed(site: Site) -> uuid.UUID:
    attempt_id = campaign_came_late(site)
    assert handover_sweep(site.runtime, budget()) == 1
    set_request_state(site.login, attempt_id, "batched")
    return attempt_id


def _treasury(attempt_id: uuid.UUID) -> Address:
    return Address(attempt_id.bytes + bytes(4))


def is_captured_once(site: Site, attempt_id: uuid.UUID) -> bool:
    with site.engine.connect() as connection:
        captures = connection.execute(
            select(func.count())
            .select_from(ledger_journals)
            .where(
                ledger_journals.c.source == "capture",
                ledger_journals.c.source_id == str(attempt_id),
                ledger_journals.c.kind == "pending",
            )
        ).scalar_one()
    return bool(captures == 1) and moves_to(site, attempt_id, "captured") == 1


def moves_to(site: Site, attempt_id: uuid.UUID, status: str) -> int:
    with site.engine.connect() as connection:
        return connection.execute(
            select(func.count())
            .select_from(attempt_events)
            .where(attempt_events.c.attempt_id == attempt_id, attempt_events.c.to_status == status)
        ).scalar_one()


def is_expired_once(site: Site, attempt_id: uuid.UUID) -> bool:
    return moves_to(site, attempt_id, "expired") == 1


def is_refunded_once(site: Site, attempt_id: uuid.UUID) -> bool:
    payment = attempt(site.engine, attempt_id).provider_payment_id
    assert payment is not None
    observation = site.services.gateways["crowdsplit"].read_payment(payment)
    assert observation is not None
    ((_, state, _),) = refund_rows(site.engine, attempt_id)
    return len(observation.refunds) == 1 and state in {"pending", "succeeded"}


def is_queued_once(site: Site, attempt_id: uuid.UUID) -> bool:
    is_requested = request_states(site.engine).get(attempt_id) == "ready"
    return is_requested and moves_to(site, attempt_id, "queued") == 1


def is_submitted_once(site: Site, attempt_id: uuid.UUID) -> bool:
    return moves_to(site, attempt_id, "submitted") == 1


CASES = {
    "payment_poll": Case((payment_poll,), paid_at_gateway, is_captured_once, 8),
    "inbox_sweep": Case((inbox_sweep,), webhook_came, is_captured_once, 8),
    "expire_pix": Case((expire_pix,), code_is_over, is_expired_once, 6),
    "list": Case((list_walk, read_listed), listed_at_gateway, is_captured_once, 10),
    "refund_sweep": Case((refund_sweep,), refund_is_due, is_refunded_once, 8),
    "handover_sweep": Case((handover_sweep,), campaign_came_late, is_queued_once, 5),
    "chain_feedback": Case((chain_feedback,), settlement_sealed, is_submitted_once, 4),
}


def end_leases(site: Site) -> None:
    """Let so much time pass that whatever a dead worker held is due again."""
    with site.engine.begin() as connection:
        connection.execute(update(inbox).values(next_try_at=func.now()))
        connection.execute(update(listed_payments).values(next_try_at=func.now()))
        connection.execute(update(refunds).values(next_try_at=func.now()))


def put_away(site: Site, attempt_id: uuid.UUID) -> None:
    """Leave nothing of it to do: a sweep is to work on one subject."""
    done = {"next_read_at": None, "chain_status": "none", "settles_onchain": False}
    change(site.engine, attempt_id, **done)


@pytest.mark.parametrize("name", CASES)
def test_work_is_done_once_when_its_worker_is_killed_at_any_statement(
    site: Site, name: str
) -> None:
    """Survives: kill -9 before each statement and after each commit of the sweep."""
    case = CASES[name]
    for statement in counting(1):
        assert statement < STATEMENTS_MAX
        subject = case.arrange(site)
        try:
            with dying_at(site.engine, statement):
                for sweep in case.sweeps:
                    sweep(site.runtime, budget())
        except KeyboardInterrupt:
            end_leases(site)
            resumed = later(site.runtime, minutes=5)
            for sweep in case.sweeps:
                sweep(resumed, budget())
            assert case.is_done(site, subject), f"killed at {statement}"
        else:
            assert case.is_done(site, subject)
            break
        put_away(site, subject)
    assert statement > case.deaths_min, "the kills did not reach every step"
    with site.engine.connect() as connection:
        assert [one for one in check_ledger(connection) if not one.ok] == []
