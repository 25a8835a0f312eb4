"""Two kinds of chaos: everything at once, or deaths at one named point after the other."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.chaos_actors import BOLD, RASH
from benchmarks.chaos_points import ENGINE_POINTS, INDEXER_POINTS, Point
from benchmarks.chaos_run import BLOCK_S, Run
from benchmarks.chaos_troupe import dying_anywhere, dying_at

TICK_S = 0.02
LONG_RUN_S = 240.0
"""A run of this length sees Postgres restart."""
ARRIVAL_SHARE = 0.9
"""Of the time of a run, in which its payments arrive."""
POINT_BLOCK_S = 0.1
OPEN_MAX = 12
"""Payments under way while processes die at a point: some for each, and no heap."""
POINT_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Habit:
    """Something that the world does again and again."""

    act: Callable[[], None]
    mean_s: float
    """Mean pause between two times."""


def rage(run: Run, *, payments: int, seconds: float) -> None:
    """Do everything at once, while payments arrive evenly."""
    world, dice = run.world, run.dice
    task = run.progress.add_task("raging", total=payments)
    world.lie()
    run.troupe.begin(dying_anywhere(dice))
    started = time.monotonic()
    due = dict.fromkeys(_habits(run), started)
    restart_at = started + seconds / 2 if seconds >= LONG_RUN_S else float("inf")
    while (now := time.monotonic()) < started + seconds:
        share = min(1.0, (now - started) / (seconds * ARRIVAL_SHARE))
        world.capture(round(payments * share) - len(world.captured))
        for habit, at in due.items():
            if at <= now:
                habit.act()
                due[habit] = now + dice.expovariate(1 / habit.mean_s)
        if restart_at <= now:
            world.restart_postgres()
            restart_at = float("inf")
        run.troupe.tend()
        time.sleep(TICK_S)
    world.capture(payments - len(world.captured))
    run.show(task)


def _habits(run: Run) -> list[Habit]:
    world = run.world
    task = run.progress.add_task("settled", total=None)
    return [
        Habit(world.mine, BLOCK_S),
        Habit(world.reorganize, 2.0),
        Habit(world.roll_back, 10.0),
        Habit(world.steal_nonce, 4.0),
        Habit(world.wipe_pool, 4.0),
        Habit(world.spike, 8.0),
        Habit(world.change_weather, 2.0),
        Habit(run.troupe.put_to_sleep, 5.0),
        Habit(run.look_after, 0.5),
        Habit(run.ask_for_promises, 2.0),
        Habit(lambda: run.show(task), 1.0),
    ]


def crash(run: Run, *, kills: int) -> None:
    """Kill processes so many times at each named point, whoever gets there first."""
    points: tuple[Point, ...] = (*ENGINE_POINTS, *INDEXER_POINTS)
    task = run.progress.add_task("crashing", total=kills * len(points))
    for point in points:
        run.troupe.begin(dying_at(point), policy=RASH if point == "bumped" else BOLD)
        give_up = time.monotonic() + POINT_PATIENCE_S * max(1, kills / 10)
        next_block = 0.0
        while run.tally.kills[point] < kills:
            now = time.monotonic()
            if now >= give_up:
                run.tally.broken.append(f"{point} was reached {run.tally.kills[point]} times only")
                break
            if now >= next_block:
                run.world.capture(OPEN_MAX - len(run.world.captured) + (run.settled() or 0))
                run.world.mine()
                next_block = now + POINT_BLOCK_S
            run.troupe.tend()
            run.progress.update(task, completed=run.tally.kills.total(), description=point)
            time.sleep(TICK_S)
