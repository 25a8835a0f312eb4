"""Find what webhooks missed by the gateways' own lists."""

import random

from offchain.jobs.runtime import Budget, Runtime
from offchain.jobs.sweeps.patience import Patience
from offchain.reconciliation.listing import claim_listed
from offchain.reconciliation.reading import read_listed_payment
from offchain.reconciliation.walking import walk

WALK_SECONDS_MAX = 60
"""A window of a walk counts only when it is whole, so a walk has more time than other work. With
the calls that are under way when it ends, less than the time a job may take."""
READ_MAX = 200
CLAIM_CHUNK = 20


def list_walk(runtime: Runtime, budget: Budget) -> int:
    """Walk each gateway's list of changed payments; returns how many were walked to the end."""
    services = runtime.services
    time = Budget(max(budget.seconds, WALK_SECONDS_MAX))
    gateways = list(services.gateways.values())
    random.shuffle(gateways)  # a long list keeps no other from its turn for ever
    walked = 0
    for gateway in gateways:
        if time.is_spent():
            break
        walked += walk(services, gateway, is_time_over=time.is_spent) == "walked"
    return walked


def read_listed(runtime: Runtime, budget: Budget) -> int:
    """Read the payments that gateways listed; returns how many."""
    services = runtime.services
    patience = Patience(services.gateways)
    read = 0
    while read < READ_MAX and not budget.is_spent():
        with services.engine.begin() as connection:
            claimed = claim_listed(connection, patience.answering, limit=CLAIM_CHUNK)
        for listed in claimed:
            if budget.is_spent():  # what is left is due again after its lease
                return read
            if listed.gateway not in patience.answering:
                continue  # same
            result = read_listed_payment(services, listed, poll_gap=runtime.poll_gap)
            patience.note(listed.gateway, answered=result != "unanswered")
            read += 1
        if len(claimed) < CLAIM_CHUNK:
            break
    return read
