"""Which providers told untruths, and whom to ask last therefore. In memory: a restart forgives."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence

from indexer.chain.observer import RpcObserver

CHARGED_S = 600.0
"""How long a charge sends a provider to the end of the queue; longer with every further one."""
CHARGED_MAX_S = 24 * 3600.0


class Truth:
    """Charges by provider. Safe to share between threads."""

    def __init__(
        self, names: Sequence[str], *, observer: RpcObserver, clock: Callable[[], float]
    ) -> None:
        """Start with everybody trusted.

        Args:
            names: Providers.
            observer: Told of every charge.
            clock: Monotonic seconds.
        """
        self._lock = threading.Lock()
        self._charges: dict[str, Counter[str]] = {name: Counter() for name in names}
        self._until: dict[str, float] = {}
        self._observer = observer
        self._clock = clock

    def charge(self, provider: str, kind: str) -> None:
        """Note that an answer of this provider failed a check; others than ours are ignored."""
        with self._lock:
            charges = self._charges.get(provider)
            if charges is None:
                return
            charges[kind] += 1
            span_s = min(CHARGED_S * charges.total(), CHARGED_MAX_S)
            self._until[provider] = self._clock() + span_s
        self._observer.charged(provider, kind)

    def is_charged(self, provider: str) -> bool:
        """Whether a provider was charged so lately that it is asked last."""
        return self._until.get(provider, 0.0) > self._clock()

    @property
    def charges(self) -> dict[str, dict[str, int]]:
        """Failed checks by provider and kind."""
        with self._lock:
            return {provider: dict(kinds) for provider, kinds in self._charges.items()}
