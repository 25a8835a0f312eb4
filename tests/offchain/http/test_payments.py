import hashlib
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select, update

from offchain.gateways.brcode import is_br_code
from offchain.http.bodies import BODY_BYTES_MAX
from offchain.http.idempotency import fingerprint_key, hash_request
from offchain.http.payments import SCOPE, PaymentBody
from offchain.tables import backers, idempotency_keys, payment_attempts, pledges
from tests.support.crowdsplit import FakeCrowdSplit
from tests.support.offchain import NOW, OPERATOR_TOKEN, add_campaign, attempt, count, make_live

CARD = {"token": "tok_good", "holder_name": "ANA", "last_four": "4242", "expiration": "12/2030"}
PAN = "4111 1111 1111 1111"


def pay(http: httpx.Client, *, key: str | None = None, **fields: Any) -> httpx.Response:
    body = {
        "campaign": "open-campaign",
        "method": "pix",
        "amount_minor": 5000,
        "currency": "BRL",
        "backer_reference": "backer-7",
        **fields,
    }
    headers = {"Idempotency-Key": key or uuid.uuid4().hex}
    return http.post("/v1/payments", json=body, headers=headers)


def slug_of(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["type"]).removeprefix("urn:problem-type:lastro:")


@pytest.fixture
def http(http: httpx.Client, engine: Engine) -> httpx.Client:
    """The write API with an open campaign."""
    add_campaign(engine, slug="open-campaign")
    return http


def test_payment_gives_a_pix_code_and_waits_for_money(http: httpx.Client, engine: Engine) -> None:
    answer = pay(http)
    assert answer.status_code == 201
    document = answer.json()
    assert document["status"] == "awaiting_confirmation"
    assert (document["amount_minor"], document["currency"]) == (5000, "brl")
    assert is_br_code(document["pix"]["code"])
    row = attempt(engine, uuid.UUID(document["payment_id"]))
    assert (row.fiat_status, str(row.pledge_id)) == ("awaiting", document["pledge_id"])
    assert row.provider_payment_id is not None


def test_payment_is_replayed_when_key_and_body_are_the_same(
    http: httpx.Client, engine: Engine
) -> None:
    first, second = pay(http, key="k"), pay(http, key="k")
    assert (second.status_code, second.json()) == (201, first.json())
    assert slug_of(pay(http, key="k", amount_minor=1)) == "idempotency-key-reused"
    with engine.connect() as connection:
        assert count(connection, payment_attempts) == 1


def test_payment_is_made_once_when_the_same_request_arrives_many_times_at_once(
    http: httpx.Client, engine: Engine
) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: pay(http, key="k"), range(6)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {slug_of(a) for a in answers if a.status_code == 409} <= {"request-in-flight"}
    with engine.connect() as connection:
        assert count(connection, payment_attempts) == 1
        assert count(connection, pledges) == 1


@pytest.mark.parametrize("mode", ["reset_before", "reset_after"])
def test_payment_is_found_again_when_every_reply_of_the_gateway_was_lost(
    http: httpx.Client, engine: Engine, crowdsplit: FakeCrowdSplit, mode: str
) -> None:
    crowdsplit.fault("/payments", mode, method="POST", times=3)
    lost = pay(http, key="k")
    assert (lost.status_code, slug_of(lost)) == (503, "gateway-unavailable")
    attempt_id = lost.json()["payment_id"]
    assert attempt(engine, uuid.UUID(attempt_id)).fiat_status == "created"
    found = pay(http, key="k")
    assert (found.status_code, found.json()["payment_id"]) == (201, attempt_id)
    assert str(crowdsplit.totals()).count(attempt_id) == 1


def test_payment_is_taken_up_when_the_process_died_between_commit_and_call(
    http: httpx.Client, engine: Engine, crowdsplit: FakeCrowdSplit
) -> None:
    first = pay(http, key="k").json()
    with engine.begin() as connection:  # as if its last transaction had never been
        connection.execute(
            update(idempotency_keys).values(
                response_status=None, response_body=None, locked_until=NOW
            )
        )
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


@pytest.mark.parametrize("status", [401, 403, 409])
def test_payment_is_not_refused_for_good_when_the_gateway_may_take_it_later(
    http: httpx.Client, engine: Engine, crowdsplit: FakeCrowdSplit, status: int
) -> None:
    crowdsplit.fault("/payments", "status", method="POST", status=status, times=1 + (status == 401))
    first, again = pay(http, key="k"), pay(http, key="k")
    assert (first.status_code, again.status_code) == (503, 201)
    assert attempt(engine, uuid.UUID(again.json()["payment_id"])).fiat_status == "awaiting"


@pytest.mark.parametrize("path", ["/v1/payments", "/v1/campaigns"])
@pytest.mark.parametrize("is_declared", [True, False])
def test_body_is_413_when_it_is_over_the_limit(
    idle_http: httpx.Client, path: str, *, is_declared: bool
) -> None:
    body = b'"' + b"x" * BODY_BYTES_MAX + b'"'
    content = body if is_declared else (body[i : i + 65_536] for i in range(0, len(body), 65_536))
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    answer = idle_http.post(path, content=content, headers=headers)
    assert (answer.status_code, slug_of(answer)) == (413, "body-too-large")


