"""The fake's own promises: what Stripe's library hides, or never asks for."""

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from offchain.gateways.stripe.webhooks import verify
from stack.fakes.stripe.books import Books
from stack.fakes.stripe.forms import nested
from stack.fakes.stripe.webhooks import SCHEDULE_S
from stack.fakes.stripe.words import Refused
from tests.support.stripe import (
    SECRET_KEY,
    WEBHOOK_SECRET,
    FakeStripe,
    own_fake,
    running_fake,
)
from tests.support.waiting import eventually
from tests.support.webhook_endpoint import WebhookEndpoint, listening

DAYS_3_S = 3 * 86_400


@pytest.fixture
def fake() -> Iterator[FakeStripe]:
    with own_fake() as made:
        yield made


@pytest.fixture
def endpoint() -> Iterator[WebhookEndpoint]:
    with listening() as made:
        yield made


def post(fake: FakeStripe, path: str, *, key: str | None = None, **form: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    data = {_nested_name(*name.split("__")): value for name, value in form.items()}
    return fake.http.post(f"/v1{path}", data=data, headers=headers, auth=(SECRET_KEY, ""))


def _nested_name(first: str, *rest: str) -> str:
    return first + "".join(f"[{name}]" for name in rest)


def intent(fake: FakeStripe, **form: Any) -> httpx.Response:
    return post(fake, "/payment_intents", **{"amount": "5000", "currency": "brl", **form})


def paid(fake: FakeStripe, **form: Any) -> str:
    made = intent(fake, payment_method="pm_card_visa", confirm="true", **form).json()
    assert made["status"] == "succeeded"
    return str(made["id"])


def register(fake: FakeStripe, url: str, *, connect: bool = False) -> str:
    made = post(
        fake,
        "/webhook_endpoints",
        url=url,
        enabled_events__0="*",
        connect=str(connect).lower(),
    )
    return str(made.json()["secret"])


def error(answer: httpx.Response) -> tuple[int, str, str | None, str | None]:
    found = answer.json()["error"]
    assert answer.headers["Request-Id"].startswith("req_")
    return answer.status_code, found["type"], found.get("code"), found.get("param")


# Forms and keys


def test_nested_reads_the_three_ways_in_which_arrays_are_written() -> None:
    pairs = [("a[0]", "x"), ("a[1]", "y"), ("b[]", "x"), ("b[]", "y"), ("c[d][e]", "1"), ("f", "")]
    assert nested(pairs) == {"a": ["x", "y"], "b": ["x", "y"], "c": {"d": {"e": "1"}}, "f": ""}


@pytest.mark.parametrize("key", ["a[", "a]b", "[a]", ""])
def test_nested_refuses_when_brackets_do_not_match(key: str) -> None:
    with pytest.raises(Refused):
        nested([(key, "x")])


def test_nested_refuses_when_one_name_is_a_text_and_an_object() -> None:
    with pytest.raises(Refused):
        nested([("a", "x"), ("a[b]", "y")])


def test_json_is_refused_because_only_forms_are_taken(fake: FakeStripe) -> None:
    body = {"amount": 5000, "currency": "brl"}
    answer = fake.http.post("/v1/payment_intents", json=body, auth=(SECRET_KEY, ""))
    assert error(answer) == (400, "invalid_request_error", None, None)


def test_key_is_taken_as_bearer_and_as_basic_and_no_other_is(fake: FakeStripe) -> None:
    def status(authorization: str | None) -> int:
        headers = {} if authorization is None else {"Authorization": authorization}
        return fake.http.get("/v1/balance", headers=headers).status_code

    assert status(f"Bearer {SECRET_KEY}") == 200
    assert status("Basic " + b64encode(f"{SECRET_KEY}:".encode()).decode()) == 200
    assert [status(a) for a in (None, "Bearer sk_other", "Basic %%%", "Bearer")] == [401] * 4


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        ({"amount": ""}, "parameter_missing", "amount"),
        ({"amount": "50.0"}, "parameter_invalid_integer", "amount"),
        ({"amount": "49"}, "amount_too_small", "amount"),
        ({"amount": "100000000"}, "amount_too_large", "amount"),
        ({"currency": "xxx"}, None, "currency"),
        ({"surprise": "1"}, "parameter_unknown", "surprise"),
        (
            {"payment_method_types__0": "card"},
            "payment_method_types_no_longer_supported",
            "payment_method_types",
        ),
        (
            {"transfer_data__destination": "acct_none"},
            "resource_missing",
            "transfer_data[destination]",
        ),
        ({"transfer_data__surprise": "1"}, "parameter_unknown", "transfer_data[surprise]"),
        ({"payment_method": "pm_unknown"}, "resource_missing", "payment_method"),
        ({"customer": "cus_none"}, "resource_missing", "customer"),
        ({"metadata__k": "v" * 501}, None, "k"),
        ({"capture_method": "later"}, None, "capture_method"),
        ({"metadata": "text"}, None, "metadata"),
    ],
)
def test_create_is_refused_under_the_name_of_the_parameter(
    fake: FakeStripe, form: dict[str, str], code: str | None, param: str
) -> None:
    assert error(intent(fake, **form)) == (400, "invalid_request_error", code, param)


