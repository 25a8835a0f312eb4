"""What every run of chaos has: who takes part, how it ends, and what is told of it."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from rich.progress import Progress, TaskID
from sqlalchemy import func, select
from sqlalchemy.exc import InterfaceError, OperationalError

from benchmarks.chaos_operator import Operator
from benchmarks.chaos_promises import broken_at_the_end, broken_meanwhile
from benchmarks.chaos_site import Place, chaos_site
from benchmarks.chaos_tally import Tally, report
from benchmarks.chaos_troupe import Troupe, immortal
from benchmarks.chaos_verdict import judge
from benchmarks.chaos_world import World
from settlement.tables import requests

BLOCK_S = 0.2
DRAIN_S = 180.0
LOG_LINES_SHOWN = 60
AWAY = (OperationalError, InterfaceError)
"""Postgres is away, or its locks are held by somebody who sleeps."""


class Run:
    """One run: its dice, the world, the processes, the operator, and what is counted."""

    def __init__(self, place: Place, seed: int, progress: Progress) -> None:
        """Gather who takes part."""
        self.place = place
        self.progress = progress
        self.dice = Random(seed)  # noqa: S311 - a run that can be repeated
        self.tally = Tally()
        self.world = World(place, self.dice, self.tally)
        self.troupe = Troupe(place, self.dice, self.tally)
        self._operator = Operator(place, self.tally)
        self._engine = place.engine_as("settlement")

    def close(self) -> None:
        """End every process, and let the database go."""
        self.troupe.end()
        self.world.close()
        self._operator.close()
        self._engine.dispose()

    def look_after(self) -> None:
        """Let the operator look."""
        try:
            self._operator.look()
        except AWAY:
            return

    def settled(self) -> int | None:
        """How many payments are settled; None when nobody can tell."""
        query = select(func.count()).where(requests.c.state == "settled")
        try:
            with self._engine.connect() as connection:
                return int(connection.execute(query).scalar_one())
        except AWAY:
            return None

    def ask_for_promises(self) -> None:
        """Note every invariant that is broken now, each with its first examples."""
        try:
            broken = broken_meanwhile(self._engine)
        except AWAY:
            return
        self.tally.broken += [words for words in broken if words not in self.tally.broken]

    def show(self, task: TaskID) -> None:
        """Show how far it is."""
        settled = self.settled()
        if settled is not None:
            words = f"{settled:,} settled, {self.tally.kills.total():,} kills"
            self.progress.update(task, completed=settled, description=words)

    def finish(self) -> dict[str, Any]:
        """Heal everything, let what is left be settled, and ask the chain what came of it."""
        self.world.heal()
        self.troupe.begin(immortal)
        if not self._drain():
            self.tally.broken.append(f"not all was settled {DRAIN_S:.0f} s after chaos ended")
        self.troupe.end()
        self.tally.broken += broken_at_the_end(self.place)
        verdict = judge(self.place, self.world.captured, self.world.foreign)
        if self.tally.broken or not verdict.is_sound:
            self._show_logs()
        return report(self.tally, verdict)

    def _drain(self) -> bool:
        give_up = time.monotonic() + DRAIN_S
        captured = len(self.world.captured)
        task = self.progress.add_task("settling what is left", total=captured)
        while time.monotonic() < give_up:
            self.world.mine()
            self.look_after()
            self.troupe.tend()
            self.show(task)
            if self.settled() == captured:
                return True
            time.sleep(BLOCK_S)
        return False

    def _show_logs(self) -> None:
        """Tell what the processes said last; it is gone with their directory."""
        for log in sorted(self.place.site.directory.glob("*.log")):
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            sys.stderr.write("\n".join([f"-- {log.name}", *lines[-LOG_LINES_SHOWN:], ""]))


@contextmanager
def chaos_run(seed: int, progress: Progress) -> Iterator[Run]:
    """Set up a place and who takes part in it; all are gone when the block ends."""
    with chaos_site(seed) as place:
        run = Run(place, seed, progress)
        try:
            yield run
        finally:
            run.close()
