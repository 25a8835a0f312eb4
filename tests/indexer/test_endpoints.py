"""``/livez``, ``/readyz``, ``/status`` and ``/metrics``, and what the database tells them."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import Engine, insert, update

from indexer.chain.networks import network_by_name
from indexer.chain.types import BlockNumber
from indexer.db.session import open_engine
from indexer.errors import ConfigurationError
from indexer.health import serving
from indexer.ledger import extend
from indexer.status import read_status
from indexer.tables import audits, marks, outbox, reorgs
from stack.ports import free_port

NETWORK = network_by_name("celo-local")
CHAIN = NETWORK.chain_id


def block(number: int) -> BlockNumber:
    return BlockNumber(number)


def write_marks(engine: Engine, **changes: object) -> None:
    """An indexer at block 100 of 100, of which 51 to 60 were never read."""
    with engine.begin() as connection:
        connection.execute(
            insert(marks).values(
                chain_id=CHAIN,
                network=NETWORK.name,
                first_block=1,
                genesis_hash=bytes(32),
                head_number=100,
                safe_number=95,
                **{
                    f"{name}_{column}": value
                    for name, number in (("fetched", 100), ("indexed", 100), ("finalized", 90))
                    for column, value in (
                        ("number", number),
                        ("hash", bytes(32)),
                        ("timestamp", datetime.now(UTC)),
                    )
                },
                **changes,
            )
        )
        for low, high, state in ((1, 40, "proven"), (41, 50, "fetched"), (61, 100, "proven")):
            extend(
                connection,
                CHAIN,
                low=block(low),
                high=block(high),
                state=state,  # type: ignore[arg-type] # literals of this test
                provider="http://node",
                headers_linked=True,
            )


def test_status_tells_all_that_the_database_knows(engine: Engine) -> None:
    write_marks(engine)
    with engine.begin() as connection:
        connection.execute(
            insert(outbox),
            [
                {
                    "chain_id": CHAIN,
                    "action": "added",
                    "low": 1,
                    "high": 100,
                    "revision": 1,
                    "written_at": datetime.now(UTC) - timedelta(seconds=50),
                }
            ],
        )
        connection.execute(
            insert(reorgs).values(
                chain_id=CHAIN,
                ancestor_number=70,
                orphaned_tip_number=75,
                orphaned_tip_hash=bytes(32),
            )
        )
        connection.execute(
            insert(audits),
            [
                {
                    "chain_id": CHAIN,
                    "treasury": bytes(20),
                    "block_number": 90,
                    "getter": getter,
                    "verdict": verdict,
                }
                # the first is judged anew, and equal the second time
                for getter, verdict in (("a", "different"), ("a", "equal"), ("b", "different"))
            ],
        )
    with engine.connect() as connection:
        found = read_status(connection, NETWORK)
    assert found is not None
    assert dict(found.ledger.blocks) == {"fetched": 10, "cross_checked": 0, "proven": 80}
    assert found.ledger.proven_up_to == 40
    assert found.ledger.holes == found.holes_below_indexed == ((51, 60),)
    assert [one.depth for one in found.reorgs] == [5]
    assert found.audit is not None
    assert dict(found.audit.verdicts) == {"equal": 1, "different": 1}
    assert found.blocks_per_s == pytest.approx(2.0, rel=0.2)
    assert [one.provider for one in found.providers] == ["http://node"]


def test_endpoints_answer_from_the_database(engine: Engine) -> None:
    port = free_port()
    with (
        serving(engine, NETWORK, port=port),
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").status_code == 503
        assert client.get("/status").json()["reason"] == "nothing indexed yet"

        write_marks(engine)
        holed = client.get("/readyz")
        assert (holed.status_code, holed.json()["holes"]) == (503, 1)
        status = client.get("/status")
        assert status.status_code == 200  # it says what is wrong; it is not wrong to ask
        assert status.json()["ledger"]["holes"] == {"count": 1, "blocks": 10, "first": [[51, 60]]}
        assert status.json()["ready"] is False

        with engine.begin() as connection:
            extend(
                connection,
                CHAIN,
                low=block(51),
                high=block(60),
                state="fetched",
                provider="http://node",
                headers_linked=True,
            )
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["indexed"]) == (200, 100)
        assert (
            b'lastro_indexer_head_block{network="celo-local"} 100.0'
            in client.get("/metrics").content
        )
        assert client.get("/else").status_code == 404


def test_endpoints_stay_up_when_the_writer_has_halted(engine: Engine) -> None:
    port = free_port()
    write_marks(engine)
    with engine.begin() as connection:
        connection.execute(update(marks).values(degraded_reason="finalized block 90 changed"))
    with serving(engine, NETWORK, port=port):
        url = f"http://127.0.0.1:{port}"
        answer = httpx.get(f"{url}/readyz")
        assert (answer.status_code, answer.json()["reason"]) == (503, "finalized block 90 changed")
        assert httpx.get(f"{url}/livez").status_code == 200
        assert (
            b'lastro_indexer_degraded{network="celo-local"} 1.0'
            in httpx.get(f"{url}/metrics").content
        )


def test_setting_is_refused_when_the_port_is_in_use(engine: Engine) -> None:
    port = free_port()
    with (
        serving(engine, NETWORK, port=port),
        pytest.raises(ConfigurationError, match=f"port {port} .*LASTRO_INDEXER_PORT"),
        serving(engine, NETWORK, port=port),
    ):
        raise AssertionError("two listen on one port")


def test_endpoints_say_so_when_postgres_is_gone(engine: Engine) -> None:
    port = free_port()
    nowhere = engine.url.set(port=free_port()).render_as_string(hide_password=False)
    dead = open_engine(nowhere, role=None, pool_size=1)
    try:
        with serving(dead, NETWORK, port=port):
            url = f"http://127.0.0.1:{port}"
            for path in ("/readyz", "/status"):
                answer = httpx.get(f"{url}{path}")
                assert answer.status_code == 503
                assert answer.json()["reason"] == "Postgres does not answer"
            metrics = httpx.get(f"{url}/metrics").content
            assert b'lastro_indexer_database_up{network="celo-local"} 0.0' in metrics
    finally:
        dead.dispose()
