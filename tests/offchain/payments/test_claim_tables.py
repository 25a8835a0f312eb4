"""What the database refuses, whatever the code believes."""

import uuid
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from offchain.claim_tables import disputes, refunds
from offchain.tables import payment_attempts
from tests.support.claims import Paid, ask_back, dispute_seen, paid, refund_seen
from tests.support.offchain import add_attempt, add_campaign, add_pledge, attempt


@pytest.fixture
def one(engine: Engine, login_engine: Engine) -> Paid:
    return paid(engine, login_engine, onchain=False)


def add_refund(engine: Engine, one: Paid, **columns: Any) -> None:
    values = {
        "id": uuid.uuid4(),
        "attempt_id": one.id,
        "gateway": "crowdsplit",
        "amount_minor": 1,
        "currency": "brl",
        "origin": "operator",
        "requested_by": "ana",
        "state": "requested",
        **columns,
    }
    with engine.begin() as connection:
        connection.execute(insert(refunds).values(values))


def change(engine: Engine, table: Any, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(update(table).values(values))


def test_refunds_of_ours_never_sum_to_more_than_was_received(engine: Engine, one: Paid) -> None:
    add_refund(engine, one, amount_minor=3000)
    with pytest.raises(IntegrityError, match="5000 brl received, 3000 of it given back"):
        add_refund(engine, one, amount_minor=2001)
    add_refund(engine, one, amount_minor=2000)


def test_refund_that_failed_makes_room_and_a_gateways_own_is_a_fact(
    engine: Engine, one: Paid
) -> None:
    add_refund(engine, one, amount_minor=5000)
    change(engine, refunds, state="failed")
    add_refund(engine, one, amount_minor=5000)
    add_refund(
        engine,
        one,
        amount_minor=5000,
        origin="gateway",
        state="succeeded",
        provider_refund_id="theirs",
    )


@pytest.mark.parametrize(
    "columns",
    [
        {"currency": "usd"},
        {"amount_minor": 0},
        {"origin": "gateway"},
        {"state": "succeeded"},
        {"state": "odd"},
        {"origin": "odd"},
    ],
)
def test_refund_that_makes_no_sense_is_refused(
    engine: Engine, one: Paid, columns: dict[str, Any]
) -> None:
    with pytest.raises(IntegrityError):
        add_refund(engine, one, **columns)


def test_refund_of_money_that_never_came_is_refused(engine: Engine, login_engine: Engine) -> None:
    pledge_id = add_pledge(engine, add_campaign(engine))
    with pytest.raises(IntegrityError):
        add_refund(engine, Paid(engine, login_engine, add_attempt(engine, pledge_id)))


@pytest.mark.parametrize(
    ("state", "back"),
    [("succeeded", "pending"), ("failed", "succeeded"), ("failed", "requested")],
)
def test_refund_never_goes_back(engine: Engine, one: Paid, state: Any, back: str) -> None:
    one.see(refunds=(refund_seen(state=state),))
    with pytest.raises(IntegrityError, match=f"would go back from {state} to {back}"):
        change(engine, refunds, state=back, origin="operator")


@pytest.mark.parametrize(("state", "back"), [("lost", "open"), ("won", "lost"), ("won", "open")])
def test_dispute_never_goes_back(engine: Engine, one: Paid, state: Any, back: str) -> None:
    one.see(disputes=(dispute_seen(state),))
    with pytest.raises(IntegrityError, match=f"would go back from {state} to {back}"):
        change(engine, disputes, state=back)


def test_terms_of_a_refund_stand_and_its_row_stays(engine: Engine, one: Paid) -> None:
    ask_back(engine, one.id)
    with pytest.raises(IntegrityError, match="the terms of refunds"):
        change(engine, refunds, amount_minor=1)
    for table in (refunds, disputes):
        with pytest.raises(DBAPIError, match="rows are immutable"), engine.begin() as connection:
            connection.execute(delete(table))


@pytest.mark.usefixtures("one")
@pytest.mark.parametrize("back", ["awaiting", "mismatch", "late_paid", "failed"])
def test_money_that_was_seen_is_never_unseen(engine: Engine, back: str) -> None:
    with pytest.raises(IntegrityError, match=f"would go back from captured to {back}"):
        change(engine, payment_attempts, fiat_status=back)


def test_one_payment_holds_its_pledge(engine: Engine, one: Paid) -> None:
    pledge_id = attempt(engine, one.id).pledge_id
    with pytest.raises(IntegrityError, match="uq_payment_attempts_holder"):
        add_attempt(
            engine,
            pledge_id,
            fiat_status="captured",
            booked_to="campaign",
            received_minor=5000,
            received_currency="brl",
        )


@pytest.mark.parametrize(
    "columns",
    [
        {"method": "cheque"},
        {"booked_to": "campaign", "fiat_status": "late_paid"},
        {"booked_to": "suspense", "fiat_status": "awaiting"},
        {"booked_to": "suspense", "fiat_status": "mismatch", "received_minor": None},
        {"booked_to": "odd", "fiat_status": "captured"},
    ],
)
def test_attempt_that_makes_no_sense_is_refused(engine: Engine, columns: dict[str, Any]) -> None:
    pledge_id = add_pledge(engine, add_campaign(engine))
    counted = {"received_minor": 5000, "received_currency": "brl"}
    with pytest.raises(IntegrityError):
        add_attempt(engine, pledge_id, **{**counted, **columns})


def test_read_role_sees_claims_and_nothing_a_payment_can_be_completed_with(
    api_engine: Engine,
) -> None:
    with api_engine.connect() as connection:
        connection.execute(select(payment_attempts.c.id, payment_attempts.c.booked_to))
        connection.execute(select(refunds))
        connection.execute(select(disputes))
    for secret in ("client_secret", "authorization_url"):
        with (
            api_engine.connect() as connection,
            pytest.raises(ProgrammingError) as refusal,
        ):
            connection.execute(select(payment_attempts.c[secret]))
        assert isinstance(refusal.value.orig, psycopg.errors.InsufficientPrivilege)
