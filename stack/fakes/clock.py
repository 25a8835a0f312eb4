"""The clock of a fake: the real one, ahead by what it was advanced."""

from datetime import UTC, datetime, timedelta


class Clock:
    """Tests move it; everything in a fake that expires or is repeated goes by it."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        """The fake's present."""
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> None:
        """Move ahead."""
        self._ahead += timedelta(seconds=seconds)
