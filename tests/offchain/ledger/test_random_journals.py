"""Any events, written and resolved by several at once, leave the ledger as a model has it."""

import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from indexer.errors import InvariantError
from offchain.ledger.accounts import Account
from offchain.ledger.balances import balances, trial_balance
from offchain.ledger.checking import check_ledger
from offchain.ledger.transfers import Journal, Transfer, post, post_journal, transfer_id, void
from offchain.money import Currency

WRITERS = 4
TOKEN = Currency("token:celo-local:0x" + "11" * 20)
ACCOUNTS = (Account("a", "debit"), Account("b", "credit"), Account("c", "credit"))

Step = Literal["write", "post", "void"]


@dataclass(frozen=True, slots=True)
class Event:
    """What one event moves, and who does what to it, in no particular order."""

    pending: tuple[Transfer, ...]
    at_once: tuple[Transfer, ...]
    besides: tuple[Transfer, ...]
    """What its post moves too."""
    steps: tuple[Step, ...]


transfers = st.builds(
    lambda sides, units, currency: Transfer(sides[0], sides[1], units, currency),
    st.permutations(ACCOUNTS),
    st.integers(1, 10**30),
    st.sampled_from([Currency("brl"), Currency("usd"), TOKEN]),
)
some = st.lists(transfers, max_size=3).map(tuple)
events = st.builds(
    Event,
    pending=some,
    at_once=some,
    besides=st.lists(transfers, max_size=1).map(tuple),
    steps=st.lists(st.sampled_from(["write", "write", "post", "void"]), max_size=4).map(
        lambda steps: ("write", *steps)
    ),
).filter(lambda event: event.pending or event.at_once)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(made=st.lists(events, min_size=1, max_size=6), order=st.randoms(use_true_random=False))
def test_the_ledger_equals_a_model_when_several_write_and_resolve_at_once(
    engine: Engine, made: list[Event], order: Random
) -> None:
    run = uuid.uuid4().hex
    before = _held(engine)
    work = [(number, step) for number, event in enumerate(made) for step in event.steps]
    order.shuffle(work)

    def do(one: tuple[int, Step]) -> tuple[int, Step] | None:
        number, step = one
        try:
            with engine.begin() as connection:
                _take(connection, f"{run} {number}", made[number], step)
        except InvariantError:  # it is not there yet, nothing of it waits, or it ended otherwise
            return None
        return one

    with ThreadPoolExecutor(WRITERS) as writers:
        done = {one for one in writers.map(do, work) if one is not None}
    assert not any({(number, "post"), (number, "void")} <= done for number in range(len(made)))
    assert {(number, "write") for number in range(len(made))} <= done

    after = _held(engine)
    assert after - before == _model(made, done)
    with engine.connect() as connection:
        assert all(total.is_balanced for total in trial_balance(connection))
        assert all(finding.ok for finding in check_ledger(connection))


def _take(connection: Connection, name: str, event: Event, step: Step) -> None:
    pending = transfer_id("random", name, "pending")
    if step == "write":
        journal = Journal("random", name, pending=event.pending, at_once=event.at_once)
        post_journal(connection, journal)
    elif step == "post":
        post(connection, pending, at_once=event.besides)
    else:
        void(connection, pending)


def _model(made: Sequence[Event], done: set[tuple[int, Step]]) -> Counter[tuple[str, ...]]:
    """Sums by account, currency, side and phase."""
    sums: Counter[tuple[str, ...]] = Counter()
    for number, event in enumerate(made):
        posted, voided = ((number, step) in done for step in ("post", "void"))
        phase = "posted" if posted else "pending"
        moved = [("posted", one) for one in event.at_once]
        moved += [(phase, one) for one in event.pending if not voided]
        moved += [("posted", one) for one in event.besides if posted]
        for how, one in moved:
            sums[one.debit.name, one.currency, "debits", how] += one.units
            sums[one.credit.name, one.currency, "credits", how] += one.units
    return sums


def _held(engine: Engine) -> Counter[tuple[str, ...]]:
    sums: Counter[tuple[str, ...]] = Counter()
    with engine.connect() as connection:
        for one in balances(connection):
            sums[one.account, one.currency, "debits", "posted"] = one.debits_posted
            sums[one.account, one.currency, "credits", "posted"] = one.credits_posted
            sums[one.account, one.currency, "debits", "pending"] = one.debits_pending
            sums[one.account, one.currency, "credits", "pending"] = one.credits_pending
    return sums
