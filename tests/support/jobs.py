"""Builders of what the sweeps work on: attempts with a payment at a real gateway, and runtimes."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import Engine, insert, select, update

from offchain.gateways.crowdsplit.token import NAME
from offchain.gateways.types import Gateway, Observation
from offchain.inbox.store import InboxId
from offchain.jobs.runtime import Budget, Runtime
from offchain.services import Services
from offchain.tables import inbox, payment_attempts
from stack.ports import free_port
from tests.support.crowdsplit import FakeCrowdSplit, new_payment
from tests.support.offchain import add_attempt, add_campaign, add_pledge, attempt

POLL_GAP = timedelta(seconds=1)
A_WHILE_AGO = timedelta(minutes=2)
"""Long enough for a payment to be read without its webhook."""


def make_runtime(services: Services) -> Runtime:
    return Runtime(services, poll_gap=POLL_GAP, seconds_max=30)


def budget() -> Budget:
    """Time enough, counted from now: a budget runs out."""
    return Budget(30)


def later(runtime: Runtime, **ahead: float) -> Runtime:
    """The same runtime at a later business time."""
    moment = datetime.now(UTC) + timedelta(**ahead)
    return replace(runtime, services=replace(runtime.services, clock=lambda: moment))


def opened(services: Services, *, onchain: bool = False, **columns: Any) -> UUID:
    """An attempt of its own campaign, made a while ago, of which its gateway knows nothing yet."""
    pledge_id = add_pledge(services.engine, add_campaign(services.engine, onchain=onchain))
    values = {"created_at": datetime.now(UTC) - A_WHILE_AGO, **columns}
    return add_attempt(services.engine, pledge_id, **values)


def created(services: Services, attempt_id: UUID) -> Observation:
    """Create an attempt's payment at its gateway; our row does not hear of it."""
    return services.gateways[NAME].create_payment(new_payment(attempt_id=attempt_id))


def known(services: Services, attempt_id: UUID) -> str:
    """Create an attempt's payment at its gateway, and keep its id there in our row."""
    payment = created(services, attempt_id).provider_payment_id
    change(services.engine, attempt_id, provider_payment_id=payment, fiat_status="awaiting")
    return payment


def change(engine: Engine, attempt_id: UUID, **columns: Any) -> None:
    with engine.begin() as connection:
        connection.execute(
            update(payment_attempts).where(payment_attempts.c.id == attempt_id).values(columns)
        )


def status(services: Services, attempt_id: UUID) -> str:
    return attempt(services.engine, attempt_id).fiat_status


def next_read_of(engine: Engine, attempt_id: UUID) -> datetime | None:
    with engine.connect() as connection:
        query = select(payment_attempts.c.next_read_at).where(payment_attempts.c.id == attempt_id)
        planned: datetime | None = connection.execute(query).scalar_one()
    return planned


def receive(engine: Engine, event: str = "payment.captured", **data: Any) -> InboxId:
    """Store a webhook as the front does once it has verified it."""
    body = json.dumps({"id": str(uuid.uuid4()), "event": event, "data": data}).encode()
    row = {"gateway": NAME, "event_key": str(uuid.uuid4()), "body": body, "headers": {}}
    with engine.begin() as connection:
        stored = connection.execute(insert(inbox).values(row).returning(inbox.c.id))
        return InboxId(stored.scalar_one())


def state_of(engine: Engine, inbox_id: InboxId) -> tuple[str, str | None]:
    with engine.connect() as connection:
        query = select(inbox.c.state, inbox.c.error).where(inbox.c.id == inbox_id)
        row = connection.execute(query).one()
    return row.state, row.error


def away(crowdsplit: FakeCrowdSplit) -> Gateway:
    """A gateway that nobody can reach."""
    nowhere = httpx.Client(base_url=f"http://127.0.0.1:{free_port()}", timeout=1)
    return replace(crowdsplit, impatient=nowhere).adapter()


def reads_of(crowdsplit: FakeCrowdSplit, payment: str) -> int:
    """How often a payment was read at the fake."""
    return len(crowdsplit.calls("GET", f"/transactions/{payment}"))
