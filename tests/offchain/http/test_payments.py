import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select, update

from indexer.db.base import metadata
from offchain.gateways.brcode import is_br_code
from offchain.http.bodies import BODY_BYTES_MAX
from offchain.tables import backers, idempotency_keys, payment_attempts, pledges
from tests.support.checkout import CARD, CPF, pay, slug_of, told
from tests.support.crowdsplit import FakeCrowdSplit
from tests.support.offchain import (
    NOW,
    add_campaign,
    attempt,
    count,
    make_live,
)

PAN = "4111 1111 1111 1111"


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
    here = f"http://127.0.0.1:9/v1/payments/{document['payment_id']}/qr"
    assert document["pix"]["qr_svg_url"] == f"{here}.svg"
    assert document["pix"]["qr_png_url"] == f"{here}.png"
    assert (document["gateway"], document["method"]) == ("crowdsplit", "pix")
    assert (document["client_secret"], document["authorization_url"]) == (None, None)
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


def test_pledge_is_409_while_a_payment_holds_it_and_can_be_paid_again_once_that_is_gone(
    http: httpx.Client, engine: Engine
) -> None:
    first = pay(http).json()
    paid = {
        "fiat_status": "captured",
        "booked_to": "campaign",
        "received_minor": 5000,
        "received_currency": "brl",
    }
    for claim, status in (
        ("none", 409),
        ("disputed", 409),
        ("refund_pending", 409),
        ("partially_refunded", 409),
        ("refunded", 201),
    ):
        with engine.begin() as connection:
            connection.execute(
                update(payment_attempts)
                .where(payment_attempts.c.id == uuid.UUID(first["payment_id"]))
                .values(**paid, claim_status=claim)
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
    assert "send its pledge_id" in refused.json()["detail"]
    anew = pay(http, pledge_id=refused.json()["pledge_id"])
    assert (anew.status_code, anew.json()["pledge_id"]) == (201, refused.json()["pledge_id"])
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
        ({"card": CARD}, "#"),
        ({"method": "card", "card": CARD, "expires_in_s": 60}, "#"),
        ({"gateway": "paypal"}, "#/gateway"),
        ({"reward": "card 4111111111111111, thanks"}, "#/reward"),
        ({"metadata": {"order": PAN}}, "#/metadata/order"),
        ({"metadata": {PAN: "order"}}, "#/metadata"),
        ({"metadata": {"Ana Silva": PAN}}, "#/metadata"),
        ({"metadata": {"card": 4111111111111111}}, "#/metadata/card"),
        ({"surprise": [{"deep": [PAN]}]}, "#/surprise/0/deep/0"),
        ({PAN: 1}, "#"),
        ({"return_url": f"https://shop.example/?c={PAN.replace(' ', '')}"}, "#/return_url"),
        ({"metadata": {"to": "ana@example.org"}}, "#/metadata"),
        ({"metadata": {"ana@example.org": "to"}}, "#/metadata"),
        ({"metadata": {"cpf": CPF}}, "#/metadata"),
        ({"metadata": {"lastro_attempt_id": "x"}}, "#/metadata"),
        ({"metadata": {"a b": "x"}}, "#/metadata"),
        ({"metadata": {"a" * 41: "x"}}, "#/metadata"),
        ({"metadata": {"a": "x" * 501}}, "#/metadata"),
        ({"metadata": {"a": ""}}, "#/metadata"),
        ({"metadata": {"a": 1}}, "#/metadata"),
        ({"metadata": {"a": "b\nc"}}, "#/metadata"),
        ({"metadata": {f"k{n}": "x" for n in range(21)}}, "#/metadata"),
        ({"metadata": ["a"]}, "#/metadata"),
        ({"ana@example.org": "x"}, "#"),
        ({"payer_document": "529.982.247-26"}, "#/payer_document"),
        ({"payer_document": "111.111.111-11"}, "#/payer_document"),
        ({"payer_document": "12ABC34501DE36"}, "#/payer_document"),
        ({"payer_document": PAN}, "#/payer_document"),
        ({"return_url": "javascript:alert(1)"}, "#/return_url"),
        ({"return_url": "https://ana:pw@shop.example/"}, "#/return_url"),
    ],
)
def test_payment_is_422_and_repeats_nothing_when(
    idle_http: httpx.Client, fields: dict[str, Any], place: str
) -> None:
    answer = pay(idle_http, **fields)
    assert (answer.status_code, slug_of(answer)) == (422, "invalid-request")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [place]
    for word in ("1111", "example", "529", "Silva", "DE36"):
        assert word not in told(answer)


