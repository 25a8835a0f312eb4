"""How fast one provider may be asked: the budget it sold, and the rest it asks for.

The budget is configured, not explored: a ramp that starts low costs minutes of every backfill.
"""

import threading
from collections.abc import Callable
from time import monotonic

from indexer.errors import RpcUnavailable

REST_S = 0.25
"""Rest after a "too many requests" that names none; doubles while they follow one another."""
REST_MAX_S = 2.0
REST_NAMED_MAX_S = 600.0
"""Longest rest that a provider may ask for: whatever it says, it is tried again after that."""


class Budget:
    """A token bucket of calls for one provider, shared by its threads."""

    def __init__(self, calls_per_s: float, *, clock: Callable[[], float] = monotonic) -> None:
        """Start with one second's worth of calls.

        Args:
            calls_per_s: What the provider grants; a batch of n counts n. 0 grants everything.
            clock: Monotonic seconds.
        """
        self._calls_per_s = calls_per_s
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = calls_per_s
        self._counted_at = clock()
        self._rests_until = 0.0
        self._refusals = 0
        self._closed = threading.Event()

    def take(self, calls: int) -> None:
        """Wait until this many calls are granted and the provider's rest is over.

        Raises:
            RpcUnavailable: The provider was closed meanwhile.
        """
        wait_s = self.reserve(calls)
        if (wait_s > 0 and self._closed.wait(wait_s)) or self._closed.is_set():
            raise RpcUnavailable("the connection was closed while it waited for its budget")

    def reserve(self, calls: int) -> float:
        """Take the calls now, on credit if need be; returns the seconds to wait before them."""
        now = self._clock()
        with self._lock:
            rest_s = max(self._rests_until - now, 0.0)
            if self._calls_per_s <= 0:
                return rest_s
            earned = (now - self._counted_at) * self._calls_per_s
            self._tokens = min(self._tokens + earned, self._calls_per_s) - calls
            self._counted_at = now
            return max(-self._tokens / self._calls_per_s, rest_s)

    def rest(self, seconds: float | None) -> float:
        """Let the provider rest after it said that it is asked too much.

        Args:
            seconds: As the provider asks; None lets it rest longer each time.

        Returns:
            Seconds it rests from now.
        """
        with self._lock:
            if seconds is None:
                seconds = min(REST_S * 2.0**self._refusals, REST_MAX_S)
            seconds = min(seconds, REST_NAMED_MAX_S)
            self._refusals = min(self._refusals + 1, 16)
            self._rests_until = max(self._rests_until, self._clock() + seconds)
        return seconds

    def granted(self) -> None:
        """Note that the provider answered: the next rest is a short one again."""
        self._refusals = 0

    @property
    def resting_s(self) -> float:
        """Seconds of rest that are left; 0 when it may be asked."""
        return max(self._rests_until - self._clock(), 0.0)

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._closed.set()
