"""What Slither finds in our contracts is answered in contracts/slither-answers.json.

Read its finding, then mend the contract or answer it: detector, places, one sentence.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import analysis
import pytest

ROOT = Path(__file__).parents[2]
ANSWERS = ROOT / "contracts" / "slither-answers.json"


@pytest.fixture(scope="module")
def analysed():
    before = Path.cwd()
    os.chdir(ROOT)  # Slither looks for the sources under their names
    try:
        return analysis.analyse()
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def answers():
    return json.loads(ANSWERS.read_text(encoding="utf-8"))


def answered(answers) -> list[tuple[str, str]]:
    return [(each["detector"], place) for each in answers for place in each["places"]]


def test_slither_reads_every_function(analysed):
    _, complaints = analysed
    assert complaints == []


def test_every_finding_is_answered(analysed, answers):
    found, _ = analysed
    assert found - set(answered(answers)) == set()


def test_no_answer_is_left_over(analysed, answers):
    found, _ = analysed
    assert set(answered(answers)) - found == set()


def test_every_answer_says_why_once(answers):
    assert all(each["answer"].endswith(".") for each in answers)
    assert len(set(answered(answers))) == len(answered(answers))
