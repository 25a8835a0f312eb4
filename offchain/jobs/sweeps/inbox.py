"""Work due webhooks off, whether or not their bell was heard."""

from offchain.inbox.working import LEASE, claim, work
from offchain.jobs.runtime import Budget, Runtime

INBOX_MAX = 500
CLAIM_CHUNK = 20
BEGUN_WITHIN_S = LEASE.total_seconds() / 2
"""An event is not begun later in its lease, so that it ends before another worker has it."""


def inbox_sweep(runtime: Runtime, budget: Budget) -> int:
    """Work due webhooks off; returns how many."""
    services = runtime.services
    worked = 0
    while worked < INBOX_MAX and not budget.is_spent():
        lease = Budget(BEGUN_WITHIN_S)
        with services.engine.begin() as connection:
            claimed = claim(connection, limit=CLAIM_CHUNK)
        for event in claimed:
            if budget.is_spent() or lease.is_spent():  # it is due again after its lease
                break
            work(services, event)
            worked += 1
        if len(claimed) < CLAIM_CHUNK:
            break
    return worked
