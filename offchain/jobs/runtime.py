"""What jobs run with. RQ imports job functions by name, so ``__main__`` installs this once."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from indexer.errors import InvariantError
from offchain.services import Services


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything a job may reach."""

    services: Services
    poll_gap: timedelta
    """Least time between two reads of one open payment at its gateway."""
    seconds_max: float
    """After this a sweep leaves the rest to its next run."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a sweep may go on."""

    seconds: float
    monotonic: Callable[[], float] = time.monotonic
    started: float = field(default_factory=time.monotonic)

    def is_spent(self) -> bool:
        """Whether the sweep should leave the rest to its next run."""
        return self.monotonic() - self.started >= self.seconds


class _Slot:
    runtime: Runtime | None = None


def install(runtime: Runtime | None) -> None:
    """Set what the jobs of this process run with; None takes it away."""
    _Slot.runtime = runtime


def current() -> Runtime:
    """What the jobs of this process run with.

    Raises:
        InvariantError: Nothing was installed: the job runs outside ``python -m offchain worker``.
    """
    if _Slot.runtime is None:
        raise InvariantError("no runtime: run jobs with 'python -m offchain worker'")
    return _Slot.runtime
