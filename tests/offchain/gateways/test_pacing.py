"""The queue and the breaker, on a clock that only moves when somebody pauses."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from offchain.gateways.errors import GatewayUnavailable
from offchain.gateways.pacing import (
    FAILURES_UNTIL_OPEN,
    OPEN_S,
    QUEUE_MAX_S,
    QUIET_MAX_S,
    Pace,
)
from tests.support.waiting import eventually


class Clock:
    """Time that passes by pausing. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = 1000.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        with self._lock:
            self.pauses.append(seconds)
            self.now += seconds


def make_pace(clock: Clock, calls_per_s: int = 10) -> Pace:
    return Pace("gateway", calls_per_s=calls_per_s, pause=clock.pause, monotonic=clock)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("circuitbreaker.monotonic", found)
    return found


def take(pace: Pace) -> None:
    with pace.turn():
        pass


def fail(pace: Pace) -> None:
    with suppress(httpx.HTTPError), pace.turn():
        raise httpx.ReadTimeout("slow")


def take_down(pace: Pace) -> None:
    for _ in range(FAILURES_UNTIL_OPEN):
        fail(pace)


def test_turn_comes_at_once_up_to_the_rate_and_then_waits_for_the_window(clock: Clock) -> None:
    pace = make_pace(clock)
    for _ in range(10):
        take(pace)
    assert clock.pauses == []
    take(pace)
    assert sum(clock.pauses) == pytest.approx(1, abs=0.01)


def test_turns_never_exceed_the_rate_in_any_second(clock: Clock) -> None:
    pace = make_pace(clock)
    moments: list[float] = []
    for _ in range(45):
        take(pace)
        moments.append(clock.now)
    assert all(later - earlier >= 1 for earlier, later in zip(moments, moments[10:], strict=False))
    assert clock.now < 1000 + 4.1  # and it is not slower than it must be


def test_turns_never_exceed_the_rate_when_many_threads_want_one() -> None:
    """Each thread waits on its own, so moments are compared, not the pauses of one."""
    waits: list[float] = []
    lock = threading.Lock()

    def pause(seconds: float) -> None:
        with lock:
            waits.append(seconds)

    pace = Pace("gateway", calls_per_s=10, pause=pause, monotonic=lambda: 1000.0)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: take(pace), range(50)))
    # The clock stands: ten go at once, ten after each of four seconds.
    assert sorted(round(wait) for wait in waits) == [n for n in (1, 2, 3, 4) for _ in range(10)]


def test_turn_is_given_up_at_once_when_the_queue_is_too_long() -> None:
    pauses: list[float] = []
    pace = Pace("gateway", calls_per_s=1, pause=pauses.append, monotonic=lambda: 1000.0)
    for _ in range(1 + int(QUEUE_MAX_S)):
        with suppress(GatewayUnavailable):
            take(pace)
    before = len(pauses)
    with pytest.raises(GatewayUnavailable, match="too many calls"):
        take(pace)
    assert len(pauses) == before  # told without waiting
    assert max(pauses) <= QUEUE_MAX_S


def test_turns_keep_their_order_when_a_thread_read_the_clock_before_another() -> None:
    moments, pauses = iter([1000.5, 1000.0]), list[float]()
    pace = Pace("gateway", calls_per_s=10, pause=pauses.append, monotonic=lambda: next(moments))
    take(pace)
    take(pace)
    assert pauses == [0.5]  # it came second, so it goes second


def test_window_forgets_what_is_past(clock: Clock) -> None:
    pace = make_pace(clock)
    for _ in range(100):
        take(pace)
    assert pace._window.count() <= 20


def test_turn_waits_out_a_short_quiet(clock: Clock) -> None:
    pace = make_pace(clock)
    pace.keep_quiet(2.5)
    take(pace)
    assert clock.now >= 1002.5
    take(pace)
    assert clock.now < 1002.6


def test_turn_is_given_up_at_once_when_a_long_quiet_was_asked_for(clock: Clock) -> None:
    pace = make_pace(clock)
    pace.keep_quiet(QUEUE_MAX_S + 1)
    with pytest.raises(GatewayUnavailable, match="quiet for 6 s"):
        take(pace)
    assert clock.pauses == []


