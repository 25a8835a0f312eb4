from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from indexer.chain.networks import network_by_name
from indexer.chain.types import BlockHash, BlockNumber, BlockStamp
from indexer.health import readiness
from indexer.lag import BACKFILL_BLOCKS_MIN, LAG_BLOCKS_MAX, finality_alarm_s, silence_max
from indexer.notices import Notices
from indexer.providers import ProviderScore
from indexer.status import LastAudit, Ledger, Status

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


def test_finality_has_stalled_when_nothing_ever_became_final() -> None:
    """Measured from the first block: a mark that never was trails too."""
    alarm_s = finality_alarm_s(NETWORK)
    for blocks, warned in ((alarm_s, False), (alarm_s + 1, True)):
        top = blocks // NETWORK.block_time_s
        status = replace(FOLLOWING, head=block(top), indexed=stamp(top), finalized=None)
        _, body = readiness(status)
        assert body["warnings"] == (
            [f"finality has stalled: nothing is final {blocks} s after the first block"]
            if warned
            else []
        )


def test_notices_of_the_process_are_told_and_make_nothing_unready() -> None:
    notices = Notices(node_awaited="no node answers", finality_unconfirmed="only 1 of 2 agree")
    said = ["this process awaits a node: no node answers", "only 1 of 2 agree"]
    code, body = readiness(FOLLOWING, notices)
    assert (code, body["warnings"]) == (200, said)
    code, body = readiness(None, notices)
    assert (code, body["warnings"]) == (503, said)
    assert body["reason"] == f"nothing indexed yet; {'; '.join(said)}"


def test_silence_is_longer_when_blocks_are_slower() -> None:
    assert silence_max(1).total_seconds() == 60
    assert silence_max(12).total_seconds() == 360