def test_card_numbers_are_never_taken(fake: FakeStripe) -> None:
    answer = intent(fake, payment_method_data__card__number="4242424242424242")
    assert answer.status_code == 402
    assert "4242" not in answer.text


def test_unknown_paths_and_lists_out_of_bounds_are_refused(fake: FakeStripe) -> None:
    auth = (SECRET_KEY, "")
    assert error(fake.http.get("/v1/payment_links", auth=auth))[0] == 404
    for params in ({"limit": "101"}, {"limit": "0"}, {"starting_after": "pi_x"}, {"status": "x"}):
        assert fake.http.get("/v1/payment_intents", params=params, auth=auth).status_code == 400


# Idempotency


def test_answers_are_replayed_and_say_so(fake: FakeStripe) -> None:
    first, again = (intent(fake, key="k") for _ in range(2))
    assert (first.json(), first.headers.get("Idempotent-Replayed")) == (again.json(), None)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.headers["Request-Id"] != again.headers["Request-Id"]


def test_keys_belong_to_one_endpoint_and_its_parameters(fake: FakeStripe) -> None:
    assert intent(fake, key="k").status_code == 200
    assert error(intent(fake, key="k", amount="6000"))[:2] == (400, "idempotency_error")
    assert error(post(fake, "/customers", key="k"))[:2] == (400, "idempotency_error")


