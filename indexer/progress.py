"""How far long work is: in a terminal a bar with rate and ETA, elsewhere log lines."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import Protocol

import structlog
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from typing_extensions import override

LINE_INTERVAL_S = 10.0
"""Between two log lines of one piece of work."""

Tell = Callable[[int], None]
"""Told how many units, e.g. blocks, are done by now, of all."""

log = structlog.get_logger()


class _Rate(ProgressColumn):
    """Units a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    @override
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {self._unit}/s")


class LogLines:
    """Progress as structured log lines."""

    def __init__(
        self,
        work: str,
        total: int,
        *,
        unit: str = "blocks",
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Begin.

        Args:
            work: What is being done, as a field of every line.
            total: Units in all.
            unit: What is counted, in the plural.
            clock: Seconds.
        """
        self._work = work
        self._total = total
        self._unit = unit
        self._clock = clock
        self._started = clock()
        self._said = self._started

    def tell(self, done: int) -> None:
        """Say how far it is, unless that was said a moment ago and there is more to come."""
        now = self._clock()
        if done < self._total and now - self._said < LINE_INTERVAL_S:
            return
        self._said = now
        elapsed_s = max(now - self._started, 1e-9)
        rate = done / elapsed_s
        log.info(
            "work_progressed",
            work=self._work,
            eta_s=round((self._total - done) / rate) if rate else None,
            **{
                self._unit: done,
                f"of_{self._unit}": self._total,
                f"{self._unit}_per_s": round(rate, 1),
            },
        )


class History(Protocol):
    """How far a long read of history is; ``backfill`` tells it at each commit."""

    @property
    def low(self) -> int:
        """Its first block."""
        ...

    @property
    def at(self) -> int:
        """Committed up to here."""
        ...

    @property
    def high(self) -> int:
        """Its last block."""
        ...


class HistoryShown:
    """Shows every long read of history that an indexer does, from its first commit to its last."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._tell: Tell | None = None

    def tell(self, history: History) -> None:
        """Show how far it is; what ``backfill`` is given to tell of its commits."""
        if self._tell is None:
            total = history.high - history.low + 1
            self._tell = self._open.enter_context(progress("history", total))
        self._tell(history.at - history.low + 1)
        if history.at >= history.high:
            self.close()

    def close(self) -> None:
        """Leave the terminal as it was; a read that goes on later is shown anew."""
        self._open.close()
        self._tell = None


@contextmanager
def progress(work: str, total: int, *, unit: str = "blocks") -> Iterator[Tell]:
    """Show how far work is on standard error until the block ends.

    Args:
        work: What is being done.
        total: Units in all.
        unit: What is counted, in the plural.
    """
    if not sys.stderr.isatty():
        yield LogLines(work, total, unit=unit).tell
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as bar:
        task = bar.add_task(work, total=total)
        yield lambda done: bar.update(task, completed=done)
