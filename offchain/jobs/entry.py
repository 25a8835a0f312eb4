"""The functions that RQ calls, by these names; all return quietly when nothing is due."""

from uuid import UUID

import structlog

from offchain.inbox.store import InboxId
from offchain.inbox.working import claim, work
from offchain.jobs.runs import claim_run, finish_run
from offchain.jobs.runtime import Budget, Runtime, current
from offchain.jobs.sweeps.media import decide_one
from offchain.jobs.sweeps.registry import SWEEPS

_log = structlog.get_logger(__name__)


def ring(inbox_id: int) -> None:
    """A bell: one webhook was stored. Lost or repeated, it changes nothing but the latency."""
    runtime = current()
    try:
        with runtime.services.engine.begin() as connection:
            claimed = claim(connection, limit=1, only=InboxId(inbox_id))
        for event in claimed:
            work(runtime.services, event)
    except Exception as error:  # noqa: BLE001 - the edge of every job; the sweep tries again
        _log.error("bell_failed", inbox_id=inbox_id, error=type(error).__name__)


def ring_file(file_id: str) -> None:
    """A bell: somebody says that a file was uploaded. Lost or repeated, it changes nothing."""
    runtime = current()
    try:
        decide_one(runtime.services, UUID(file_id))
    except Exception as error:  # noqa: BLE001 - the edge of every job; the sweep tries again
        _log.error("bell_failed", file_id=file_id, error=type(error).__name__)


def run_sweep(name: str, interval_s: int) -> None:
    """Run one tick of a sweep, unless another worker has its slot."""
    runtime = current()
    slot = int(runtime.services.clock().timestamp()) // interval_s
    try:
        with runtime.services.engine.begin() as connection:
            if not claim_run(connection, name, slot):
                return
        done, error = _sweep(runtime, name)
        with runtime.services.engine.begin() as connection:
            finish_run(connection, name, slot, done=done, error=error)
    except Exception as failure:  # noqa: BLE001 - the edge of every job: Postgres may be away
        _log.error("sweep_not_recorded", job=name, error=type(failure).__name__)


def _sweep(runtime: Runtime, name: str) -> tuple[int | None, str | None]:
    try:
        done = SWEEPS[name](runtime, Budget(runtime.seconds_max))
    except Exception as error:  # noqa: BLE001 - its fault is recorded with the run
        _log.error("sweep_failed", job=name, error=type(error).__name__)
        return None, type(error).__name__
    if done:
        _log.info("sweep_finished", job=name, done=done)
    return done, None