def test_refused_parameters_do_not_use_a_key_up_but_declined_cards_do(fake: FakeStripe) -> None:
    assert intent(fake, key="k", amount="1").status_code == 400
    assert intent(fake, key="k").status_code == 200
    declined = {"payment_method": "pm_card_chargeDeclined", "confirm": "true"}
    answers = [intent(fake, key="d", **declined) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [402, 402]
    ids = {answer.json()["error"]["payment_intent"]["id"] for answer in answers}
    assert len(ids) == 1


@pytest.mark.parametrize(("mode", "made"), [("crash_before", 0), ("crash_after", 1)])
def test_a_500_is_stored_for_a_day_whether_or_not_it_had_an_effect(
    fake: FakeStripe, mode: str, made: int
) -> None:
    fake.control("/troubles", path="/payment_intents", mode=mode)
    answers = [intent(fake, key="k") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [500] * 3
    assert answers[0].headers["Stripe-Should-Retry"] == "false"
    assert len(fake.get("/payment_intents")["data"]) == made
    fake.control("/clock", advance_s=86_401)
    assert intent(fake, key="k").status_code == 200
    assert len(fake.get("/payment_intents")["data"]) == made + 1


# Events and deliveries


def test_one_fact_is_two_events_with_their_own_ids(fake: FakeStripe) -> None:
    identifier = paid(fake)
    events = fake.get("/events")["data"]
    assert [event["type"] for event in events] == [
        "payment_intent.succeeded",
        "charge.succeeded",
        "payment_intent.created",
    ]
    assert len({event["id"] for event in events}) == 3
    assert events[1]["data"]["object"]["payment_intent"] == identifier
    assert events[2]["data"]["object"]["status"] == "requires_confirmation"


def test_events_are_as_they_happened_and_kept_for_thirty_days(fake: FakeStripe) -> None:
    identifier = paid(fake)
    fake.control(f"/payments/{identifier}/refund", amount=1000)
    [first] = fake.get("/events", type="charge.succeeded")["data"]
    assert first["data"]["object"]["amount_refunded"] == 0
    [later] = fake.get("/events", type="charge.refunded")["data"]
    assert later["data"]["object"]["amount_refunded"] == 1000
    fake.control("/clock", advance_s=30 * 86_400 + 1)
    assert fake.get("/events")["data"] == []


def test_connected_accounts_events_go_to_their_own_endpoints_only(
    fake: FakeStripe, endpoint: WebhookEndpoint
) -> None:
    with listening() as own:
        register(fake, own.url)
        register(fake, endpoint.url, connect=True)
        fake.control("/accounts", state="new")
        account = post(fake, "/accounts", type="express", country="BR").json()["id"]
        intent(fake)
        fake.control(f"/accounts/{account}", state="active")
        eventually(lambda: own.received and endpoint.received)
        [event] = [json.loads(body) for body in endpoint.bodies()]
        assert (event["type"], event["account"]) == ("account.updated", account)
        assert {json.loads(body)["type"] for body in own.bodies()} == {"payment_intent.created"}


def refusals(endpoint: WebhookEndpoint, secret: str) -> list[str | None]:
    now = datetime.now(UTC)
    return [verify(headers, body, secrets=[secret], now=now) for headers, body in endpoint.received]


@pytest.mark.parametrize(
    ("chaos", "expected"),
    [
        ({"bad_signature": True}, ["forged"]),
        ({"stale_timestamp": True}, ["stale"]),
        ({"duplicate": 2}, [None, None, None]),
    ],
)
def test_deliveries_go_wrong_when_asked_to(
    fake: FakeStripe, endpoint: WebhookEndpoint, chaos: dict[str, Any], expected: list[str | None]
) -> None:
    secret = register(fake, endpoint.url)
    fake.control("/webhooks", **chaos, times=1)
    intent(fake)
    eventually(lambda: len(endpoint.received) == len(expected))
    assert refusals(endpoint, secret) == expected
    assert len(set(endpoint.bodies())) == 1


def test_deliveries_are_lost_or_overtaken_when_asked_to(
    fake: FakeStripe, endpoint: WebhookEndpoint
) -> None:
    register(fake, endpoint.url)
    fake.control("/webhooks", drop=True, times=1)
    intent(fake)
    fake.control("/webhooks", reorder=True, times=1)
    paid(fake)
    eventually(lambda: len(endpoint.received) == 3)
    kinds = [json.loads(body)["type"] for body in endpoint.bodies()]
    assert kinds.index("charge.succeeded") < kinds.index("payment_intent.created")


def test_deliveries_are_repeated_for_three_days_and_then_given_up(
    fake: FakeStripe, endpoint: WebhookEndpoint
) -> None:
    secret = register(fake, endpoint.url)
    endpoint.status = 500
    intent(fake)
    eventually(lambda: endpoint.received)

    def is_given_up() -> bool:
        fake.control("/clock", advance_s=86_401)
        [delivery] = fake.http.get("/__fake__/deliveries").json()["deliveries"]
        return bool(delivery["status"] == "dead_lettered")

    eventually(is_given_up)
    assert len(endpoint.received) == len(SCHEDULE_S)
    assert sum(SCHEDULE_S) <= DAYS_3_S
    assert len(set(endpoint.bodies())) == 1
    stamps = {headers["Stripe-Signature"].split(",")[0] for headers, _ in endpoint.received}
    assert len(stamps) == len(SCHEDULE_S)
    assert refusals(endpoint, secret)[0] is None


def test_endpoints_get_only_what_they_are_registered_for_and_are_limited(
    fake: FakeStripe, endpoint: WebhookEndpoint
) -> None:
    form = {"url": endpoint.url, "enabled_events__0": "charge.succeeded"}
    made = post(fake, "/webhook_endpoints", **form).json()
    assert made["secret"].startswith("whsec_")
    assert "secret" not in fake.get(f"/webhook_endpoints/{made['id']}")
    paid(fake)
    eventually(lambda: endpoint.received)
    assert [json.loads(body)["type"] for body in endpoint.bodies()] == ["charge.succeeded"]
    answers = [post(fake, "/webhook_endpoints", **form).status_code for _ in range(16)]
    assert answers == [200] * 15 + [400]


# Controls


def test_pay_takes_another_amount_and_totals_tell(fake: FakeStripe) -> None:
    short, waiting = intent(fake).json()["id"], intent(fake, amount="700").json()["id"]
    fake.control(f"/payments/{short}/pay", amount=4000)
    fake.control(f"/payments/{short}/pay", amount=1)  # twice pays once
    fake.control(f"/payments/{short}/refund", amount=150)
    totals = fake.http.get("/__fake__/totals").json()
    assert totals["by_status"] == {
        "succeeded": {"count": 1, "sum": 5000, "paid_sum": 4000},
        "requires_payment_method": {"count": 1, "sum": 700, "paid_sum": 0},
    }
    rows = {row["id"]: (row["paid_amount"], row["refunded_amount"]) for row in totals["payments"]}
    assert rows == {short: (4000, 150), waiting: (0, 0)}


def test_faults_break_calls_as_often_as_asked_and_calls_are_recorded(fake: FakeStripe) -> None:
    fake.fault("list", "status", status=503, times=2)
    auth = (SECRET_KEY, "")
    statuses = [fake.http.get("/v1/refunds", auth=auth).status_code for _ in range(3)]
    assert statuses == [503, 503, 200]
    assert [call["fault"] for call in fake.calls("GET", "/refunds")] == ["status", "status", None]


def test_ids_repeat_when_the_seed_is_the_same() -> None:
    series = [
        [Books(secret_key=SECRET_KEY, seed=seed).new_id("pi") for _ in range(2)]
        for seed in ("a", "a", "b")
    ]
    assert series[0] == series[1] != series[2]


def test_process_delivers_to_the_endpoint_it_was_started_with(
    tmp_path: Path, endpoint: WebhookEndpoint
) -> None:
    with running_fake(tmp_path, webhook_url=endpoint.url) as fake:
        fake.control("/accounts", state="active")
        post(fake, "/accounts", type="express", country="BR")
        intent(fake)
        eventually(lambda: len(endpoint.received) == 2)
    kinds = {json.loads(body)["type"] for body in endpoint.bodies()}
    assert kinds == {"account.updated", "payment_intent.created"}
    assert refusals(endpoint, WEBHOOK_SECRET) == [None, None]
