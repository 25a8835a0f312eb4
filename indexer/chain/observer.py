"""What the RPC layer tells whoever watches it: every request, and every provider caught lying."""

from typing import Literal, Protocol

Outcome = Literal[
    "ok",
    "too_wide",
    "rate_limited",
    "pruned_history",
    "beyond_head",
    "batch_refused",
    "refused",
    "timed_out",
    "unreachable",
    "http_error",
    "malformed",
]
"""How a request ended; all but ``ok`` are kinds of error."""


class RpcObserver(Protocol):
    """Watches requests. Called from the thread that asks; must be quick and safe between threads.

    The hook that metrics connect to: requests and errors by provider, method and kind, and failed
    checks by provider.
    """

    def request(self, provider: str, method: str, seconds: float, outcome: Outcome) -> None:
        """One HTTP request ended.

        An answer that came whole and turned out to be none, of no usable shape or from a node that
        lags, is reported once more, with its kind and no seconds.

        Args:
            provider: Name of the node, without credentials.
            method: JSON-RPC method; of a batch its distinct methods, joined by ``+``.
            seconds: From sending to the whole answer, without waiting for the budget.
            outcome: ``ok``, or the kind of error.
        """
        ...

    def charged(self, provider: str, kind: str) -> None:
        """An answer of this provider failed a check of this kind."""
        ...


class Unobserved:
    """Watches nothing."""

    def request(self, provider: str, method: str, seconds: float, outcome: Outcome) -> None:
        """Let it pass."""

    def charged(self, provider: str, kind: str) -> None:
        """Let it pass."""


UNOBSERVED = Unobserved()
