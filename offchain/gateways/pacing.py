"""When a gateway may be called: in turn, not while it asked for quiet, not while it is down.

One of each stands between all threads of a process and a gateway. The rate window is reserved
ahead: whoever comes gets the next free moment, in the order of coming, or is told at once that it
lies too far away. Nothing runs in the background.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil

import httpx
from circuitbreaker import STATE_HALF_OPEN, CircuitBreaker
from pyrate_limiter import Duration, InMemoryBucket, Rate, RateItem

from offchain.gateways.errors import GatewayUnavailable

QUEUE_MAX_S = 5.0
"""A call that would have to wait longer is given up before it is sent: a backer is waiting."""
QUIET_MAX_S = 120.0
"""The longest quiet a gateway is granted: a nonsensical ``Retry-After`` must not end all calls."""
FAILURES_UNTIL_OPEN = 8
"""Tries in a row without a usable answer, after which a gateway counts as down."""
OPEN_S = 15
"""Seconds for which a gateway that is down is left alone; then one call tries it."""
_MS = 1000


class Pace:
    """The queue in front of one gateway. Safe to share between threads."""

    def __init__(
        self,
        gateway: str,
        *,
        calls_per_s: int,
        pause: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateway = gateway
        # Used without pyrate's ``Limiter``: that one keeps a thread, and its waits keep no order.
        self._window = InMemoryBucket([Rate(calls_per_s, Duration.SECOND)])
        self._breaker = CircuitBreaker(
            failure_threshold=FAILURES_UNTIL_OPEN,
            recovery_timeout=OPEN_S,
            expected_exception=httpx.HTTPError,
            name=gateway,
        )
        self._pause = pause
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._quiet_until = 0.0
        self._last_ms = 0
        self._trial = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until one call may be sent, and watch how it goes.

        An httpx error inside counts as a failure of the gateway, anything else as an answer.

        Raises:
            GatewayUnavailable: Not within ``QUEUE_MAX_S``, or the gateway is down: nothing is sent.
        """
        self.refuse_if_down()
        self._wait()
        self.refuse_if_down()  # it may have gone down while this call waited
        is_trial = self._breaker.state == STATE_HALF_OPEN
        if is_trial and not self._trial.acquire(blocking=False):
            raise GatewayUnavailable(f"{self._gateway} was down: another call is trying it")
        try:
            with self._breaker:
                yield
        finally:
            if is_trial:
                self._trial.release()

    def refuse_if_down(self) -> None:
        """Raise while the gateway is left alone.

        Raises:
            GatewayUnavailable: It is down.
        """
        if self._breaker.opened:
            raise GatewayUnavailable(f"{self._gateway} is down: it is not asked for some seconds")

    def keep_quiet(self, seconds: float) -> None:
        """Send nothing for so long: the gateway said ``Retry-After``."""
        until = self._monotonic() + min(seconds, QUIET_MAX_S)
        with self._lock:
            self._quiet_until = max(self._quiet_until, until)

    def _wait(self) -> None:
        """Pause until a moment that is ours, past any quiet that was asked for meanwhile."""
        now = self._monotonic()
        deadline = now + QUEUE_MAX_S
        while True:
            moment = self._reserve(now, deadline)
            if moment > now:
                self._pause(moment - now)
            if self._quiet_until <= moment:
                return
            now = moment

    def _reserve(self, now: float, deadline: float) -> float:
        """Take the next free moment: after any quiet, and after whoever came before."""
        with self._lock:
            if self._quiet_until > deadline:
                quiet_s = self._quiet_until - now
                raise GatewayUnavailable(f"{self._gateway} asked for quiet for {quiet_s:.0f} s")
            earliest = max(now, self._quiet_until)
            earliest_ms = ceil(earliest * _MS)
            moment_ms = max(earliest_ms, self._last_ms)
            self._window.leak(int(now * _MS))
            item = RateItem(self._gateway, moment_ms)
            is_free = self._window.put(item)
            if not is_free:
                wait_ms = self._window.waiting(item)
                moment_ms += wait_ms if isinstance(wait_ms, int) else 0  # only async ones are not
            if moment_ms > deadline * _MS:
                raise GatewayUnavailable(f"too many calls wait for {self._gateway}")
            if not is_free:
                self._window.put(RateItem(self._gateway, moment_ms))
            self._last_ms = moment_ms
            # Rounded up to the window's milliseconds only where it lies ahead: no call sleeps
            # for the rounding alone.
            return earliest if moment_ms == earliest_ms else moment_ms / _MS
