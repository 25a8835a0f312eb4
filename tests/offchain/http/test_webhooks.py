import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import Engine, select, text, update
from structlog.testing import capture_logs
from typing_extensions import override

from offchain.http.app import create_app
from offchain.http.bodies import BODY_BYTES_MAX
from offchain.http.webhooks import INLINE_BYTES_MAX
from offchain.inbox.store import InboxId
from offchain.jobs.bell import Bell
from offchain.services import Services
from offchain.settings import HttpSettings
from offchain.tables import inbox, webhook_refusals
from stack.fakes.crowdsplit.webhooks import sign
from stack.fakes.delivery import Signing
from stack.postgres import EmbeddedPostgres
from stack.valkey import EmbeddedValkey
from tests.support.asgi import serving
from tests.support.crowdsplit import WEBHOOK_SECRET
from tests.support.offchain import environment, http_settings
from tests.support.waiting import eventually

URL = "/v1/webhooks/crowdsplit"
DEEP = b"[" * 900_000
NUL_ID = b'{"id":"a\\u0000","event":"payment.captured"}'


def body_of(event_id: str = "evt-1", **data: Any) -> bytes:
    return json.dumps({"id": event_id, "event": "payment.captured", "data": data}).encode()


def signed(body: bytes, *, age_s: int = 0, secret: str = WEBHOOK_SECRET) -> dict[str, str]:
    timestamp = int(datetime.now(UTC).timestamp()) - age_s
    return sign(body, Signing(secret, timestamp, is_forged=False))


def refusals(engine: Engine) -> dict[tuple[str, str], int]:
    columns = webhook_refusals.c
    with engine.connect() as connection:
        rows = connection.execute(select(columns.gateway, columns.reason, columns["count"]))
        return {(gateway, reason): count for gateway, reason, count in rows}


def assert_refused(engine: Engine, *reasons: str) -> None:
    """Refusals are counted soon after they are answered."""
    expected = Counter(("crowdsplit", reason) for reason in reasons)
    eventually(lambda: refusals(engine) == expected, what=f"{expected}")


def stored(engine: Engine) -> list[bytes]:
    with engine.connect() as connection:
        return list(connection.execute(select(inbox.c.body).order_by(inbox.c.id)).scalars())


def test_webhook_is_stored_raw_before_it_is_acknowledged(
    http: httpx.Client, engine: Engine
) -> None:
    body = b' {"id": "e",\n "event":"payment.captured"} \n'
    answer = http.post(URL, content=body, headers=signed(body))
    assert (answer.status_code, answer.json()) == (200, {"received": True, "duplicate": False})
    assert stored(engine) == [body]
    with engine.connect() as connection:
        headers = connection.execute(select(inbox.c.headers)).scalar_one()
    assert set(headers) == {"crowdsplit-signature", "crowdsplit-timestamp"}


def test_webhook_is_stored_once_when_it_is_delivered_twice(
    http: httpx.Client, engine: Engine
) -> None:
    body = body_of()
    answers = [http.post(URL, content=body, headers=signed(body)).json() for _ in range(2)]
    assert [answer["duplicate"] for answer in answers] == [False, True]
    assert len(stored(engine)) == 1


@pytest.mark.parametrize("state", ["new", "unmatched", "done", "dead"])
def test_webhook_that_was_given_up_is_worked_off_anew_when_it_is_sent_again(
    http: httpx.Client, engine: Engine, state: str
) -> None:
    body = body_of()
    http.post(URL, content=body, headers=signed(body))
    with engine.begin() as connection:
        connection.execute(update(inbox).values(state=state, tries=9))
    answer = http.post(URL, content=body, headers=signed(body))
    assert answer.json()["duplicate"] is (state != "dead")
    with engine.connect() as connection:
        row = connection.execute(select(inbox.c.state, inbox.c.tries)).one()
    assert tuple(row) == (("new", 0) if state == "dead" else (state, 9))


