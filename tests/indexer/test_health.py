from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import Engine

from indexer.chain.types import BlockNumber
from indexer.health import LAG_BLOCKS_MAX, readiness, serving
from indexer.queries import Marks
from stack.ports import free_port
from tests.support.fake_chain import FakeChain
from tests.support.indexing import CHAIN, catch_up, follower_of

STAMP = FakeChain().head.stamp
FOLLOWING = Marks(
    chain_id=CHAIN,
    network="celo-local",
    first_block=BlockNumber(0),
    head_number=BlockNumber(0),
    indexed=STAMP,
    finalized=None,
    degraded_reason=None,
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
    ],
)
def test_readiness_follows_from_the_marks(
    marks: Marks | None, status: int, reason: str | None
) -> None:
    found, body = readiness(marks)
    assert (found, body["reason"]) == (status, reason)


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
