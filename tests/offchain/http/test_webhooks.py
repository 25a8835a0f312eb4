import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import Engine, select
from typing_extensions import override

from offchain.http.app import create_app
from offchain.http.bodies import BODY_BYTES_MAX
from offchain.inbox.store import InboxId
from offchain.jobs.bell import Bell
from offchain.services import Services
from offchain.tables import inbox, webhook_refusals
from stack.fakes.crowdsplit.delivery import sign
from stack.postgres import EmbeddedPostgres
from stack.valkey import EmbeddedValkey
from tests.support.asgi import serving
from tests.support.crowdsplit import WEBHOOK_SECRET
from tests.support.offchain import http_settings

URL = "/v1/webhooks/crowdsplit"
DEEP = b"[" * 900_000
NUL_ID = b'{"id":"a\\u0000","event":"payment.captured"}'


def body_of(event_id: str = "evt-1", **data: Any) -> bytes:
    return json.dumps({"id": event_id, "event": "payment.captured", "data": data}).encode()


def signed(body: bytes, *, age_s: int = 0, secret: str = WEBHOOK_SECRET) -> dict[str, str]:
    return sign(body, secret=secret, timestamp=int(datetime.now(UTC).timestamp()) - age_s)


def refusals(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        rows = connection.execute(select(webhook_refusals.c.reason, webhook_refusals.c.count))
        return {row[0]: row[1] for row in rows}


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
    assert refusals(engine) == {reason: 1}
    assert stored(engine) == []


def test_webhook_is_refused_when_it_is_chunked_and_too_large(
    http: httpx.Client, engine: Engine
) -> None:
    chunks = (b"x" * 65_536 for _ in range(17))
    assert http.post(URL, content=chunks).status_code == 413
    assert refusals(engine) == {"too_large": 1}


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
    app, bell = create_app(http_settings(database_url, valkey.url), services=services), BrokenBell()
    app.state.lastro = replace(app.state.lastro, bell=bell)
    with serving(app) as client:
        assert client.post(URL, content=body_of(), headers=signed(body_of())).status_code == 200
    assert stored(engine) == [body_of()]
    assert bell.rung == 1


def test_webhook_is_404_when_the_gateway_is_unknown(http: httpx.Client, engine: Engine) -> None:
    answer = http.post("/v1/webhooks/nobody", content=b"x" * (BODY_BYTES_MAX + 1))
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:problem-type:lastro:unknown-gateway"
    assert refusals(engine) == {}


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
