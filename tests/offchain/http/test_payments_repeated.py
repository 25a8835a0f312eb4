"""The same request again: one payment, whatever was lost, died or was rotated in between."""

import hashlib
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, func, select, update

from offchain.http.app import create_app
from offchain.http.idempotency import Replay, Scoped, begin, complete, lock_of
from offchain.http.payment_bodies import PaymentBody
from offchain.http.payments import SCOPE
from offchain.services import Services
from offchain.settings import HttpSettings
from offchain.tables import campaigns, idempotency_keys, payment_attempts
from stack.valkey import EmbeddedValkey
from tests.support.asgi import serving
from tests.support.checkout import CPF, interrupt, pay, slug_of, unlock
from tests.support.crowdsplit import FakeCrowdSplit
from tests.support.offchain import (
    NOW,
    add_campaign,
    attempt,
    environment,
    http_settings,
)

PAN = "4111 1111 1111 1111"


@pytest.fixture
def http(http: httpx.Client, engine: Engine) -> httpx.Client:
    """The write API with an open campaign."""
    add_campaign(engine, slug="open-campaign")
    return http


@pytest.mark.parametrize("mode", ["reset_before", "reset_after"])
def test_payment_is_found_again_when_every_reply_of_the_gateway_was_lost(
    http: httpx.Client, engine: Engine, crowdsplit: FakeCrowdSplit, mode: str
) -> None:
    crowdsplit.fault("/payments", mode, method="POST", times=3)
    lost = pay(http, key="k")
    assert (lost.status_code, slug_of(lost)) == (503, "gateway-unavailable")
    attempt_id = lost.json()["payment_id"]
    assert lost.json()["pledge_id"] == str(attempt(engine, uuid.UUID(attempt_id)).pledge_id)
    assert attempt(engine, uuid.UUID(attempt_id)).fiat_status == "created"
    unlock(engine)
    found = pay(http, key="k")
    assert (found.status_code, found.json()["payment_id"]) == (201, attempt_id)
    assert str(crowdsplit.totals()).count(attempt_id) == 1


def test_payment_is_taken_up_when_the_process_died_between_commit_and_call(
    http: httpx.Client, engine: Engine, crowdsplit: FakeCrowdSplit
) -> None:
    first = pay(http, key="k").json()
    interrupt(engine)
    with engine.begin() as connection:  # as if its last transaction had never been
        connection.execute(
            update(payment_attempts).values(fiat_status="created", provider_payment_id=None)
        )
    assert pay(http, key="k").json() == first
    assert str(crowdsplit.totals()).count(first["payment_id"]) == 1


def test_payment_is_409_when_the_same_request_is_being_worked_on(
    http: httpx.Client, engine: Engine
) -> None:
    pay(http, key="k")
    with engine.begin() as connection:
        connection.execute(update(idempotency_keys).values(response_status=None))
    answer = pay(http, key="k")
    assert (answer.status_code, slug_of(answer)) == (409, "request-in-flight")


def test_key_is_free_at_once_when_nothing_happened_and_a_little_later_when_it_may_have(
    http: httpx.Client, crowdsplit: FakeCrowdSplit
) -> None:
    crowdsplit.fault("/payments", "status", method="POST", status=403)
    nothing = pay(http, key="n")
    assert (nothing.status_code, nothing.headers["Retry-After"]) == (503, "2")
    assert pay(http, key="n").status_code == 201
    crowdsplit.fault("/payments", "reset_after", method="POST", times=3)
    lost, again = pay(http, key="k"), pay(http, key="k")
    assert (lost.status_code, lost.headers["Retry-After"]) == (503, "5")
    assert (again.status_code, slug_of(again)) == (409, "request-in-flight")
    assert int(again.headers["Retry-After"]) > 0


def test_key_is_locked_for_longer_than_every_try_of_a_requests_calls() -> None:
    assert lock_of(10) >= timedelta(seconds=8 * 3 * (10 + 5 + 2))
    assert lock_of(60) - lock_of(10) >= timedelta(seconds=8 * 3 * 50)


def test_key_is_locked_as_the_gateways_timeout_asks(http: httpx.Client, engine: Engine) -> None:
    pay(http, key="k")
    left_s = func.extract("epoch", idempotency_keys.c.locked_until - idempotency_keys.c.created_at)
    with engine.connect() as connection:
        assert connection.execute(select(left_s)).scalar_one() == lock_of(10).total_seconds()


def test_answer_that_is_kept_stands_above_one_that_comes_late(engine: Engine) -> None:
    scoped = Scoped(SCOPE, "k", "{}")
    with engine.begin() as connection:
        begin(connection, scoped, lock=timedelta())
        assert complete(connection, scoped, 201, {"a": 1}) == Replay(201, {"a": 1})
        assert complete(connection, scoped, 422, {"b": 2}) == Replay(201, {"a": 1})
        assert begin(connection, scoped, lock=timedelta()) == Replay(201, {"a": 1})


