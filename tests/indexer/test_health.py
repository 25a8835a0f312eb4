from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, insert, update

from indexer.chain.networks import network_by_name
from indexer.chain.types import BlockHash, BlockNumber, BlockStamp
from indexer.db.session import open_engine
from indexer.health import readiness, serving
from indexer.lag import BACKFILL_BLOCKS_MIN, LAG_BLOCKS_MAX, finality_alarm_s, silence_max
from indexer.ledger import extend
from indexer.providers import ProviderScore
from indexer.status import LastAudit, Ledger, Status, read_status
from indexer.tables import audits, marks, outbox, reorgs
from stack.ports import free_port

NETWORK = network_by_name("celo-local")
CHAIN = NETWORK.chain_id
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def block(number: int) -> BlockNumber:
    return BlockNumber(number)


def stamp(number: int, *, at: datetime = NOW) -> BlockStamp:
    return BlockStamp(block(number), BlockHash(number.to_bytes(32, "big")), at)


FOLLOWING = Status(
    chain_id=CHAIN,
    network="celo-local",
    as_of=NOW,
    first_block=block(1),
    head=block(100),
    safe=block(90),
    fetched=stamp(100),
    indexed=stamp(100),
    finalized=stamp(80, at=NOW - timedelta(seconds=20)),
    degraded_reason=None,
    updated_at=NOW,
    ledger=Ledger({"fetched": 0, "cross_checked": 0, "proven": 100}, block(100), ()),
    providers=(),
    reorgs=(),
    audit=None,
    blocks_per_s=2.0,
)
HOLE = Ledger({"fetched": 99, "cross_checked": 0, "proven": 0}, None, ((block(7), block(7)),))
HOLE_ABOVE = replace(HOLE, holes=((block(101), block(120)),))


def behind(blocks: int, *, age_s: int = 0) -> Status:
    return replace(
        FOLLOWING,
        head=block(100 + blocks),
        indexed=stamp(100, at=NOW - timedelta(seconds=age_s)),
    )


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (None, 503, "nothing indexed yet"),
        (replace(FOLLOWING, indexed=None), 503, "nothing indexed yet"),
        (FOLLOWING, 200, None),
        (behind(LAG_BLOCKS_MAX), 200, None),
        (behind(LAG_BLOCKS_MAX + 1), 503, "61 blocks behind"),
        (behind(1, age_s=60), 200, None),
        (behind(1, age_s=61), 503, "61 s behind"),
        (behind(0, age_s=3600), 200, None),
        (behind(BACKFILL_BLOCKS_MIN), 503, "backfilling: 1000 blocks to go, about 500 s"),
        (
            replace(behind(BACKFILL_BLOCKS_MIN), blocks_per_s=None),
            503,
            "backfilling: 1000 blocks to go",
        ),
        (
            replace(FOLLOWING, ledger=HOLE),
            503,
            "1 ranges were never read, the first is 7 to 7",
        ),
        (replace(FOLLOWING, ledger=HOLE_ABOVE), 200, None),
        (replace(FOLLOWING, degraded_reason="block 5 changed"), 503, "block 5 changed"),
        (replace(FOLLOWING, updated_at=NOW - timedelta(seconds=60)), 200, None),
        (
            replace(FOLLOWING, updated_at=NOW - timedelta(seconds=61)),
            503,
            "the head was last seen 61 s ago",
        ),
    ],
)
def test_readiness_follows_from_the_status(
    status: Status | None, code: int, reason: str | None
) -> None:
    found, body = readiness(status)
    assert (found, body["reason"]) == (code, reason)


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({}, None),
        (
            {"finalized": stamp(1, at=NOW - timedelta(seconds=finality_alarm_s(NETWORK) + 1))},
            "finality has stalled",
        ),
        ({"audit": LastAudit(NOW, block(80), {"equal": 4, "different": 1})}, "found 1 totals"),
        ({"audit": LastAudit(NOW, block(80), {"equal": 4, "not_comparable": 1})}, None),
        (
            {"providers": (ProviderScore("http://liar", 1, 0.5, "logs_missing", NOW),)},
            "http://liar has a truth score of 0.50; its last fault: logs_missing",
        ),
        ({"providers": (ProviderScore("http://once", 9, 0.99, "logs_missing", NOW),)}, None),
    ],
)
def test_warning_leaves_the_indexer_ready_when_rows_are_true(
    changes: dict[str, Any], warning: str | None
) -> None:
    code, body = readiness(replace(FOLLOWING, **changes))
    warnings = body["warnings"]
    assert code == 200
    assert isinstance(warnings, list)
    assert [warning in one for one in warnings] == ([] if warning is None else [True])


def test_finality_is_no_alarm_when_the_indexer_is_behind_itself() -> None:
    trailing = stamp(1, at=NOW - timedelta(days=30))
    _, body = readiness(replace(behind(LAG_BLOCKS_MAX + 1), finalized=trailing))
    assert body["warnings"] == []


@pytest.mark.parametrize(
    ("network", "seconds"), [("celo", 3_601), ("polygon", 120 + 256 * 2), ("celo-local", 602)]
)
def test_finality_alarm_is_the_networks_own(network: str, seconds: int) -> None:
    assert abs(finality_alarm_s(network_by_name(network)) - seconds) <= 2


def test_silence_is_longer_when_blocks_are_slower() -> None:
    assert silence_max(1).total_seconds() == 60
    assert silence_max(12).total_seconds() == 360


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