def test_payment_is_422_when_the_key_itself_is_a_card_number(idle_http: httpx.Client) -> None:
    answer = pay(idle_http, key="4111111111111111")
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "Idempotency-Key")
    assert "1111" not in told(answer)


def test_payment_is_413_when_its_body_is_more_than_any_payment_needs(
    idle_http: httpx.Client,
) -> None:
    answer = pay(idle_http, reward="x" * 200_000)
    assert (answer.status_code, slug_of(answer)) == (413, "body-too-large")


@pytest.mark.parametrize("document", [CPF, "12.abc.345/01de-35", "39.666.972/0001-55"])
def test_payment_passes_the_payers_document_on_and_keeps_it_nowhere(
    http: httpx.Client, engine: Engine, crowdsplit: FakeCrowdSplit, document: str
) -> None:
    """The last one passes for a card of fourteen digits, and is a company all the same."""
    answer = pay(http, payer_document=document)
    assert answer.status_code == 201, answer.text
    bare = document.translate(str.maketrans("", "", "./-")).upper()
    listed = crowdsplit.adapter()._api.rows("/customers", "customer_list", {})
    assert next(iter(listed))["document_number"] == bare
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            if table.schema == "offchain":
                rows = connection.execute(select(table)).all()
                assert bare not in str(rows)
                assert document not in str(rows)


def test_metadata_travels_to_the_gateway_and_back(
    http: httpx.Client, engine: Engine, crowdsplit: FakeCrowdSplit
) -> None:
    words = {"order": "A-17", "tier": "Árvore 🌳"}
    made = pay(http, metadata=words).json()
    assert made["metadata"] == words
    rows = crowdsplit.totals()["payments"]
    sent = next(r["metadata"] for r in rows if made["payment_id"] in json.dumps(r["metadata"]))
    assert sent == {**words, "lastro_attempt_id": made["payment_id"]}
    provider_id = attempt(engine, uuid.UUID(made["payment_id"])).provider_payment_id
    assert provider_id is not None
    seen = crowdsplit.adapter().read_payment(provider_id)
    assert seen is not None
    assert seen.metadata == words
    assert http.get(f"/v1/payments/{made['payment_id']}").json()["metadata"] == words


def test_pledge_keeps_its_words_when_it_is_paid_again(http: httpx.Client) -> None:
    words = {"order": "A-17"}
    first = pay(http, metadata=words).json()
    again = pay(http, pledge_id=first["pledge_id"])
    same = pay(http, pledge_id=first["pledge_id"], metadata=words)
    assert (again.json()["metadata"], same.json()["metadata"]) == (words, words)
    other = pay(http, pledge_id=first["pledge_id"], metadata={"order": "B-1"})
    assert (other.status_code, slug_of(other)) == (422, "pledge-does-not-fit")


def test_payment_is_the_same_request_when_only_the_order_of_its_words_differs(
    http: httpx.Client,
) -> None:
    first = pay(http, key="k", metadata={"a": "1", "b": "2"})
    again = pay(http, key="k", metadata={"b": "2", "a": "1"})
    assert again.json() == first.json()
    assert slug_of(pay(http, key="k", metadata={"a": "1", "b": "3"})) == "idempotency-key-reused"


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
        ({"method": "ussd"}, 422, "method-not-taken"),
        ({"method": "card", "gateway": "stripe"}, 422, "method-not-taken"),
        ({"method": "card"}, 422, "invalid-request"),
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
