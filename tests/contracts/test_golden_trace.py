"""A scripted life, log by log and unit by unit, against the committed trace of each treasury.

After a change that is meant to move it: LASTRO_WRITE_SNAPSHOTS=1 ape test tests/contracts.
"""

from __future__ import annotations

import json
import os
from copy import deepcopy
from pathlib import Path

import building
import pytest
import traces

GOLDEN = Path(__file__).parent / "golden"
KINDS = [building.PAYMENT_TREASURY_ID, building.MIRROR_ID]


@pytest.fixture(scope="module")
def lives(protocol, people):
    return {kind: traces.trace(protocol, people, kind) for kind in KINDS}


@pytest.fixture(params=KINDS)
def life(request, lives):
    return lives[request.param]


def golden_path(kind: str) -> Path:
    return GOLDEN / f"{kind}.json"


def without_rewards(trace: list[dict]) -> list[dict]:
    kept = deepcopy(trace)
    for step in kept:
        for log in step["logs"]:
            if log["event"].startswith("PledgeNFTMinted"):
                log["data"] = []
    return kept


def rewards(trace: list[dict]) -> list[str]:
    logs = [log for step in trace for log in step["logs"]]
    return [log["data"][0] for log in logs if log["event"].startswith("PledgeNFTMinted")]


def test_life_is_that_of_the_golden_trace(life):
    path = golden_path(life["kind"])
    if os.environ.get("LASTRO_WRITE_SNAPSHOTS"):
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(json.dumps(life, indent=1) + "\n", encoding="utf-8")
    golden = json.loads(path.read_text(encoding="utf-8"))
    for found, expected in zip(life["trace"], golden["trace"], strict=True):
        assert found == expected
    assert life == golden


def test_tokens_of_a_life_are_conserved_at_every_step(life):
    held = 0
    for step in life["trace"]:
        for log in step["logs"]:
            minted = log["event"].startswith("Transfer") and log["by"] == "token"
            if minted and log["indexed"][0] == "0":
                held += int(log["data"][0])
        assert sum(map(int, step["balances"].values())) == held


def test_mirrors_golden_trace_is_the_one_slots_but_for_the_receipts_reward():
    one_slot, mirror = (
        json.loads(golden_path(building.TREASURY_KINDS[kind]).read_text(encoding="utf-8"))
        for kind in KINDS
    )
    assert without_rewards(mirror["trace"]) == without_rewards(one_slot["trace"])
    assert mirror["figures"] == one_slot["figures"]
    assert rewards(one_slot["trace"]) == ["payment 4", "payment 6", "payment 21"]
    assert rewards(mirror["trace"]) == ["item 4", "item 6", "item 21"]