def test_quiet_ends_when_an_endless_one_was_asked_for(clock: Clock) -> None:
    pace = make_pace(clock)
    pace.keep_quiet(float("inf"))
    clock.now += QUIET_MAX_S
    take(pace)
    assert clock.pauses == []


def test_quiet_is_not_shortened_by_a_shorter_one(clock: Clock) -> None:
    pace = make_pace(clock)
    pace.keep_quiet(3)
    pace.keep_quiet(0)
    take(pace)
    assert clock.now >= 1003


def test_turn_keeps_quiet_although_it_was_asked_for_while_the_turn_waited(clock: Clock) -> None:
    pace = Pace("gateway", calls_per_s=1, pause=clock.pause, monotonic=clock)
    take(pace)
    pause, asked = clock.pause, threading.Event()

    def pause_and_hear_of_quiet(seconds: float) -> None:
        pause(seconds)
        if not asked.is_set():
            asked.set()
            pace.keep_quiet(2)

    pace._pause = pause_and_hear_of_quiet
    take(pace)
    assert clock.now >= 1003


def test_breaker_opens_after_failures_in_a_row_and_asks_nothing(clock: Clock) -> None:
    pace = make_pace(clock, calls_per_s=1000)
    take_down(pace)
    entered = False
    with pytest.raises(GatewayUnavailable, match="is down"), pace.turn():
        entered = True
    assert not entered


def test_breaker_stops_a_call_that_waited_while_the_gateway_went_down(clock: Clock) -> None:
    pace = make_pace(clock)
    pace.keep_quiet(1)
    pace._pause = lambda _seconds: _open(pace)
    with pytest.raises(GatewayUnavailable, match="is down"):
        take(pace)


def _open(pace: Pace) -> None:
    for _ in range(FAILURES_UNTIL_OPEN):
        with suppress(httpx.ReadTimeout), pace._breaker:
            raise httpx.ReadTimeout("slow")


def test_breaker_stays_closed_when_an_answer_came_in_between(clock: Clock) -> None:
    pace = make_pace(clock, calls_per_s=1000)
    for _ in range(3):
        for _ in range(FAILURES_UNTIL_OPEN - 1):
            fail(pace)
        take(pace)
    take(pace)


def test_breaker_counts_only_what_is_the_gateways_fault(clock: Clock) -> None:
    pace = make_pace(clock, calls_per_s=1000)
    for _ in range(FAILURES_UNTIL_OPEN):
        with suppress(ValueError), pace.turn():
            raise ValueError("ours")
    take(pace)


def test_breaker_closes_when_the_one_call_that_tries_is_answered(clock: Clock) -> None:
    pace = make_pace(clock, calls_per_s=1000)
    take_down(pace)
    clock.now += OPEN_S
    take(pace)
    for _ in range(FAILURES_UNTIL_OPEN - 1):
        fail(pace)
    take(pace)  # closed: the count began anew


def test_breaker_opens_again_when_the_one_call_that_tries_fails(clock: Clock) -> None:
    pace = make_pace(clock, calls_per_s=1000)
    take_down(pace)
    clock.now += OPEN_S
    fail(pace)
    with pytest.raises(GatewayUnavailable, match="is down"):
        take(pace)


def test_one_call_tries_a_gateway_that_was_down_while_others_are_refused(clock: Clock) -> None:
    pace = make_pace(clock, calls_per_s=1000)
    take_down(pace)
    clock.now += OPEN_S
    inside, may_leave = threading.Event(), threading.Event()

    def try_it() -> None:
        with pace.turn():
            inside.set()
            assert may_leave.wait(10)

    with ThreadPoolExecutor(1) as pool:
        trial = pool.submit(try_it)
        eventually(inside.is_set)
        with pytest.raises(GatewayUnavailable, match="another call is trying"):
            take(pace)
        may_leave.set()
        trial.result(10)
    take(pace)


def test_pace_starts_no_thread(clock: Clock) -> None:
    before = set(threading.enumerate())
    pace = make_pace(clock)
    for _ in range(25):
        take(pace)
    assert set(threading.enumerate()) == before
