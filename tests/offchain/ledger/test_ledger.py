import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from indexer.errors import InvariantError
from offchain.ledger.accounts import SUSPENSE, Account, gateway_receivable, owed_to_campaign
from offchain.ledger.balances import balance, balances, trial_balance
from offchain.ledger.transfers import Entry, TransferId, post, post_pending, single, void
from offchain.money import Currency, MinorUnits, Money
from offchain.tables import ledger_transfers
from tests.support.offchain import FIFTY, count

RECEIVABLE = gateway_receivable("crowdsplit")
OWED = owed_to_campaign(uuid.UUID(int=1))


def entry(source_id: str = "a", *, amount: Money = FIFTY, credit: Account = OWED) -> Entry:
    return Entry("capture", source_id, debit=RECEIVABLE, credit=credit, amount=amount)


def test_post_pending_counts_as_pending_until_it_is_posted(engine: Engine) -> None:
    with engine.begin() as connection:
        pending = post_pending(connection, entry())
        before = balance(connection, OWED.name, "brl")
        post(connection, pending)
        after = balance(connection, OWED.name, "brl")
    assert before is not None
    assert after is not None
    assert (before.posted, before.pending) == (0, 5000)
    assert (after.posted, after.pending) == (5000, 0)


def test_void_leaves_nothing_when_a_pending_is_given_up(engine: Engine) -> None:
    with engine.begin() as connection:
        void(connection, post_pending(connection, entry()))
        left = balance(connection, RECEIVABLE.name, "brl")
    assert left is not None
    assert (left.posted, left.pending) == (0, 0)


def test_writing_twice_writes_once_when_the_event_is_the_same(engine: Engine) -> None:
    for _ in range(2):
        with engine.begin() as connection:
            post(connection, post_pending(connection, entry()))
            single(connection, entry("b"))
    with engine.connect() as connection:
        assert count(connection, ledger_transfers) == 3


@pytest.mark.parametrize(
    "other",
    [
        entry(amount=Money(MinorUnits(4999), Currency("brl"))),
        entry(amount=Money(MinorUnits(5000), Currency("usd"))),
        entry(credit=SUSPENSE),
    ],
)
def test_writing_is_refused_when_the_same_event_says_something_else(
    engine: Engine, other: Entry
) -> None:
    with engine.begin() as connection:
        post_pending(connection, entry())
    with pytest.raises(InvariantError, match="contradicts"), engine.begin() as connection:
        post_pending(connection, other)


def test_resolving_is_refused_when_it_was_resolved_otherwise_or_is_unknown(engine: Engine) -> None:
    with engine.begin() as connection:
        pending = post_pending(connection, entry())
        post(connection, pending)
    with pytest.raises(InvariantError), engine.begin() as connection:
        void(connection, pending)
    with pytest.raises(InvariantError, match="not pending"), engine.begin() as connection:
        post(connection, TransferId(uuid.uuid4()))


def test_resolving_happens_once_when_a_post_and_a_void_race(engine: Engine) -> None:
    with engine.begin() as connection:
        pending = post_pending(connection, entry())

    def resolve(how: Any) -> bool:
        try:
            with engine.begin() as connection:
                how(connection, pending)
        except InvariantError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(resolve, (post, void)))
    assert sorted(outcomes) == [False, True]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE offchain.ledger_transfers SET amount = 1",
        "DELETE FROM offchain.ledger_transfers",
        "TRUNCATE offchain.ledger_transfers CASCADE",
        "UPDATE offchain.ledger_accounts SET normal_side = 'debit'",
        "DELETE FROM offchain.attempt_events",
    ],
)
def test_rows_are_refused_to_change_when_anyone_tries(
    engine: Engine, login_engine: Engine, statement: str
) -> None:
    with engine.begin() as connection:
        single(connection, entry())
    for who in (engine, login_engine):
        with pytest.raises(DBAPIError, match="immutable"), who.begin() as connection:
            connection.execute(text(statement))


def test_a_resolution_is_refused_when_it_differs_from_its_pending(engine: Engine) -> None:
    with engine.begin() as connection:
        pending = post_pending(connection, entry())
    statement = ledger_transfers.insert().values(
        id=uuid.uuid4(),
        kind="post",
        pending_id=pending,
        debit_account=RECEIVABLE.name,
        credit_account=OWED.name,
        amount=1,
        currency="brl",
        source="capture",
        source_id="a",
    )
    with pytest.raises(DBAPIError, match="differs"), engine.begin() as connection:
        connection.execute(statement)


ACCOUNTS = [RECEIVABLE, OWED, SUSPENSE]
steps = st.tuples(
    st.sampled_from(["pending", "single"]),
    st.sampled_from(["post", "void", "leave"]),
    st.permutations(ACCOUNTS),
    st.integers(1, 10**12),
    st.sampled_from(["brl", "usd"]),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(steps, max_size=8))
def test_trial_balance_holds_when_any_transfers_are_made(
    engine: Engine, made: list[tuple[str, str, list[Account], int, str]]
) -> None:
    expected: dict[tuple[str, str], int] = {}
    connection = engine.connect()
    try:
        for number, (kind, end, (debit, credit, _), minor, currency) in enumerate(made):
            money = Money(MinorUnits(minor), Currency(currency))
            step = Entry("test", str(number), debit=debit, credit=credit, amount=money)
            if kind == "single":
                single(connection, step)
            else:
                pending = post_pending(connection, step)
                if end != "leave":
                    (post if end == "post" else void)(connection, pending)
            if kind == "single" or end == "post":
                for account, side in ((debit, "debit"), (credit, "credit")):
                    sign = 1 if account.normal_side == side else -1
                    key = (account.name, currency)
                    expected[key] = expected.get(key, 0) + sign * minor
        assert all(row.is_balanced for row in trial_balance(connection))
        found = {(b.account, b.currency): b.posted for b in balances(connection) if b.posted}
        assert found == {key: value for key, value in expected.items() if value}
    finally:
        connection.rollback()
        connection.close()
