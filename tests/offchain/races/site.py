"""What a race is run on: Postgres, a gateway that answers over HTTP, and more where it asks."""

import json
import uuid
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Engine, func, select, update

from offchain.gateways.types import Observation
from offchain.inbox.working import Result, claim, work
from offchain.jobs.runtime import Runtime
from offchain.ledger.checking import check_ledger
from offchain.ledger.tables import ledger_journals
from offchain.payments.attempts import Attempt
from offchain.reconciliation.tables import listed_payments
from offchain.services import Services
from offchain.tables import attempt_events, inbox
from stack.fakes.crowdsplit.webhooks import envelope, sign
from stack.fakes.delivery import Signing
from tests.settlement.world import World
from tests.support.claims import Paid, books
from tests.support.crowdsplit import WEBHOOK_SECRET, FakeCrowdSplit
from tests.support.jobs import known
from tests.support.offchain import (
    NOW,
    add_attempt,
    add_campaign,
    add_pledge,
    attempt,
    make_live,
    request_states,
)
from tests.support.stripe import FakeStripe

PATH = "/v1/webhooks/crowdsplit"


@dataclass(frozen=True, slots=True)
class Site:
    """One site; the parts that are dear are opened when a race asks for them."""

    runtime: Runtime
    login: Engine
    crowdsplit: FakeCrowdSplit
    request: pytest.FixtureRequest

    @property
    def services(self) -> Services:
        return self.runtime.services

    @property
    def engine(self) -> Engine:
        return self.services.engine

    @property
    def http(self) -> httpx.Client:
        """The write API over real HTTP."""
        client: httpx.Client = self.request.getfixturevalue("http")
        return client

    @property
    def stripe(self) -> FakeStripe:
        fake: FakeStripe = self.request.getfixturevalue("stripe")
        return fake

    @property
    def chain(self) -> World:
        """A chain with the protocol, an indexer and a lane of settlement."""
        world: World = self.request.getfixturevalue("chain_world")
        return world

    def having(self, **services: Any) -> "Site":
        """The same site with other services."""
        changed = replace(self.services, **services)
        return replace(self, runtime=replace(self.runtime, services=changed))

    def onchain_pledge(self) -> UUID:
        """A pledge to a campaign that is live on-chain."""
        campaign_id = add_campaign(self.engine, onchain=True)
        make_live(self.login, campaign_id)
        return add_pledge(self.engine, campaign_id)

    def waiting(self, **columns: Any) -> tuple[UUID, str]:
        """An attempt of an on-chain campaign whose PIX is not paid yet, and the gateway's id."""
        created_at = columns.pop("created_at", NOW)
        attempt_id = add_attempt(
            self.engine, self.onchain_pledge(), created_at=created_at, **columns
        )
        return attempt_id, known(self.services, attempt_id)

    def read(self, payment: str) -> Observation:
        seen = self.services.gateways["crowdsplit"].read_payment(payment)
        assert seen is not None
        return seen

    def paid(self, attempt_id: UUID) -> Paid:
        """An attempt with the means to bring it further on its way to the chain."""
        return Paid(self.engine, self.login, attempt_id)

    def attempt(self, attempt_id: UUID) -> Attempt:
        return attempt(self.engine, attempt_id)

    def statuses(self, attempt_id: UUID) -> tuple[str, str, str]:
        row = self.attempt(attempt_id)
        return row.fiat_status, row.chain_status, row.claim_status

    def moves_to(self, attempt_id: UUID, status: str) -> int:
        """How often the evidence says that it went there."""
        counted = select(func.count()).where(
            attempt_events.c.attempt_id == attempt_id, attempt_events.c.to_status == status
        )
        with self.engine.connect() as connection:
            return connection.execute(counted).scalar_one()

    def journals(self, source: str) -> int:
        """How many entries of a kind were made and not merely resolved."""
        counted = select(func.count()).where(
            ledger_journals.c.source == source, ledger_journals.c.kind.in_(("pending", "single"))
        )
        with self.engine.connect() as connection:
            return connection.execute(counted).scalar_one()

    def requested(self) -> dict[UUID, str]:
        """What settlement was asked for, and how far that is."""
        return request_states(self.engine)

    def balanced_books(self) -> dict[str, tuple[int, int]]:
        """Posted and pending by kind of account; every promise of the ledger holds."""
        with self.engine.connect() as connection:
            assert [one for one in check_ledger(connection) if not one.ok] == []
        return books(self.engine)

    def post(self, payment: str, *, event_id: str = "", secret: str = WEBHOOK_SECRET) -> int:
        """Deliver a webhook about a payment as the gateway does; the answer's status."""
        body = webhook(payment, event_id=event_id)
        stamp = int(self.services.clock().timestamp())
        headers = sign(body, Signing(secret, stamp, is_forged=False))
        return self.http.post(PATH, content=body, headers=headers).status_code

    def inbox_states(self) -> list[str]:
        with self.engine.connect() as connection:
            return list(connection.execute(select(inbox.c.state).order_by(inbox.c.id)).scalars())

    def work_off(self) -> list[Result]:
        """One sweep over the inbox, whatever waits there."""
        with self.engine.begin() as connection:
            connection.execute(update(inbox).values(next_try_at=func.now()))
        with self.engine.begin() as connection:
            claimed = claim(connection, limit=100)
        return [work(self.services, event) for event in claimed]

    def make_listed_due(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(update(listed_payments).values(next_try_at=func.now()))


def webhook(payment: str, *, event_id: str = "") -> bytes:
    """The body of an event that says that a payment was captured."""
    data = {"id": f"pay_{payment}", "type": "payment", "status": "captured"}
    body: bytes = envelope(event_id or f"evt_{uuid.uuid4()}", "payment.captured", data)
    assert json.loads(body)
    return body
