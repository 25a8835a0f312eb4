"""Webhooks while all goes wrong: ``python -m benchmarks.webhook_storm --webhooks N --json``.

The write API, two workers and the cron run as in production, on a real Postgres and Valkey, beside
a fake gateway where payments of two campaigns, one on-chain and one in fiat only, are paid, fail or
stay open. Its webhooks come from several connections: 30 % of them twice or more, 10 % out of
order, 5 % forged; like a real gateway it repeats what is not acknowledged. Meanwhile Postgres is
restarted, at once or in order by turns, and a worker is killed by SIGKILL and started again.

At the end every row of Postgres is compared with what happened at the gateway. No chain runs: that
a payment is settled once is seen from its one request. Exits with 1 when anything is missing,
double, changed otherwise, or the ledger does not balance. Postgres does not wait for its disk
(fsync is off): its processes die here, but not the machine.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, Literal

from rich.console import Console
from rich.progress import Progress
from sqlalchemy import Connection, func, select, update
from sqlalchemy.exc import DBAPIError

from benchmarks.ground import end_in_order
from benchmarks.webhook_storm_plan import Payment, Plan, Verdict, judge, payments_for, plan_storm
from benchmarks.webhook_storm_site import Place, Senders, make_payments, storm_place
from offchain.inbox.working import LEASE
from offchain.tables import inbox, payment_attempts, webhook_refusals
from tests.support.waiting import eventually

SENDERS = 6
BACKLOG_MAX = 100
"""The gateway does not run further ahead of the workers, so that faults fall among their work."""
AHEAD_MAX = 0.1
"""How much of the plan may be under way beyond the next fault."""
FAULTS_WITHIN = (0.03, 0.8)
AWAY_S = (0.5, 1.5)
LOOK_S = 0.05
DRAIN_S = 300.0
SHOWN_MAX = 10
HURRIED_LEASE = timedelta(seconds=5)
"""With ``--hurry`` an event is due again so soon after a worker took it and died."""

Fault = Literal["kill", "restart"]


@dataclass(slots=True)
class Storm:
    """One run: what is sent, what goes wrong when, and what came of it."""

    place: Place
    plan: Plan
    payments: Sequence[Payment]
    senders: Senders
    dice: Random
    faults: list[tuple[float, Fault]]
    """Those to come, in order, by how much of the work is done."""
    hurries: bool
    befallen: list[Fault] = field(default_factory=list)

    def rage(self, progress: Progress) -> None:
        """Send everything while things go wrong, and wait until all is worked off."""
        for process in self.place.processes:
            process.start()
        task = progress.add_task("webhooks worked off", total=self.plan.events)
        with ThreadPoolExecutor(SENDERS) as threads:
            sending = [threads.submit(self.senders.run) for _ in range(SENDERS)]
            try:
                while self.faults or not all(one.done() for one in sending):
                    self._look(sending)
                    progress.update(task, completed=self._done() or 0)
                    time.sleep(LOOK_S)
            finally:
                self.senders.stopped.set()
                self.senders.gate.set()
        with suppress(AssertionError):  # the verdict says what is missing
            eventually(self._is_over, timeout_s=DRAIN_S, what="everything is worked off")

    def _look(self, sending: Sequence[Future[None]]) -> None:
        """Let the next fault happen if it is time, and the senders go on if they may."""
        for sender in sending:
            if sender.done():
                sender.result()
        done = self._done()
        for process in self.place.processes:
            process.tend()
        if done is None:
            return
        if self.faults and done / self.plan.events >= self.faults[0][0]:
            self._befall()
        limit = self.faults[0][0] + AHEAD_MAX if self.faults else 1.0
        is_ahead = len(self.senders.acknowledged) - done > BACKLOG_MAX
        if is_ahead or self.senders.begun > limit:
            self.senders.gate.clear()
        else:
            self.senders.gate.set()

    def _befall(self) -> None:
        fault = self.faults[0][1]
        if fault == "kill":
            if not self.place.victim.has_said("worker_started"):
                return  # it is to die at its work
            self.place.victim.kill()
            self.place.victim.start()
        else:
            self.senders.gate.set()
            base = self.place.base
            (base.stop if self.befallen.count("restart") % 2 else base.crash)()
            time.sleep(self.dice.uniform(*AWAY_S))
            base.start()
        self.befallen.append(fault)
        self.faults.pop(0)

    def _done(self) -> int | None:
        """How many webhooks are worked off; None when nobody can tell."""
        query = select(func.count()).where(inbox.c.state == "done")
        try:
            with self.place.engine.begin() as connection:
                if self.hurries:
                    self._end_leases(connection)
                return connection.execute(query).scalar_one()
        except DBAPIError:
            return None

    def _end_leases(self, connection: Connection) -> None:
        """Let what a dead worker held be due soon: five seconds after it took it, not sixty."""
        soon = func.now() + LEASE - HURRIED_LEASE
        waits = (inbox.c.state == "new", inbox.c.next_try_at.between(func.now(), soon))
        connection.execute(update(inbox).where(*waits).values(next_try_at=func.now()))

    def _is_over(self) -> bool:
        """Whether there is nothing more to do."""
        paid = sum(one.is_paid for one in self.payments)
        captures = select(func.count()).where(payment_attempts.c.fiat_status == "captured")
        with self.place.engine.connect() as connection:
            is_captured = connection.execute(captures).scalar_one() >= paid
            is_counted = refused(connection) >= self.plan.forged
        return self._done() == self.plan.events and is_captured and is_counted


def refused(connection: Connection) -> int:
    """How many forged webhooks were counted."""
    query = select(func.sum(webhook_refusals.c["count"])).where(
        webhook_refusals.c.reason == "forged"
    )
    return int(connection.execute(query).scalar_one() or 0)


def run(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Let it storm once; what came of it."""
    dice = Random(options.seed)  # noqa: S311 - a run that can be repeated
    with storm_place() as place:
        task = progress.add_task("making payments", total=None)
        payments = make_payments(place.engine, place.fake, payments_for(options.webhooks), dice)
        progress.remove_task(task)
        plan = plan_storm(payments, options.webhooks, dice)
        senders = Senders(plan.deliveries, place.fake, place.url)
        faults = _faults(options.kills, options.restarts, dice)
        storm = Storm(place, plan, payments, senders, dice, faults, options.hurry)
        begun = time.monotonic()
        storm.rage(progress)
        seconds = time.monotonic() - begun
        for process in place.processes:
            process.end()
        with place.engine.connect() as connection:
            verdict = judge(connection, payments, senders.acknowledged)
            counted = refused(connection)
        if not verdict.is_sound:
            _complain(verdict, place)
    return {**_figures(storm, verdict), "forged_counted": counted, "seconds": round(seconds, 1)}


