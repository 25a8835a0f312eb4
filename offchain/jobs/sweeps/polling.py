"""Read open, recent and claimed payments again, because a webhook may never come."""

from collections import Counter
from collections.abc import Callable, Collection
from datetime import datetime

from sqlalchemy import ColumnElement, not_

from offchain.jobs.runtime import Budget, Runtime
from offchain.jobs.sweeps.patience import Patience
from offchain.payments.attempts import Attempt, Source
from offchain.reconciliation.asking import Result, read_again
from offchain.reconciliation.due import claim_due, is_old_enough, is_over, postpone

POLL_MAX = 200
EXPIRE_MAX = 200
CLAIM_CHUNK = 20


def payment_poll(runtime: Runtime, budget: Budget) -> int:
    """Read payments that are due; returns how many were read."""

    def which(now: datetime) -> ColumnElement[bool]:
        return not_(is_over(now)) & is_old_enough(now, runtime.poll_gap)

    return _read_due(runtime, budget, which, source="poll", limit=POLL_MAX).total()


def expire_pix(runtime: Runtime, budget: Budget) -> int:
    """Expire unpaid codes by our own clock, after asking the gateway one last time.

    Returns:
        How many expired; not those that turned out to be paid, nor those whose gateway is away.
    """
    return _read_due(runtime, budget, is_over, source="clock", limit=EXPIRE_MAX)["ended"]


def _read_due(
    runtime: Runtime,
    budget: Budget,
    which: Callable[[datetime], ColumnElement[bool]],
    *,
    source: Source,
    limit: int,
) -> Counter[Result]:
    """Read due attempts until there are no more, the time is over, or no gateway answers."""
    patience = Patience(runtime.services.gateways)
    results = Counter[Result]()
    while results.total() < limit and not budget.is_spent():
        due = _claim(runtime, which, patience.answering)
        for attempt in due:
            if budget.is_spent():  # what is left is due again after its lease
                return results
            if attempt.gateway not in patience.answering:
                _postpone(runtime, attempt)
                continue
            result = read_again(runtime.services, attempt, source=source, poll_gap=runtime.poll_gap)
            patience.note(attempt.gateway, answered=result != "unanswered")
            results[result] += 1
        if len(due) < CLAIM_CHUNK:
            break
    return results


def _claim(
    runtime: Runtime,
    which: Callable[[datetime], ColumnElement[bool]],
    gateways: Collection[str],
) -> list[Attempt]:
    now = runtime.services.clock()
    with runtime.services.engine.begin() as connection:
        return claim_due(connection, which(now), gateways=gateways, now=now, limit=CLAIM_CHUNK)


def _postpone(runtime: Runtime, attempt: Attempt) -> None:
    with runtime.services.engine.begin() as connection:
        postpone(connection, attempt.id, now=runtime.services.clock())
