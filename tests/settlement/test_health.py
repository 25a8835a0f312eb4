"""``/livez``, ``/readyz``, ``/status`` and ``/metrics`` of a settlement process."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import Engine, insert, update

from indexer.chain.types import Wei
from indexer.db.session import open_engine
from indexer.errors import ConfigurationError
from indexer.tables import marks
from settlement.reporting.health import TURN_MAX, readiness, serving
from settlement.reporting.metrics import SettlementMetrics
from settlement.tables import signers
from settlement.types import Nonce
from stack.ports import free_port
from tests.settlement.builders import NOW
from tests.settlement.overviews import WELL, account, stopped
from tests.settlement.stored import CHAIN, NETWORK, SIGNER, Store


@pytest.mark.parametrize(
    ("last_turn_at", "reason"),
    [
        (NOW, None),
        (NOW - TURN_MAX, None),
        (
            NOW - TURN_MAX - timedelta(seconds=1),
            "no turn has ended for 61 s: the log says what is awaited",
        ),
        (None, "this process has taken no turn yet: it starts, or another works the lane"),
    ],
)
def test_lane_is_ready_while_its_turns_end(
    last_turn_at: datetime | None, reason: str | None
) -> None:
    code, body = readiness(WELL, SIGNER, last_turn_at=last_turn_at, now=NOW)
    assert (code, body["reason"]) == (200 if reason is None else 503, reason)


def test_lane_says_first_why_it_may_seal_nothing() -> None:
    halted = account(mode="quarantine", mode_reason="foreign")
    code, body = readiness(halted, SIGNER, last_turn_at=None, now=NOW)
    assert (code, body["reason"]) == (503, "the signer is quarantined: foreign")


def test_what_needs_a_person_leaves_the_lane_ready() -> None:
    code, body = readiness(stopped("campaign desk", 9), SIGNER, last_turn_at=NOW, now=NOW)
    warnings = body["warnings"]
    assert code == 200
    assert isinstance(warnings, list)
    assert len(warnings) == 1


def follow(engine: Engine) -> None:
    """An indexer at the head."""
    stamp = {"hash": bytes(32), "timestamp": datetime.now(UTC)}
    with engine.begin() as connection:
        connection.execute(
            insert(marks).values(
                chain_id=CHAIN,
                network=NETWORK.name,
                first_block=1,
                head_number=9,
                indexed_number=9,
                **{f"indexed_{name}": value for name, value in stamp.items()},
            )
        )


def test_endpoints_answer_from_the_database(
    store: Store, engine_as: Callable[[str], Engine]
) -> None:
    port = free_port()
    metrics = SettlementMetrics(store.engine, NETWORK, SIGNER)
    with (
        serving(store.engine, NETWORK, SIGNER, port=port, metrics=metrics),
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").json()["reason"] == "the signer has not started yet"

        store.signer()
        store.request("ready")
        follow(engine_as("chain"))
        metrics.observe_account(Wei(1), Nonce(0))
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["waiting"]) == (200, 1)
        assert (
            b'lastro_settlement_balance_wei{network="celo-local"' in client.get("/metrics").content
        )

        with store.engine.begin() as connection:
            connection.execute(update(signers).values(mode="quarantine", mode_reason="foreign"))
        assert client.get("/readyz").status_code == 503
        status = client.get("/status")
        assert status.status_code == 200  # it says what is wrong; it is not wrong to ask
        assert (status.json()["ready"], status.json()["signers"][0]["address"]) == (
            False,
            "0x" + SIGNER.hex(),
        )
        assert client.get("/else").status_code == 404


def test_setting_is_refused_when_the_port_is_in_use(store: Store) -> None:
    port = free_port()
    metrics = SettlementMetrics(store.engine, NETWORK, SIGNER)
    with (
        serving(store.engine, NETWORK, SIGNER, port=port, metrics=metrics),
        pytest.raises(ConfigurationError, match=f"port {port} .*LASTRO_SETTLEMENT_PORT"),
        serving(store.engine, NETWORK, SIGNER, port=port, metrics=metrics),
    ):
        raise AssertionError("two listen on one port")


def test_nothing_listens_when_the_port_is_nought(store: Store) -> None:
    metrics = SettlementMetrics(store.engine, NETWORK, SIGNER)
    with serving(store.engine, NETWORK, SIGNER, port=0, metrics=metrics):
        assert metrics.last_turn_at is None


def test_endpoints_say_so_when_postgres_is_gone(store: Store) -> None:
    port = free_port()
    nowhere = store.engine.url.set(port=free_port()).render_as_string(hide_password=False)
    dead = open_engine(nowhere, role=None, pool_size=1)
    metrics = SettlementMetrics(dead, NETWORK, SIGNER)
    try:
        with serving(dead, NETWORK, SIGNER, port=port, metrics=metrics):
            for path in ("/readyz", "/status"):
                answer = httpx.get(f"http://127.0.0.1:{port}{path}")
                assert answer.status_code == 503
                assert answer.json()["reason"] == "Postgres does not answer"
    finally:
        dead.dispose()
