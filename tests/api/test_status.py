from collections.abc import Callable
from typing import Any

import httpx
from pydantic import PostgresDsn
from sqlalchemy import Engine, insert

from api.app import create_app
from api.settings import ApiSettings
from migrations.run import code_revision
from offchain.tables import inbox, webhook_refusals
from settlement.tables import signers
from stack.ports import free_port
from tests.api import builders as b
from tests.api import chain_rows as c
from tests.api.serving import Stage

Get = Callable[..., Any]


def test_status_counts_every_state(login_engine: Engine, get: Get) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=100, finalized=98, head=104)
        campaign = b.add_campaign(rows)
        b.add_campaign(rows, "later", state="requested", chain_id=31338)
        b.add_settled(rows, campaign)
        b.add_contribution(rows, campaign, fiat_status="mismatch", review_reason="r")
        rows.execute(
            insert(signers).values(chain_id=c.CHAIN_ID, address=c.address("s"), next_nonce=0)
        )
        for key, state in (("a", "new"), ("b", "done"), ("c", "done")):
            rows.execute(
                insert(inbox).values(
                    gateway="crowdsplit",
                    event_key=key,
                    body=b"{}",
                    headers={},
                    state=state,
                    received_at=c.T0,
                )
            )
        rows.execute(
            insert(webhook_refusals).values(gateway="crowdsplit", reason="signature", count=3)
        )

    status = get("/v1/status")

    celo, polygon = status["chains"]
    assert (celo["network"], celo["lag_blocks"]) == ("celo-local", 4)
    assert celo["settlement_requests"] == {"included": 1}
    assert celo["settlement_campaigns"] == {"live": 1}
    assert celo["signers"] == {"active": 1}
    assert (polygon["network"], polygon["block_number"]) == ("polygon-local", None)
    assert polygon["settlement_campaigns"] == {"requested": 1}
    assert status["offchain"] == {
        "inbox": {"done": 2, "new": 1},
        "inbox_oldest_waiting_at": "2026-01-31T12:00:00Z",
        "refused_webhooks": 3,
        "fiat": {"captured": 1, "mismatch": 1},
        "chain": {"mined": 1, "none": 1},
        "needs_review": 1,
    }
    assert status["database_revision"] == code_revision()


def test_status_answers_when_everything_is_empty(get: Get) -> None:
    status = get("/v1/status")
    assert (status["chains"], status["as_of"]) == ([], [])
    assert status["offchain"]["inbox"] == {}


def test_ready_when_migrated_and_no_chain_is_degraded(
    login_engine: Engine, settings: ApiSettings, stage: Stage
) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows)
    with stage.showing(create_app(settings, expected_revision=code_revision())) as client:
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")


def test_not_ready_when_a_migration_is_pending(settings: ApiSettings, stage: Stage) -> None:
    with stage.showing(create_app(settings, expected_revision="9999")) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "migrations" in answer.json()["errors"][0]["detail"]


def test_not_ready_when_the_database_was_never_migrated(
    login_engine: Engine, client: httpx.Client
) -> None:
    with login_engine.begin() as rows:
        rows.exec_driver_sql("DROP TABLE public.alembic_version")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "none" in answer.json()["errors"][0]["detail"]


def test_not_ready_when_a_chain_is_degraded(login_engine: Engine, client: httpx.Client) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows, degraded_reason="block 90 changed below the finalized mark")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "celo-local" in answer.json()["errors"][0]["detail"]


def test_alive_but_not_ready_when_postgres_is_away(settings: ApiSettings, stage: Stage) -> None:
    away = settings.model_copy(
        update={"database_url": PostgresDsn(f"postgresql://x:y@127.0.0.1:{free_port()}/none")}
    )
    with stage.showing(create_app(away)) as client:
        assert client.get("/livez").status_code == 200
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["errors"][0]["detail"]) == (
            503, "postgres: does not answer",
        )  # fmt: skip
        answer = client.get("/v1/campaigns")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert "127.0.0.1" not in answer.text