@pytest.mark.parametrize(
    ("body", "headers_of", "status", "reason"),
    [
        (b"x" * (BODY_BYTES_MAX + 1), dict, 413, "too_large"),
        (b"not json", dict, 401, "unsigned"),
        (b"not json", lambda: signed(b"other"), 401, "forged"),
        (body_of(), lambda: signed(body_of(), age_s=400), 401, "stale"),
        (body_of(), lambda: signed(body_of(), secret="other"), 401, "forged"),
        (b"not json", lambda: signed(b"not json"), 400, "unreadable"),
        (b"{}", lambda: signed(b"{}"), 400, "unreadable"),
        (DEEP, lambda: signed(DEEP), 400, "unreadable"),
        (NUL_ID, lambda: signed(NUL_ID), 400, "unreadable"),
        (b"{}", lambda: {"crowdsplit-signature": f"t={'9' * 5000},v1=00"}, 401, "malformed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_webhook_is_refused_counted_and_not_stored_in_this_order(
    http: httpx.Client,
    engine: Engine,
    body: bytes,
    headers_of: Callable[[], dict[str, str]],
    status: int,
    reason: str,
) -> None:
    answer = http.post(URL, content=body, headers=headers_of())
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert_refused(engine, reason)
    assert stored(engine) == []


def test_webhook_is_refused_when_it_is_chunked_and_too_large(
    http: httpx.Client, engine: Engine
) -> None:
    chunks = (b"x" * 65_536 for _ in range(17))
    assert http.post(URL, content=chunks).status_code == 413
    assert_refused(engine, "too_large")


class BrokenBell(Bell):
    """Fails in a way that nobody foresaw."""

    def __init__(self) -> None:
        self.rung = 0

    @override
    def ring(self, inbox_id: InboxId) -> None:
        self.rung += 1
        raise RuntimeError("unforeseen")


def test_webhook_is_acknowledged_when_the_bell_breaks_after_it_was_stored(
    services: Services, database_url: str, valkey: EmbeddedValkey, engine: Engine
) -> None:
    bell = BrokenBell()
    app = create_app(http_settings(database_url, valkey.url), services=services, bell=bell)
    with serving(app) as client:
        first, second = body_of("evt-1"), body_of("evt-2")
        assert client.post(URL, content=first, headers=signed(first)).status_code == 200
        eventually(lambda: bell.rung == 1)
        assert client.post(URL, content=second, headers=signed(second)).status_code == 200
        eventually(lambda: bell.rung == 2)
    assert stored(engine) == [first, second]


def test_webhook_is_404_when_the_gateway_is_unknown(http: httpx.Client, engine: Engine) -> None:
    answer = http.post("/v1/webhooks/nobody", content=b"x" * (BODY_BYTES_MAX + 1))
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:problem-type:lastro:unknown-gateway"
    http.post("/v1/webhooks/somebody", content=b"")
    eventually(lambda: refusals(engine) == {("unknown", "unknown_gateway"): 2})


def test_webhook_is_405_when_it_is_not_posted(http: httpx.Client) -> None:
    answer = http.get(URL)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.headers["content-type"] == "application/problem+json"


def test_webhook_is_stored_when_it_is_long(http: httpx.Client, engine: Engine) -> None:
    body = body_of(note="x" * INLINE_BYTES_MAX)
    assert http.post(URL, content=body, headers=signed(body)).json()["duplicate"] is False
    assert stored(engine) == [body]
    forged = http.post(URL, content=body, headers=signed(body, secret="other"))
    unreadable = b"x" * INLINE_BYTES_MAX + b"x"
    broken = http.post(URL, content=unreadable, headers=signed(unreadable))
    assert (forged.status_code, broken.status_code) == (401, 400)
    assert_refused(engine, "forged", "unreadable")


@pytest.mark.parametrize("secret", ["the-old-one", "the-new-one", "neither"])
def test_webhook_is_taken_under_each_active_secret_while_one_is_rotated(
    database_url: str, valkey: EmbeddedValkey, engine: Engine, secret: str
) -> None:
    active = ["the-old-one", "the-new-one"]
    variables = environment(database_url, valkey.url, CROWDSPLIT_WEBHOOK_SECRETS=",".join(active))
    with serving(create_app(HttpSettings.model_validate(variables))) as client:
        answer = client.post(URL, content=body_of(), headers=signed(body_of(), secret=secret))
    assert answer.status_code == (200 if secret in active else 401)
    assert stored(engine) == ([body_of()] if secret in active else [])


@pytest.mark.parametrize("order", [("forged", "genuine"), ("genuine", "forged")])
def test_forged_webhook_changes_nothing_when_it_names_a_real_event(
    http: httpx.Client, engine: Engine, order: Sequence[str]
) -> None:
    genuine, forged = body_of("evt-1", amount=5000), body_of("evt-1", amount=1)
    answers = {}
    for kind in order:
        body = genuine if kind == "genuine" else forged
        answers[kind] = http.post(URL, content=body, headers=signed(genuine))
    assert answers["forged"].status_code == 401
    assert answers["genuine"].json() == {"received": True, "duplicate": False}
    assert stored(engine) == [genuine]
    assert_refused(engine, "forged")


def test_openapi_says_what_a_sender_of_webhooks_meets(idle_http: httpx.Client) -> None:
    document = idle_http.get("/openapi.json").json()
    (operation,) = document["paths"]["/v1/webhooks/{gateway}"].values()
    assert operation["responses"].keys() == {"200", "400", "401", "404", "413", "503", "default"}
    assert operation["requestBody"]["required"] is True
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/Receipt"}
    assert operation["parameters"][0]["name"] == "gateway"


def test_refusals_are_counted_when_postgres_comes_back(
    http: httpx.Client, engine: Engine, login_engine: Engine
) -> None:
    with login_engine.begin() as connection:
        connection.execute(text("ALTER TABLE offchain.webhook_refusals RENAME TO hidden"))
    try:
        with capture_logs() as logs:
            answers = [http.post(URL, content=b"{}").status_code for _ in range(3)]
            eventually(lambda: any(log["event"] == "refusals_not_counted" for log in logs))
    finally:
        with login_engine.begin() as connection:
            connection.execute(text("ALTER TABLE offchain.hidden RENAME TO webhook_refusals"))
    assert answers == [401] * 3
    assert_refused(engine, "unsigned", "unsigned", "unsigned")


def test_webhook_is_503_and_can_be_repeated_when_postgres_is_away(
    http: httpx.Client, engine: Engine, database_url: str, postgres: EmbeddedPostgres
) -> None:
    body, name = body_of(), database_url.rsplit("/", 1)[1].split("?", maxsplit=1)[0]
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as server:
        server.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(Identifier(name)))
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        away = http.post(URL, content=body, headers=signed(body))
        assert http.get("/readyz").status_code == 503
        assert http.get("/livez").status_code == 200
        server.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(Identifier(name)))
    assert (away.status_code, away.headers["retry-after"]) == (503, "2")
    assert away.json()["type"] == "urn:problem-type:lastro:database-unavailable"
    assert http.post(URL, content=body, headers=signed(body)).status_code == 200
    assert stored(engine) == [body]
    assert http.get("/readyz").json() == {"status": "ok", "bell": "ok"}