@pytest.mark.parametrize(
    ("table", "columns", "why"),
    [
        (payment_attempts, {"fiat_status": "failed"}, "This payment is failed."),
        (payment_attempts, {"fiat_status": "expired"}, "This payment is expired."),
        (payment_attempts, {"fiat_status": "canceled"}, "This payment is canceled."),
        (payment_attempts, {"expires_at": NOW}, "The time to pay this payment is over."),
        (campaigns, {"deadline_at": NOW}, "The campaign is not open now."),
    ],
)
def test_payment_is_not_made_when_it_ended_before_its_request_is_taken_up(
    http: httpx.Client,
    engine: Engine,
    crowdsplit: FakeCrowdSplit,
    table: Any,
    columns: dict[str, Any],
    why: str,
) -> None:
    crowdsplit.fault("/payments", "reset_before", method="POST", times=3)
    lost = pay(http, key="k").json()
    unlock(engine)
    with engine.begin() as connection:
        connection.execute(update(table).values(columns))
    ended, again = pay(http, key="k"), pay(http, key="k")
    assert (ended.status_code, slug_of(ended)) == (409, "payment-ended")
    assert ended.json()["detail"].startswith(why)
    assert (again.status_code, again.json()) == (409, ended.json())
    assert (ended.json()["payment_id"], ended.json()["pledge_id"]) == (
        lost["payment_id"],
        lost["pledge_id"],
    )
    assert lost["payment_id"] not in str(crowdsplit.totals())


def test_payment_is_not_made_when_its_pledge_was_paid_before_its_request_is_taken_up(
    http: httpx.Client, engine: Engine, crowdsplit: FakeCrowdSplit
) -> None:
    crowdsplit.fault("/payments", "reset_before", method="POST", times=3)
    lost = pay(http, key="k").json()
    unlock(engine)
    other = pay(http, pledge_id=lost["pledge_id"]).json()
    with engine.begin() as connection:
        connection.execute(
            update(payment_attempts)
            .where(payment_attempts.c.id == uuid.UUID(other["payment_id"]))
            .values(
                fiat_status="captured",
                booked_to="campaign",
                received_minor=5000,
                received_currency="brl",
            )
        )
    ended = pay(http, key="k")
    assert (ended.status_code, slug_of(ended)) == (409, "payment-ended")
    assert ended.json()["detail"].startswith("This pledge is paid already.")


def test_payment_is_found_again_although_it_ended_when_its_gateway_has_it(
    http: httpx.Client, engine: Engine
) -> None:
    first = pay(http, key="k").json()
    interrupt(engine)
    with engine.begin() as connection:
        connection.execute(update(campaigns).values(deadline_at=NOW))
    again = pay(http, key="k")
    assert (again.status_code, again.json()) == (201, first)


def test_payment_is_500_and_keeps_no_answer_when_the_gateway_answers_with_another(
    engine: Engine,
    services: Services,
    database_url: str,
    valkey: EmbeddedValkey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_campaign(engine, slug="open-campaign")
    gateway = services.gateways["crowdsplit"]
    create = gateway.create_payment
    monkeypatch.setattr(
        gateway, "create_payment", lambda new: replace(create(new), attempt_id=uuid.uuid4())
    )
    with serving(create_app(http_settings(database_url, valkey.url), services=services)) as client:
        answer = pay(client, key="k")
    assert (answer.status_code, slug_of(answer)) == (500, "internal-error")
    with engine.connect() as connection:
        kept = select(idempotency_keys.c.response_status)
        assert connection.execute(kept).scalar_one() is None


@pytest.mark.parametrize("status", [401, 403, 409])
def test_payment_is_not_refused_for_good_when_the_gateway_may_take_it_later(
    http: httpx.Client, engine: Engine, crowdsplit: FakeCrowdSplit, status: int
) -> None:
    crowdsplit.fault("/payments", "status", method="POST", status=status, times=1 + (status == 401))
    first = pay(http, key="k")
    unlock(engine)
    again = pay(http, key="k")
    assert (first.status_code, again.status_code) == (503, 201)
    assert attempt(engine, uuid.UUID(again.json()["payment_id"])).fiat_status == "awaiting"


def test_request_fingerprint_is_salted_for_each_key(http: httpx.Client, engine: Engine) -> None:
    for key in ("k", "other"):
        pay(http, key=key, backer_reference="guessable")
    canonical = PaymentBody.model_validate(
        {
            "campaign": "open-campaign",
            "method": "pix",
            "amount_minor": 5000,
            "currency": "BRL",
            "backer_reference": "guessable",
        }
    ).canonical()
    with engine.connect() as connection:
        kept = connection.execute(select(idempotency_keys.c.request_hash)).scalars().all()
    assert len(set(kept)) == 2
    assert hashlib.sha256(f"{SCOPE}\n{canonical}".encode()).digest() not in kept


def test_payment_is_replayed_when_the_operators_token_was_rotated_since(
    http: httpx.Client,
    services: Services,
    database_url: str,
    valkey: EmbeddedValkey,
) -> None:
    first = pay(http, key="k")
    rotated = environment(database_url, valkey.url, LASTRO_OPERATOR_TOKEN="another-token")
    app = create_app(HttpSettings.model_validate(rotated), services=services)
    with serving(app) as client:
        again = pay(client, key="k")
    assert (again.status_code, again.json()) == (201, first.json())


def test_payers_document_is_no_part_of_what_is_kept_of_a_request() -> None:
    """Whoever reads the table could try out every CPF there is."""
    body = {
        "campaign": "open-campaign",
        "method": "pix",
        "amount_minor": 5000,
        "currency": "BRL",
        "backer_reference": "backer-7",
    }
    without = PaymentBody.model_validate(body)
    assert PaymentBody.model_validate({**body, "payer_document": CPF}).canonical() == (
        without.canonical()
    )
