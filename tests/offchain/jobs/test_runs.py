"""A tick is run by whoever claims its slot; a bell and a sweep may come at once, twice or never."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select, update

from indexer.errors import InvariantError
from offchain.jobs import entry
from offchain.jobs import runtime as jobs_runtime
from offchain.jobs.entry import ring, run_sweep
from offchain.jobs.runs import SLOTS_KEPT
from offchain.jobs.runtime import Budget, Runtime
from offchain.jobs.sweeps.inbox import BEGUN_WITHIN_S, inbox_sweep
from offchain.jobs.sweeps.ledger import ledger_check
from offchain.jobs.sweeps.registry import SWEEPS
from offchain.ledger.tables import ledger_journals
from offchain.services import Services
from offchain.tables import inbox, job_runs
from tests.support.crowdsplit import FakeCrowdSplit
from tests.support.jobs import budget, created, known, opened, receive, state_of, status
from tests.support.offchain import NOW, count


@pytest.fixture
def at_noon(runtime: Runtime, services: Services) -> Iterator[Runtime]:
    """The jobs of this process run at one moment."""
    still = replace(runtime, services=replace(services, clock=lambda: NOW))
    jobs_runtime.install(still)
    yield still
    jobs_runtime.install(None)


def runs(engine: Engine) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        query = select(job_runs.c.name, job_runs.c.done, job_runs.c.error)
        return [tuple(row) for row in connection.execute(query.order_by(job_runs.c.slot))]


def test_sweep_runs_once_a_slot_when_two_crons_tick(at_noon: Runtime) -> None:
    for _ in range(2):
        run_sweep("inbox_sweep", 3600)
    assert runs(at_noon.services.engine) == [("inbox_sweep", 0, None)]
    with at_noon.services.engine.connect() as connection:
        finished = connection.execute(select(job_runs.c.finished_at)).scalar_one()
    assert finished is not None


def test_sweep_runs_once_a_slot_when_two_workers_take_ticks_of_it_at_once(
    at_noon: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    barrier, ran = Barrier(4), list[int]()

    def counted(_runtime: Runtime, _budget: Budget) -> int:
        ran.append(1)
        return 0

    monkeypatch.setattr(entry, "SWEEPS", {"counted": counted})

    def tick(_worker: int) -> None:
        barrier.wait()
        run_sweep("counted", 3600)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(tick, range(4)))
    assert ran == [1]
    assert runs(at_noon.services.engine) == [("counted", 0, None)]


def test_late_ticks_run_the_slot_they_came_in_and_no_other(
    at_noon: Runtime, services: Services
) -> None:
    """Survives: ticks of an hour that waited while no worker was there."""
    for _ in range(12):
        run_sweep("inbox_sweep", 300)
    next_slot = replace(at_noon.services, clock=lambda: NOW + timedelta(minutes=5))
    jobs_runtime.install(replace(at_noon, services=next_slot))
    run_sweep("inbox_sweep", 300)
    assert runs(services.engine) == [("inbox_sweep", 0, None)] * 2


def test_the_next_slot_runs_when_a_worker_died_in_this_one(
    at_noon: Runtime, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(_runtime: Runtime, _budget: Budget) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, "SWEEPS", {**SWEEPS, "inbox_sweep": dies})
    with pytest.raises(KeyboardInterrupt):
        run_sweep("inbox_sweep", 60)
    monkeypatch.setattr(entry, "SWEEPS", SWEEPS)
    jobs_runtime.install(
        replace(at_noon, services=replace(services, clock=lambda: NOW + timedelta(minutes=1)))
    )
    run_sweep("inbox_sweep", 60)
    assert runs(services.engine) == [("inbox_sweep", None, None), ("inbox_sweep", 0, None)]


def test_sweep_records_its_fault_when_it_fails(at_noon: Runtime) -> None:
    run_sweep("no_such_sweep", 60)
    assert runs(at_noon.services.engine) == [("no_such_sweep", None, "KeyError")]


def test_old_runs_are_dropped(at_noon: Runtime, services: Services) -> None:
    run_sweep("inbox_sweep", 60)
    later = NOW + timedelta(minutes=SLOTS_KEPT + 1)
    jobs_runtime.install(replace(at_noon, services=replace(services, clock=lambda: later)))
    run_sweep("inbox_sweep", 60)
    assert len(runs(services.engine)) == 1


def test_jobs_return_quietly_when_postgres_is_away(at_noon: Runtime) -> None:
    def refuse(*_: object) -> None:
        raise OSError("Postgres is away")

    engine = at_noon.services.engine
    event.listen(engine, "before_cursor_execute", refuse)
    try:
        run_sweep("inbox_sweep", 60)
        ring(1)
    finally:
        event.remove(engine, "before_cursor_execute", refuse)
    assert runs(engine) == []


def test_jobs_refuse_to_run_when_nothing_was_installed() -> None:
    with pytest.raises(InvariantError, match="offchain worker"):
        ring(1)


def test_bell_and_sweep_work_an_event_off_once_when_both_run(
    runtime: Runtime, services: Services, crowdsplit: FakeCrowdSplit
) -> None:
    attempt_id = opened(services)
    payment = created(services, attempt_id).provider_payment_id
    crowdsplit.pay(payment)
    inbox_id = receive(services.engine, id=payment)
    for _ in range(2):
        ring(inbox_id)
        assert inbox_sweep(runtime, budget()) == 0
    assert state_of(services.engine, inbox_id) == ("done", None)
    with services.engine.connect() as connection:
        captures = select(ledger_journals).where(ledger_journals.c.source == "capture")
        assert len(connection.execute(captures).all()) == 2, "pending, and posted"


def test_each_event_is_worked_off_once_when_two_workers_sweep(
    runtime: Runtime, services: Services
) -> None:
    payments = [known(services, opened(services)) for _ in range(3)]
    received = [receive(services.engine, id=payment) for payment in payments * 10]
    with ThreadPoolExecutor(2) as pool:
        worked = list(pool.map(lambda _: inbox_sweep(runtime, budget()), range(2)))
    assert sum(worked) == len(received)
    with services.engine.connect() as connection:
        assert set(connection.execute(select(inbox.c.state, inbox.c.tries))) == {("done", 1)}


def test_inbox_sweep_stops_within_a_chunk_when_its_time_is_over(
    runtime: Runtime, services: Services
) -> None:
    for _ in range(3):
        receive(services.engine, id="x")
    moments = iter([0.0, 0.0, 99.0])
    assert inbox_sweep(runtime, Budget(30, monotonic=lambda: next(moments), started=0.0)) == 1


def test_inbox_sweep_begins_no_event_late_in_its_lease(
    runtime: Runtime, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Survives: a gateway so slow that another worker has the event before this one begins it."""
    moments = iter([0.0, 0.0, BEGUN_WITHIN_S + 1])
    lease = Budget(BEGUN_WITHIN_S, monotonic=lambda: next(moments), started=0.0)
    next(moments)
    monkeypatch.setattr("offchain.jobs.sweeps.inbox.Budget", lambda _seconds: lease)
    for _ in range(2):
        receive(services.engine, id="x")
    assert inbox_sweep(runtime, budget()) == 1
    with services.engine.connect() as connection:
        left = connection.execute(select(func.count()).where(inbox.c.state == "new"))
        assert left.scalar_one() == 1


def test_ledger_check_finds_nothing_in_a_sound_ledger_and_what_was_done_behind_its_triggers(
    runtime: Runtime, services: Services, login_engine: Engine, crowdsplit: FakeCrowdSplit
) -> None:
    attempt_id = opened(services)
    payment = known(services, attempt_id)
    crowdsplit.pay(payment)
    receive(services.engine, id=payment)
    inbox_sweep(runtime, budget())
    assert status(services, attempt_id) == "captured"
    assert ledger_check(runtime, budget()) == 0
    with login_engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.execute(update(ledger_journals).values(transfers=2))
    assert ledger_check(runtime, budget()) > 0
    with services.engine.connect() as connection:
        assert count(connection, ledger_journals) == 2
