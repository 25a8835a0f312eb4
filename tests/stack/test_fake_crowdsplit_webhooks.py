"""The fake's webhooks: registering, signing, the sender's schedules, chaos, and what was sent."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from stack.fakes.crowdsplit.webhooks import BODY_MAX, SCHEDULES_S, category_of, envelope
from tests.support.crowdsplit_api import API, FakeApi, Listener, listening, running_api
from tests.support.waiting import eventually

NOTIFICATIONS = "/merchant/webhooks/notifications"


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with running_api() as api:
        yield api


@pytest.fixture(scope="module")
def idle() -> Iterator[FakeApi]:
    """One fake for every test that leaves nothing behind which another looks at."""
    with running_api() as api:
        yield api


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as endpoint:
        yield endpoint


def notifications(fake: FakeApi, **query: str) -> list[dict[str, Any]]:
    fake.renew()
    rows: list[dict[str, Any]] = fake.data(NOTIFICATIONS, limit=100, **query)["notification_list"]
    return rows


def test_secret_is_shown_once_and_an_url_is_registered_once(fake: FakeApi) -> None:
    url = "http://127.0.0.1:9/a"
    assert fake.register(url, description="ours")
    assert fake.post("/merchant/webhooks", url=url).status_code == 409
    (row,) = fake.data("/merchant/webhooks")["webhook_list"]
    assert set(row) == {"id", "url", "description", "is_active"}
    assert fake.data(f"/merchant/webhooks/{row['id']}") == row


@pytest.mark.parametrize("url", ["", "ftp://x", "http://" + "a" * 250, None])
def test_registration_is_refused_when_the_url_is(idle: FakeApi, url: str | None) -> None:
    assert idle.post("/merchant/webhooks", url=url).status_code == 422


def test_registration_is_changed_switched_off_and_deleted(fake: FakeApi) -> None:
    fake.register("http://127.0.0.1:9/a")
    fake.register("http://127.0.0.1:9/b")
    rows = fake.data("/merchant/webhooks")["webhook_list"]
    path = f"{API}/merchant/webhooks/{rows[0]['id']}"
    assert fake.http.put(path, json={"url": rows[1]["url"]}).status_code == 409
    changed = fake.http.put(path, json={"url": "http://127.0.0.1:9/c"}).json()["data"]
    assert changed["url"] == "http://127.0.0.1:9/c"
    assert fake.http.patch(f"{path}/toggle").json()["data"]["is_active"] is False
    assert fake.http.delete(path).json()["data"] == {"success": True}
    assert fake.http.delete(path).status_code == 404
    assert fake.http.get(path).status_code == 404


def test_endpoint_gets_only_the_events_it_wants_and_none_when_switched_off(
    fake: FakeApi, listener: Listener
) -> None:
    fake.register(listener.url, event_types=["payment.captured"])
    fake.paid()
    eventually(lambda: listener.received)
    (row,) = fake.data("/merchant/webhooks")["webhook_list"]
    fake.http.patch(f"{API}/merchant/webhooks/{row['id']}/toggle").raise_for_status()
    fake.paid()
    assert listener.events() == ["payment.captured"]
    assert len(notifications(fake)) == 1  # nothing more was even queued


def test_delivery_is_signed_and_repeated_on_schedule_when_refused(
    fake: FakeApi, listener: Listener
) -> None:
    secret = fake.register(listener.url, event_types=["payment.captured"])
    listener.status = 500
    fake.paid()
    eventually(lambda: [row["delivery_attempts"] for row in notifications(fake)] == [1])
    listener.status = 200
    fake.advance(29)
    fake.advance(2)
    eventually(lambda: notifications(fake, status="delivered"))
    assert len({body for _, body in listener.received}) == 1
    assert listener.refusals(secret) == [None, None]
    headers = {name.lower() for name in listener.received[0][0]}
    assert {"crowdsplit-signature", "crowdsplit-timestamp"} <= headers
    assert "crowdsplit-notification-id" not in headers


@pytest.mark.parametrize(("dialect", "attempts"), [("gen2", 4), ("gen3", 7)])
def test_delivery_is_given_up_after_so_many_attempts(
    fake: FakeApi, listener: Listener, dialect: str, attempts: int
) -> None:
    fake.register(listener.url, event_types=["payment.captured"])
    fake.control("/webhooks", dialect=dialect)
    listener.status = 500
    fake.paid()

    def all_came() -> bool:
        fake.advance(86_401)
        return len(listener.received) >= attempts

    eventually(all_came)
    eventually(lambda: _given_up(fake, dialect))
    fake.advance(10 * 86_400)
    assert _given_up(fake, dialect)[0]["is_acknowledged"] is False
    assert len(listener.received) == attempts


def test_schedules_are_the_documented_ones() -> None:
    minutes = {dialect: [s / 60 for s in times] for dialect, times in SCHEDULES_S.items()}
    assert minutes == {
        "gen2": [0, 5, 10, 15],
        "gen3": [0, 0.5, 5, 30, 120, 480, 1440],
    }


def _given_up(fake: FakeApi, dialect: str) -> list[dict[str, Any]]:
    rows = notifications(fake, **({} if dialect == "gen2" else {"status": "dead_lettered"}))
    return [row for row in rows if row["event"] == "payment.captured"]


def test_second_generation_names_the_notification_in_a_header_and_has_bare_ids(
    fake: FakeApi, listener: Listener
) -> None:
    fake.control("/switches", dialect="gen2")
    fake.register(listener.url, event_types=["payment.captured"])
    fake.paid()
    eventually(lambda: listener.received)
    headers, body = listener.received[0]
    assert headers["CrowdSplit-Notification-Id"] == json.loads(body)["id"]
    (row,) = notifications(fake)
    assert row["id"] == json.loads(body)["id"]
    assert not {"status", "endpoints", "delivery_attempts"} & set(row)
    assert fake.post(f"{NOTIFICATIONS}/{row['id']}/replay").status_code == 404


@pytest.mark.parametrize(
    ("chaos", "refusals"),
    [
        ({"bad_signature": True}, ["forged"]),
        ({"stale_timestamp": True}, ["stale"]),
        ({"duplicate": 2}, [None, None, None]),
    ],
)
def test_delivery_goes_wrong_when_asked_to(
    fake: FakeApi, listener: Listener, chaos: dict[str, Any], refusals: list[str | None]
) -> None:
    secret = fake.register(listener.url, event_types=["payment.captured"])
    fake.control("/webhooks", **chaos, times=1)
    fake.paid()
    eventually(lambda: len(listener.received) == len(refusals))
    assert listener.refusals(secret) == refusals


def test_delivery_is_lost_or_reordered_when_asked_to(fake: FakeApi, listener: Listener) -> None:
    wanted = ["payment.awaiting_confirmation", "payment.captured"]
    fake.register(listener.url, event_types=wanted)
    fake.control("/webhooks", drop=True, times=1)
    fake.pix()
    fake.control("/webhooks", reorder=True, times=1)
    fake.paid()
    eventually(lambda: len(listener.received) == 2)
    assert listener.events() == ["payment.captured", "payment.awaiting_confirmation"]
    assert len(notifications(fake)) == 2  # of the lost one the gateway knows nothing either


def test_one_fact_is_told_twice_under_two_ids_when_asked_to(
    fake: FakeApi, listener: Listener
) -> None:
    fake.register(listener.url, event_types=["payment.captured", "transaction.updated"])
    identifier = fake.pix().json()["data"]["id"]
    fake.control("/webhooks", twin_events=True)
    fake.control(f"/payments/{identifier}/pay")
    eventually(lambda: len(listener.received) == 2)
    bodies = [json.loads(body) for _, body in listener.received]
    assert {body["event"] for body in bodies} == {"payment.captured", "transaction.updated"}
    assert len({body["id"] for body in bodies}) == 2
    assert len({body["data"]["id"] for body in bodies}) == 1


def test_notifications_are_listed_filtered_and_replayed(fake: FakeApi, listener: Listener) -> None:
    secret = fake.register(listener.url, event_types=["payment.captured"])
    identifier = fake.paid()
    fake.paid()
    eventually(lambda: len(notifications(fake, status="delivered")) == 2)
    (row,) = notifications(fake, reference_id=identifier)
    assert (row["event"], row["category"]) == ("payment.captured", "payment_lifecycle")
    assert (row["is_acknowledged"], row["data"]["id"]) == (True, identifier)
    assert notifications(fake, category="refund_lifecycle") == []
    assert fake.data(f"{NOTIFICATIONS}/{row['id']}")["id"] == row["id"]
    assert fake.get(f"{NOTIFICATIONS}/evt_nothing").status_code == 404
    assert fake.post(f"{NOTIFICATIONS}/{row['id']}/replay").status_code == 202
    eventually(lambda: len(listener.received) == 3)
    assert json.loads(listener.received[2][1])["id"] == row["id"]
    assert listener.refusals(secret) == [None, None, None]


@pytest.mark.parametrize(
    ("do", "events"),
    [
        ("refund", ["payment.refund.created", "refund.succeeded", "payment.refunded"]),
        ("lose", ["payment.disputed", "payment.dispute.funds_withdrawn", "payment.dispute.closed"]),
    ],
)
def test_claims_are_told_in_these_words(
    fake: FakeApi, listener: Listener, do: str, events: list[str]
) -> None:
    identifier = fake.paid()
    fake.register(listener.url, event_types=events)
    if do == "refund":
        fake.post(f"/payments/{identifier}/refund").raise_for_status()
    else:
        fake.control(f"/payments/{identifier}/dispute", outcome="lost")
    eventually(lambda: len(listener.received) == len(events))
    assert sorted(listener.events()) == sorted(events)


def test_body_loses_the_providers_answer_when_it_grows_too_large() -> None:
    data = {"id": "x", "provider_response": {"long": "a" * BODY_MAX}}
    body = envelope("evt_1", "payment.captured", data)
    assert len(body) < BODY_MAX
    assert json.loads(body)["data"]["provider_response"]["truncated"] is True


@pytest.mark.parametrize(
    ("event", "category"),
    [
        ("payment.refunded", "payment_lifecycle"),
        ("refund.failed", "refund_lifecycle"),
        ("payment.dispute.closed", "dispute_lifecycle"),
        ("payment.disputed", "dispute_lifecycle"),
        ("provider_registration.approved", "provider_registration_lifecycle"),
    ],
)
def test_category_is_filed_by_the_event(event: str, category: str) -> None:
    assert category_of(event) == category
