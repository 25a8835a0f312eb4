"""The three processes and the fake gateway together, over real HTTP and a Redis that forgets."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from sqlalchemy import Engine, func, select

from offchain.ledger.accounts import gateway_receivable
from offchain.ledger.balances import balance
from offchain.tables import inbox, payment_attempts
from stack.ports import free_port
from stack.valkey import EmbeddedValkey
from tests.support.crowdsplit import WEBHOOK_SECRET, FakeCrowdSplit
from tests.support.offchain import add_campaign, environment
from tests.support.servers import running
from tests.support.waiting import eventually

PAYMENTS = 40


@pytest.fixture
def api(
    tmp_path: Path, database_url: str, valkey: EmbeddedValkey, crowdsplit: FakeCrowdSplit
) -> Iterator[httpx.Client]:
    """Start http, worker and cron, and register the webhook."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    variables = environment(
        database_url,
        valkey.url,
        LASTRO_HTTP_PORT=str(port),
        CROWDSPLIT_BASE_URL=crowdsplit.url,
        CROWDSPLIT_WEBHOOK_SECRETS=WEBHOOK_SECRET,
        LASTRO_SWEEP_INTERVAL_S="1",
        LASTRO_POLL_INTERVAL_S="1",
        LASTRO_POLL_GAP_S="1",
    )
    client = httpx.Client(base_url=url, timeout=30)

    def answers() -> bool:
        try:
            return client.get("/readyz").is_success
        except httpx.HTTPError:
            return False

    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        stack.enter_context(client)
        for name, value in variables.items():
            patch.setenv(name, value)
        for process in ("http", "worker", "cron"):
            command = [sys.executable, "-m", "offchain", process]
            log = tmp_path / f"{process}.log"
            stack.enter_context(
                running(command, answers=answers if process == "http" else lambda: True, log=log)
            )
        yield client


def statuses(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        rows = connection.execute(
            select(payment_attempts.c.fiat_status, func.count()).group_by(
                payment_attempts.c.fiat_status
            )
        )
        return {row[0]: row[1] for row in rows}


def pay(api: httpx.Client, crowdsplit: FakeCrowdSplit, number: int) -> None:
    body: dict[str, Any] = {
        "campaign": "festa",
        "method": "pix",
        "amount_minor": 1000 + number,
        "currency": "brl",
        "backer_reference": f"backer-{number}",
    }
    made = api.post("/v1/payments", json=body, headers={"Idempotency-Key": f"key-{number}"})
    attempt_id = made.raise_for_status().json()["payment_id"]
    rows = crowdsplit.totals()["payments"]
    payment = next(row for row in rows if row["metadata"]["lastro_attempt_id"] == attempt_id)
    crowdsplit.pay(payment["id"])


def test_every_payment_is_captured_when_redis_forgets_and_webhooks_are_lost(
    api: httpx.Client,
    engine: Engine,
    crowdsplit: FakeCrowdSplit,
    valkey: EmbeddedValkey,
    tmp_path: Path,
) -> None:
    add_campaign(engine, slug="festa")
    crowdsplit.adapter().register_webhook(f"{api.base_url}/v1/webhooks/crowdsplit")
    for number in range(PAYMENTS):
        pay(api, crowdsplit, number)
    eventually(lambda: statuses(engine) == {"captured": PAYMENTS}, timeout_s=20)

    redis.Redis.from_url(valkey.url).flushall()  # bells and schedule are gone
    crowdsplit.control("/webhooks", drop=True, times=2)
    pay(api, crowdsplit, PAYMENTS)  # and neither of its webhooks arrives
    eventually(lambda: statuses(engine) == {"captured": PAYMENTS + 1}, timeout_s=20)

    with engine.connect() as connection:
        receivable = balance(connection, gateway_receivable("crowdsplit").name, "brl")
        left = connection.execute(
            select(func.count()).select_from(inbox).where(inbox.c.state != "done")
        ).scalar_one()
    assert receivable is not None
    assert receivable.posted == sum(1000 + number for number in range(PAYMENTS + 1))
    assert left == 0
    logs = "".join(path.read_text() for path in tmp_path.glob("*.log"))
    for secret in ("backer-", WEBHOOK_SECRET, "merchant-secret", "operator-token", "br.gov.bcb"):
        assert secret not in logs


@pytest.mark.parametrize("arguments", [[], ["nobody"], ["http", "worker"], ["cron"]])
def test_main_exits_with_two_when_arguments_or_settings_are_wrong(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "offchain", *arguments]
    path = {"PATH": os.environ["PATH"]}
    done = subprocess.run(command, env=path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    expected = "DATABASE_URL" if arguments == ["cron"] else "usage: python -m offchain"
    assert expected in done.stderr
