"""Keeps processes running that are always about to die."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from benchmarks.chaos_actors import BOLD, Actor, index_for_ever, settle_for_ever
from benchmarks.chaos_points import ENGINE_POINTS, INDEXER_POINTS, Doom, Point
from benchmarks.chaos_site import Place
from benchmarks.chaos_tally import AT_RANDOM, Tally
from settlement.lane import Policy

ENGINE_LIFE_S = 4.0
INDEXER_LIFE_S = 8.0
"""How long a process lives on average where it meets no doom before."""
DOOMED_SHARE = 0.8
"""Of processes that have a point to die at; the others die at any instant."""
PASSES_MAX = 2
NAP_S, SLEEP_S = 2.0, 12.0
"""Naps at most, and the sleep that one in ten is: longer than anybody waits for a lock."""
NAP_SHARE = 0.9
KILLED = -9
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Fate:
    """How a process ends."""

    doom: Doom = field(default_factory=Doom)
    life_s: float = NEVER
    """Killed after so long, wherever it is, where its doom did not come before."""


FateOf = Callable[[Sequence[Point]], Fate]
"""Chooses a fate for a process, given the points it can reach."""


def immortal(_points: Sequence[Point]) -> Fate:
    """Work until told otherwise."""
    return Fate()


def dying_at(point: Point) -> FateOf:
    """Die whenever a point is reached; who cannot reach it is immortal."""
    return lambda points: Fate(Doom(point)) if point in points else Fate()


def dying_anywhere(dice: Random) -> FateOf:
    """Die at some point, or at any instant, and soon."""

    def draw(points: Sequence[Point]) -> Fate:
        mean_s = ENGINE_LIFE_S if points is ENGINE_POINTS else INDEXER_LIFE_S
        doom = Doom()
        if dice.random() < DOOMED_SHARE:
            doom = Doom(dice.choice(points), dice.randrange(PASSES_MAX))
        return Fate(doom, dice.expovariate(1 / mean_s))

    return draw


@dataclass(slots=True)
class _Part:
    """One process after another, and what lies before the present one."""

    name: str
    actor: Actor
    points: Sequence[Point]
    fate: Fate = field(default_factory=Fate)
    dies_at: float = NEVER
    wakes_at: float = NEVER


class Troupe:
    """Two settlement engines that know nothing of each other, and an indexer."""

    def __init__(self, place: Place, dice: Random, tally: Tally) -> None:
        """Start nothing yet."""
        self._dice = dice
        self._tally = tally
        self._fate_of: FateOf = immortal
        one, other, index = place.post(0), place.post(1, 0), place.post(1)
        self._parts = [
            _Part("engine 0", place.actor(settle_for_ever, one), ENGINE_POINTS),
            _Part("engine 1", place.actor(settle_for_ever, other), ENGINE_POINTS),
            _Part("indexer", place.actor(index_for_ever, index), INDEXER_POINTS),
        ]

    def begin(self, fate_of: FateOf, *, policy: Policy = BOLD) -> None:
        """Let new processes work, whatever the present ones were about.

        Args:
            fate_of: How they end, and those who follow them.
            policy: The bounds of the engines.
        """
        self._fate_of = fate_of
        for part in self._parts:
            part.actor.kill()
            part.actor.ended()
            part.actor.post = replace(part.actor.post, policy=policy)
            self._start(part)

    def tend(self) -> None:
        """Kill whose time has come, wake who slept enough, and replace who died."""
        now = time.monotonic()
        for part in self._parts:
            if part.wakes_at <= now:
                part.actor.wake()
                part.wakes_at = NEVER
                part.dies_at = max(part.dies_at, now + part.fate.life_s)
            by_us = part.dies_at <= now and part.wakes_at == NEVER
            if by_us:
                part.actor.kill()
            code = part.actor.ended()
            if code is not None:
                self._note_end(part, code, by_us=by_us)
                self._start(part)

    def put_to_sleep(self) -> None:
        """Let one of the engines sleep, wherever it is, while the world goes on."""
        part = self._dice.choice(self._parts[:2])
        if part.wakes_at == NEVER:
            part.actor.stop()
            is_nap = self._dice.random() < NAP_SHARE
            part.wakes_at = time.monotonic() + (self._dice.uniform(0, NAP_S) if is_nap else SLEEP_S)
            self._tally.sleeps += 1

    def end(self) -> None:
        """Kill all; what they left is to be sound as it is."""
        for part in self._parts:
            part.actor.kill()

    def _start(self, part: _Part) -> None:
        part.fate, part.wakes_at = self._fate_of(part.points), NEVER
        part.dies_at = time.monotonic() + part.fate.life_s
        part.actor.start(part.fate.doom)

    def _note_end(self, part: _Part, code: int, *, by_us: bool) -> None:
        if code == KILLED:
            point = None if by_us else part.fate.doom.point
            self._tally.kills[AT_RANDOM if point is None else point] += 1
        else:
            self._tally.broken.append(f"{part.name} ended by itself with code {code}: see its log")