def test_request_fingerprint_cannot_be_guessed_without_the_key(
    http: httpx.Client, engine: Engine
) -> None:
    fields = {"key": "k", "backer_reference": "guessable"}
    pay(http, **fields)
    canonical = PaymentBody.model_validate(
        {
            "campaign": "open-campaign",
            "method": "pix",
            "amount_minor": 5000,
            "currency": "BRL",
            "backer_reference": "guessable",
        }
    ).model_dump_json()
    with engine.connect() as connection:
        kept = connection.execute(select(idempotency_keys.c.request_hash)).scalar_one()
    assert kept != hashlib.sha256(f"{SCOPE}\n{canonical}".encode()).digest()
    assert kept != hash_request(fingerprint_key("another token"), SCOPE, canonical)
    assert kept == hash_request(fingerprint_key(OPERATOR_TOKEN), SCOPE, canonical)


def test_pledge_is_409_when_it_is_paid_and_can_be_paid_again_once_given_back(
    http: httpx.Client, engine: Engine
) -> None:
    first = pay(http).json()
    for claim, status in (("none", 409), ("disputed", 409), ("refunded", 201)):
        with engine.begin() as connection:
            connection.execute(
                update(payment_attempts)
                .where(payment_attempts.c.id == uuid.UUID(first["payment_id"]))
                .values(fiat_status="captured", claim_status=claim)
            )
        answer = pay(http, pledge_id=first["pledge_id"])
        assert answer.status_code == status
        if status == 409:
            assert slug_of(answer) == "pledge-paid"


def test_payment_does_not_believe_money_when_the_create_reply_says_captured(
    http: httpx.Client, engine: Engine
) -> None:
    answer = pay(http, method="card", card=CARD)
    assert (answer.status_code, answer.json()["pix"]) == (201, None)
    assert attempt(engine, uuid.UUID(answer.json()["payment_id"])).fiat_status == "awaiting"


def test_payment_keeps_the_refusal_when_the_gateway_says_no(
    http: httpx.Client, engine: Engine, crowdsplit: FakeCrowdSplit
) -> None:
    crowdsplit.fault("/payments", "status", method="POST", status=422)
    refused, again = pay(http, key="k"), pay(http, key="k")
    assert (refused.status_code, slug_of(refused)) == (422, "payment-refused")
    assert (again.status_code, again.json()) == (422, refused.json())
    row = attempt(engine, uuid.UUID(refused.json()["payment_id"]))
    assert row.fiat_status == "failed"


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"amount_minor": 0}, "#/amount_minor"),
        ({"amount_minor": 50.5}, "#/amount_minor"),
        ({"amount_minor": "5000"}, "#/amount_minor"),
        ({"currency": "jpy"}, "#/currency"),
        ({"method": "boleto"}, "#/method"),
        ({"surprise": 1}, "#/surprise"),
        ({"backer_reference": PAN}, "#/backer_reference"),
        ({"reward": "4111-1111-1111-1111"}, "#/reward"),
        ({"reward": "a\nb"}, "#/reward"),
        ({"method": "card", "card": {**CARD, "token": PAN}}, "#/card/token"),
        ({"method": "card", "card": {**CARD, "number": PAN}}, "#/card/number"),
        ({"method": "card"}, "#"),
        ({"card": CARD}, "#"),
    ],
)
def test_payment_is_422_and_repeats_nothing_when(
    idle_http: httpx.Client, fields: dict[str, Any], place: str
) -> None:
    answer = pay(idle_http, **fields)
    assert (answer.status_code, slug_of(answer)) == (422, "invalid-request")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [place]
    assert "1111" not in str(answer.json()["errors"])


def test_payment_is_422_when_the_key_is_missing_and_400_when_it_is_not_json(
    idle_http: httpx.Client,
) -> None:
    missing = idle_http.post("/v1/payments", json={})
    assert missing.status_code == 422
    assert {"detail": "Field required", "parameter": "Idempotency-Key"} in missing.json()["errors"]
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    assert (
        slug_of(idle_http.post("/v1/payments", content=b"{", headers=headers)) == "unreadable-body"
    )


def test_payment_is_refused_and_leaves_nothing_when_it_cannot_be_taken(
    http: httpx.Client, engine: Engine
) -> None:
    add_campaign(engine, slug="over", deadline_at=NOW - timedelta(hours=1))
    add_campaign(engine, slug="onchain", onchain=True)
    table: list[tuple[dict[str, Any], int, str]] = [
        ({"campaign": "no-such"}, 404, "campaign-unknown"),
        ({"campaign": "over"}, 409, "campaign-closed"),
        ({"campaign": "onchain"}, 409, "campaign-not-live"),
        ({"currency": "usd"}, 422, "currency-not-taken"),
        ({"pledge_id": str(uuid.UUID(int=1))}, 422, "pledge-does-not-fit"),
    ]
    for fields, status, slug in table:
        answer = pay(http, key="k", **fields)
        assert (answer.status_code, slug_of(answer)) == (status, slug)
    with engine.connect() as connection:
        for rows in (idempotency_keys, payment_attempts, pledges, backers):
            assert count(connection, rows) == 0


def test_payment_is_taken_when_the_campaign_is_live_on_chain(
    http: httpx.Client, engine: Engine, login_engine: Engine
) -> None:
    make_live(login_engine, add_campaign(engine, slug="onchain", onchain=True))
    assert pay(http, campaign="onchain").status_code == 201


def test_pledge_is_paid_again_when_its_id_is_given_and_backers_are_one(
    http: httpx.Client, engine: Engine
) -> None:
    first = pay(http).json()
    second = pay(http, pledge_id=first["pledge_id"]).json()
    assert second["pledge_id"] == first["pledge_id"]
    assert second["payment_id"] != first["payment_id"]
    assert pay(http, pledge_id=first["pledge_id"], backer_reference="else").status_code == 422
    with engine.connect() as connection:
        salts = connection.execute(select(backers.c.salt)).scalars().all()
        assert count(connection, pledges) == 1
    assert [len(salt) for salt in salts] == [32]
