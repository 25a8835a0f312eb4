"""The soak says what it did, and repeats a case by its number."""

import json
import subprocess
import sys

import pytest
from sqlalchemy import Engine

from indexer import rewind
from tests.support.random_chain import actions_of, run_case


def test_soak_prints_its_figures_and_finds_no_difference() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.reorg_soak", "--cases", "5", "--seed", "7", "--json"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    figures = json.loads(finished.stdout.splitlines()[-1])
    assert set(figures) == {"cases", "differences", "reorgs", "lies", "restarts", "seed"}
    assert (figures["cases"], figures["differences"], figures["seed"]) == (5, 0, 7)
    assert figures["reorgs"] > 0


def test_case_does_the_same_when_its_number_is_the_same() -> None:
    assert actions_of(11) == actions_of(11)
    assert actions_of(11) != actions_of(12)


def test_case_shows_the_difference_when_an_undo_forgets_something(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A property test that cannot fail proves nothing."""
    monkeypatch.setattr(rewind, "cut", lambda *_: None)
    found = (run_case(engine, actions_of(number)).differences for number in range(50))
    assert any(found)
