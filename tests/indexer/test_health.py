from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import Engine

from indexer.chain.types import BlockNumber
from indexer.health import LAG_BLOCKS_MAX, readiness, serving, silence_max
from indexer.queries import Marks
from stack.ports import free_port
from tests.support.fake_chain import FakeChain
from tests.support.indexing import CHAIN, catch_up, follower_of

STAMP = FakeChain().head.stamp
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FOLLOWING = Marks(
    chain_id=CHAIN,
    network="celo-local",
    first_block=BlockNumber(0),
    head_number=BlockNumber(0),
    indexed=STAMP,
    finalized=None,
    degraded_reason=None,
    updated_at=NOW,
)


@pytest.mark.parametrize(
    ("marks", "status", "reason"),
    [
        (None, 503, "nothing indexed yet"),
        (replace(FOLLOWING, indexed=None), 503, "nothing indexed yet"),
        (FOLLOWING, 200, None),
        (replace(FOLLOWING, head_number=BlockNumber(LAG_BLOCKS_MAX)), 200, None),
        (replace(FOLLOWING, head_number=BlockNumber(LAG_BLOCKS_MAX + 1)), 503, "61 blocks behind"),
        (replace(FOLLOWING, degraded_reason="block 5 changed"), 503, "block 5 changed"),
        (replace(FOLLOWING, updated_at=NOW - timedelta(seconds=60)), 200, None),
        (
            replace(FOLLOWING, updated_at=NOW - timedelta(seconds=61)),
            503,
            "the head was last seen 61 s ago",
        ),
    ],
)
def test_readiness_follows_from_the_marks(
    marks: Marks | None, status: int, reason: str | None
) -> None:
    found, body = readiness(marks, now=NOW)
    assert (found, body["reason"]) == (status, reason)


def test_silence_is_longer_when_blocks_are_slower() -> None:
    assert silence_max(1).total_seconds() == 60
    assert silence_max(12).total_seconds() == 360


def test_endpoints_answer_from_the_database(engine_as: Callable[[str], Engine]) -> None:
    engine, port = engine_as("chain"), free_port()
    chain = FakeChain()
    chain.mine()
    with (
        serving(engine, CHAIN, port=port),
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").status_code == 503
        catch_up(follower_of(engine, chain))
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["indexed"]) == (200, 1)
        assert client.get("/else").status_code == 404
