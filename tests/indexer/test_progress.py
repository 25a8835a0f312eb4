from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from indexer.progress import LINE_INTERVAL_S, HistoryShown, LogLines, progress


def test_log_lines_come_now_and_then_with_rate_and_eta() -> None:
    now = 0.0
    lines = LogLines("backfill", 1_000, clock=lambda: now)
    with capture_logs() as said:
        for done in (10, 20, 30):
            now += LINE_INTERVAL_S / 2
            lines.tell(done)
    assert [(one["blocks"], one["blocks_per_s"], one["eta_s"]) for one in said] == [(20, 2.0, 490)]
    assert said[0]["event"] == "work_progressed"


def test_last_line_is_said_at_once() -> None:
    lines = LogLines("verify", 5, clock=lambda: 0.0)
    with capture_logs() as said:
        lines.tell(5)
    assert [one["blocks"] for one in said] == [5]


def test_eta_is_unknown_when_nothing_is_done() -> None:
    now = 0.0
    lines = LogLines("verify", 5, clock=lambda: now)
    with capture_logs() as said:
        now = LINE_INTERVAL_S
        lines.tell(0)
    assert said[0]["eta_s"] is None


def test_progress_is_log_lines_when_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with capture_logs() as said, progress("repair", 3) as tell:
        tell(3)
    assert [one["work"] for one in said] == ["repair"]
    assert capsys.readouterr().err == ""


@dataclass(frozen=True, slots=True)
class Read:
    low: int
    at: int
    high: int


def test_history_is_shown_anew_when_one_read_has_ended() -> None:
    shown = HistoryShown()
    with capture_logs() as said:
        for at in (50, 99):
            shown.tell(Read(low=0, at=at, high=99))
        shown.tell(Read(low=100, at=109, high=109))
    assert [(one["blocks"], one["of_blocks"]) for one in said] == [(100, 100), (10, 10)]
