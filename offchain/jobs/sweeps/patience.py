"""Leave a gateway that is away alone for the rest of a run, so that the others have their turn."""

from collections.abc import Iterable

UNANSWERED_MAX = 3
"""In a row; a single one may be about its payment."""


class Patience:
    """Which gateways answer, as far as this run knows."""

    def __init__(self, gateways: Iterable[str]) -> None:
        self._unanswered = dict.fromkeys(gateways, 0)

    @property
    def answering(self) -> frozenset[str]:
        """Gateways that are still asked."""
        return frozenset(name for name, count in self._unanswered.items() if count < UNANSWERED_MAX)

    def note(self, gateway: str, *, answered: bool) -> None:
        """Note what came of asking a gateway."""
        self._unanswered[gateway] = 0 if answered else self._unanswered[gateway] + 1
