"""Who runs a tick of a job: the one that writes its slot first."""

from sqlalchemy import Connection, delete, func, update
from sqlalchemy.dialects.postgresql import insert

from offchain.tables import job_runs

SLOTS_KEPT = 1000
"""Rows kept per job, as history."""


def claim_run(connection: Connection, name: str, slot: int) -> bool:
    """Claim one slot; False: this tick was or is being run."""
    claimed = connection.execute(
        insert(job_runs)
        .values(name=name, slot=slot)
        .on_conflict_do_nothing()
        .returning(job_runs.c.slot)
    ).first()
    return claimed is not None


def finish_run(
    connection: Connection, name: str, slot: int, *, done: int | None, error: str | None
) -> None:
    """Write down how a claimed slot ended, and drop the oldest history."""
    connection.execute(
        update(job_runs)
        .where(job_runs.c.name == name, job_runs.c.slot == slot)
        .values(finished_at=func.now(), done=done, error=error)
    )
    connection.execute(
        delete(job_runs).where(job_runs.c.name == name, job_runs.c.slot < slot - SLOTS_KEPT)
    )