def _faults(kills: int, restarts: int, dice: Random) -> list[tuple[float, Fault]]:
    """When each happens, by how much of the work is done."""
    counts: dict[Fault, int] = {"kill": kills, "restart": restarts}
    wanted = [fault for fault, times in counts.items() for _ in range(times)]
    return sorted((dice.uniform(*FAULTS_WITHIN), fault) for fault in wanted)


def _figures(storm: Storm, verdict: Verdict) -> dict[str, Any]:
    plan, senders = storm.plan, storm.senders
    return {
        "webhooks": len(plan.deliveries),
        "duplicates": plan.duplicates,
        "reordered": plan.reordered,
        "forged": plan.forged,
        "payments": len(storm.payments),
        "paid": sum(one.is_paid for one in storm.payments),
        "captured": verdict.captured,
        "requests": verdict.requests,
        "entries": verdict.entries,
        "changed_otherwise": len(verdict.changed),
        "missing": len(verdict.missing),
        "double": len(verdict.double),
        "postgres_restarts": storm.befallen.count("restart"),
        "worker_kills": storm.befallen.count("kill"),
        "ended_unasked": sum(one.ends_unasked for one in storm.place.processes),
        "refused_503": senders.answers[503],
        "forged_taken": senders.forged_taken,
        "is_balanced": verdict.is_balanced,
    }


def _complain(verdict: Verdict, place: Place) -> None:
    """Tell what is wrong, and what the processes said last; their logs are gone afterwards."""
    wrong = [*verdict.missing, *verdict.double, *verdict.changed]
    sys.stderr.write("\n".join([*wrong[:SHOWN_MAX], ""]))
    for process in place.processes:
        lines = process.log.read_text(errors="replace").splitlines()
        sys.stderr.write("\n".join([f"-- {process.log.name}", *lines[-SHOWN_MAX:], ""]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 1 when something is not as it must be."""
    parser = argparse.ArgumentParser(description="Send webhooks while everything goes wrong.")
    parser.add_argument("--webhooks", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=10, help="of a worker")
    parser.add_argument("--restarts", type=int, default=2, help="of Postgres")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hurry", action="store_true", help="end leases of the dead early")
    parser.add_argument("--json", action="store_true", help="print only the JSON object")
    options = parser.parse_args(arguments)
    end_in_order()
    console = Console(stderr=True, quiet=options.json)
    with Progress(console=console, transient=True) as progress:
        figures = {**run(options, progress), "seed": options.seed}
    console.print_json(data=figures)
    print(json.dumps(figures))
    wrong = ("missing", "double", "changed_otherwise", "forged_taken")
    return 0 if figures["is_balanced"] and not any(figures[name] for name in wrong) else 1


if __name__ == "__main__":
    sys.exit(main())
