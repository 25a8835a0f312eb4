import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.exc import DBAPIError

from indexer.errors import InvariantError
from offchain.ledger.accounts import (
    CHARGEBACK_LOSSES,
    SUSPENSE,
    Account,
    tokens_in_treasury,
    tokens_platform_wallet,
)
from offchain.ledger.balances import balance, balances, trial_balance
from offchain.ledger.tables import ledger_journals, ledger_transfers
from offchain.ledger.tokens import token_currency
from offchain.ledger.transfers import (
    Entry,
    Journal,
    TransferId,
    post,
    post_journal,
    post_pending,
    single,
    void,
)
from offchain.money import Currency, MinorUnits, Money
from tests.support import offchain as site
from tests.support.ledger_rows import (
    BRL,
    FEES,
    OTHER,
    OWED,
    RECEIVABLE,
    moving,
    raw_journal,
    raw_transfer,
    tamper,
)
from tests.support.offchain import FIFTY, count

TOKEN = token_currency(site.CHAIN_ID, site.TOKEN)
IN_TREASURY = tokens_in_treasury(site.CHAIN_ID, site.TREASURY)
WALLET = tokens_platform_wallet(site.CHAIN_ID)


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


def test_evidence_is_refused_to_change_when_anyone_tries(
    engine: Engine, login_engine: Engine
) -> None:
    for who in (engine, login_engine):
        with pytest.raises(DBAPIError, match="immutable"), who.begin() as connection:
            connection.execute(text("DELETE FROM offchain.attempt_events"))


def test_a_resolution_is_refused_when_it_differs_from_its_pending(engine: Engine) -> None:
    with engine.begin() as connection:
        pending = post_pending(connection, entry())
    resolution = {"source_id": "a", "kind": "post", "pending_id": pending, "amount": "1"}
    with engine.connect() as connection:
        journal_id = raw_journal(connection, source_id="a", kind="post", totals={"brl": "1"})
        with pytest.raises(DBAPIError, match="differs"):
            raw_transfer(connection, journal_id, **resolution)


def test_post_journal_moves_all_parts_of_an_event_when_it_is_split(engine: Engine) -> None:
    """A capture of 50 reais: 30 and 18 to two campaigns, and 2 that the gateway kept."""
    parts = (moving(3000), moving(1800, credit=OTHER), moving(200, debit=FEES))
    journal = Journal("capture", "split", pending=parts, totals={BRL: 5000})
    with engine.begin() as connection:
        pending = post_journal(connection, journal)
    with engine.begin() as connection:
        assert post_journal(connection, journal) == pending
        assert _of(connection, OWED) == (0, 3200)
        post(connection, pending)
        assert [_of(connection, one) for one in (OWED, OTHER, RECEIVABLE, FEES)] == [
            (3200, 0),
            (1800, 0),
            (4800, 0),
            (200, 0),
        ]
        assert (count(connection, ledger_journals), count(connection, ledger_transfers)) == (2, 6)


def test_what_counts_at_once_is_kept_when_the_rest_of_the_event_is_given_up(
    engine: Engine,
) -> None:
    """A dispute that is won: the disputed money was only pending, its fee was not."""
    dispute = Journal(
        "dispute",
        "d",
        pending=(moving(5000, debit=CHARGEBACK_LOSSES, credit=RECEIVABLE),),
        at_once=(moving(1500, debit=FEES, credit=RECEIVABLE),),
    )
    with engine.begin() as connection:
        pending = post_journal(connection, dispute)
        assert _of(connection, CHARGEBACK_LOSSES) == (0, 5000)
        void(connection, pending)
        assert _of(connection, CHARGEBACK_LOSSES) == (0, 0)
        assert _of(connection, FEES) == (1500, 0)


def test_post_moves_what_the_same_event_moves_besides_in_the_same_journal(engine: Engine) -> None:
    """Fiat and tokens of one settlement: neither side can be booked without the other."""
    tokens = moving(10**19, debit=IN_TREASURY, credit=WALLET, currency=TOKEN)
    with engine.begin() as connection:
        pending = post_pending(connection, entry())
    for _ in range(2):
        with engine.begin() as connection:
            post(connection, pending, at_once=(tokens,))
    with engine.connect() as connection:
        totals = connection.execute(
            select(ledger_journals.c.totals).where(ledger_journals.c.kind == "post")
        ).scalar_one()
        held = balance(connection, IN_TREASURY.name, TOKEN)
        sums = {total.currency: total for total in trial_balance(connection)}
    assert totals == {"brl": "5000", TOKEN: str(10**19)}
    assert held is not None
    assert held.posted == 10**19
    assert sums[TOKEN].debits_posted == sums[TOKEN].credits_posted == 10**19
    with pytest.raises(InvariantError, match="contradicts"), engine.begin() as connection:
        post(connection, pending)  # without the tokens it would be another event


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"totals": {BRL: 0}},
        {"at_once": (moving(4999),), "totals": {BRL: 5000}},
        {"at_once": (moving(5000),), "totals": {Currency("usd"): 5000}},
        {"at_once": (moving(5000),), "totals": {BRL: 5000, TOKEN: 1}},
    ],
)
def test_a_journal_is_refused_when_a_part_of_its_event_is_missing(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the event says"):
        Journal("capture", "a", **fields)


def test_amounts_are_kept_whole_when_they_are_as_large_as_a_token_allows(engine: Engine) -> None:
    largest = 2**256 - 1
    journal = Journal(
        "test", "big", at_once=(moving(largest, debit=IN_TREASURY, credit=WALLET, currency=TOKEN),)
    )
    with engine.begin() as connection:
        post_journal(connection, journal)
    with engine.connect() as connection:
        held = balance(connection, IN_TREASURY.name, TOKEN)
    assert held is not None
    assert held.posted == largest


def test_balances_are_as_they_were_when_a_time_is_given(
    engine: Engine, login_engine: Engine
) -> None:
    with engine.begin() as connection:
        pending = post_pending(connection, entry())
    tamper(
        login_engine,
        "UPDATE offchain.ledger_transfers SET created_at = '2026-01-01 12:00Z'",
    )
    with engine.begin() as connection:
        post(connection, pending)

    def owed(at: datetime) -> tuple[int, int]:
        with engine.connect() as connection:
            found = {one.account: one for one in balances(connection, at=at)}[OWED.name]
        return found.posted, found.pending

    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert owed(noon - timedelta(seconds=1)) == (0, 0)
    assert owed(noon) == (0, 5000)
    assert owed(datetime.now(UTC) + timedelta(minutes=1)) == (5000, 0)


def _of(connection: Connection, account: Account) -> tuple[int, int]:
    """Posted and pending."""
    found = balance(connection, account.name, "brl")
    assert found is not None
    return found.posted, found.pending
