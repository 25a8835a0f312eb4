"""What the database itself refuses: rows written past our code, as the role that our code has."""

import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from indexer.errors import InvariantError
from offchain.ledger import transfers
from offchain.ledger.balances import trial_balance
from offchain.ledger.tables import ledger_journals, ledger_transfers
from offchain.ledger.transfers import (
    Journal,
    TransferId,
    post,
    post_journal,
    transfer_id,
    void,
)
from tests.support.ledger_rows import (
    BRL,
    OTHER,
    OWED,
    RECEIVABLE,
    moving,
    open_accounts,
    raw_journal,
    raw_transfer,
    tamper,
)
from tests.support.offchain import count

SPLIT = Journal(
    "capture",
    "split",
    pending=(moving(3000), moving(2000, credit=OTHER)),
    totals={BRL: 5000},
)


@pytest.fixture(autouse=True)
def accounts(engine: Engine) -> None:
    open_accounts(engine, "usd")


def refused(engine: Engine, attack: Callable[[Connection], Any], *, match: str) -> None:
    """Try something in a transaction of its own, which must not commit; nothing of it may stay."""
    before = _rows(engine)
    with pytest.raises(DBAPIError, match=match), engine.begin() as connection:
        attack(connection)
    assert _rows(engine) == before


def _rows(engine: Engine) -> tuple[int, int]:
    with engine.connect() as connection:
        assert all(total.is_balanced for total in trial_balance(connection))
        return count(connection, ledger_journals), count(connection, ledger_transfers)


def test_a_whole_journal_is_taken_when_it_holds_what_it_declares(engine: Engine) -> None:
    with engine.begin() as connection:
        journal_id = raw_journal(connection, transfers=2, totals={"brl": "5000", "usd": "7"})
        raw_transfer(connection, journal_id)
        raw_transfer(connection, journal_id, position=1, currency="usd", amount="7")
    assert _rows(engine) == (1, 2)


def test_a_journal_is_refused_at_commit_when_it_is_empty(engine: Engine) -> None:
    refused(engine, raw_journal, match="declares 1 transfers")


@pytest.mark.parametrize(
    "declared",
    [
        {"transfers": 2},
        {"totals": {"brl": "5001"}},
        {"totals": {"brl": "4999"}},
        {"totals": {"usd": "5000"}},
        {"totals": {"brl": "5000", "usd": "1"}},
        {"totals": {}},
    ],
)
def test_a_journal_is_refused_at_commit_when_it_declares_something_else(
    engine: Engine, declared: dict[str, Any]
) -> None:
    def attack(connection: Connection) -> None:
        raw_transfer(connection, raw_journal(connection, **declared))

    refused(engine, attack, match="declares")


def test_a_journal_is_refused_when_its_second_half_failed_and_that_was_passed_over(
    engine: Engine,
) -> None:
    """Survives: a writer that swallows an error in a savepoint and commits what came before."""

    def attack(connection: Connection) -> None:
        journal_id = raw_journal(connection, transfers=2, totals={"brl": "8000"})
        raw_transfer(connection, journal_id)
        with pytest.raises(IntegrityError), connection.begin_nested():
            raw_transfer(connection, journal_id, position=1, credit_account="nobody", amount="3000")

    refused(engine, attack, match="declares 2 transfers .* holds 1")


def test_a_journal_is_refused_when_a_later_transaction_adds_to_it(engine: Engine) -> None:
    with engine.begin() as connection:
        journal_id = raw_journal(connection)
        raw_transfer(connection, journal_id)
    refused(
        engine,
        lambda connection: raw_transfer(connection, journal_id, position=1),
        match="declares 1 transfers .* holds 2",
    )


def test_a_transfer_is_refused_when_it_is_of_another_event_or_of_no_journal(engine: Engine) -> None:
    def other_event(connection: Connection) -> None:
        raw_transfer(connection, raw_journal(connection), source_id="another")

    def other_kind(connection: Connection) -> None:
        raw_transfer(connection, raw_journal(connection), kind="pending")

    def beside_nothing(connection: Connection) -> None:
        raw_transfer(connection, raw_journal(connection, kind="pending"))

    for attack in (other_event, other_kind, beside_nothing):
        refused(engine, attack, match="another event")
    refused(engine, lambda connection: raw_transfer(connection, uuid.uuid4()), match="foreign key")


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({"currency": "eur"}, "foreign key"),  # neither account is in that currency
        ({"amount": "0"}, "amount_positive"),
        ({"amount": "-5000"}, "amount_positive"),
        ({"amount": "NaN"}, "amount_positive"),
        ({"amount": str(10**78)}, "overflow"),
        ({"credit_account": RECEIVABLE.name}, "two_accounts"),
        ({"kind": "post"}, "resolution_names_pending"),
    ],
)
def test_a_transfer_is_refused_when_it_moves_nothing_or_nowhere(
    engine: Engine, columns: dict[str, Any], match: str
) -> None:
    def attack(connection: Connection) -> None:
        raw_transfer(connection, raw_journal(connection), **columns)

    refused(engine, attack, match=match)


def resolving(connection: Connection, kind: str, positions: Sequence[int] = (0, 1)) -> None:
    """Resolve some of the split capture's two transfers by rows of our own."""
    parts = [("3000", OWED.name), ("2000", OTHER.name)]
    amount = sum(int(parts[position][0]) for position in positions)
    journal_id = raw_journal(
        connection,
        source_id="split",
        kind=kind,
        transfers=len(positions),
        totals={"brl": str(amount)},
    )
    pending = _waiting(connection)
    for position in positions:
        units, credit = parts[position]
        raw_transfer(
            connection,
            journal_id,
            position=position,
            kind=kind,
            pending_id=pending[position],
            source_id="split",
            amount=units,
            credit_account=credit,
        )


def _waiting(connection: Connection) -> list[uuid.UUID]:
    return list(
        connection.execute(
            text(
                "SELECT id FROM offchain.ledger_transfers WHERE kind = 'pending' ORDER BY position"
            )
        ).scalars()
    )


def test_a_resolution_is_refused_when_it_leaves_a_part_of_the_event_waiting(engine: Engine) -> None:
    with engine.begin() as connection:
        post_journal(connection, SPLIT)
    for kind in ("post", "void"):
        refused(engine, partial(resolving, kind=kind, positions=(0,)), match="resolves 1 of 2")

    def half_and_half(connection: Connection) -> None:
        resolving(connection, "post", [0])
        resolving(connection, "void", [1])

    refused(engine, half_and_half, match="resolves 1 of 2")
    with engine.begin() as connection:
        resolving(connection, "post")
    assert _rows(engine) == (2, 4)


def test_a_second_resolution_is_refused_when_the_first_is_there(engine: Engine) -> None:
    with engine.begin() as connection:
        post(connection, post_journal(connection, SPLIT))
    for kind in ("post", "void"):
        refused(engine, partial(resolving, kind=kind), match="duplicate key")


def test_a_commit_is_refused_when_a_lost_race_was_passed_over(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Survives: a post and a void at once, and a loser that swallows our refusal and commits."""
    with engine.begin() as connection:
        pending = post_journal(connection, SPLIT)
        post(connection, pending)
    monkeypatch.setattr(transfers, "resolution", lambda *_: None)  # as the loser saw it before

    def attack(connection: Connection) -> None:
        with pytest.raises(InvariantError, match="contradicts"):
            void(connection, pending)

    refused(engine, attack, match="declares 2 transfers")


@pytest.mark.parametrize("table", ["ledger_journals", "ledger_transfers", "ledger_accounts"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE offchain.{} SET id = id", "DELETE FROM offchain.{}", "TRUNCATE offchain.{} CASCADE"],
)
def test_rows_are_refused_to_change_when_anyone_tries(
    engine: Engine, login_engine: Engine, table: str, statement: str
) -> None:
    with engine.begin() as connection:
        post_journal(connection, SPLIT)
    refused(login_engine, lambda one: one.execute(text(statement.format(table))), match="immutable")
    refused(engine, lambda one: one.execute(text(statement.format(table))), match="permission")


@pytest.mark.parametrize("column", ["at", "number", "xact"])
def test_a_row_is_refused_when_it_brings_its_own_stamp(engine: Engine, column: str) -> None:
    value = "2020-01-01" if column == "at" else 1
    refused(
        engine,
        lambda connection: raw_journal(connection, **{column: value}),
        match="permission|non-DEFAULT",
    )


@pytest.mark.parametrize(
    "currency",
    ["token:celo:0xABCDEF0000000000000000000000000000000000", "token:celo:0x12", "token:"],
)
def test_an_account_is_refused_when_its_token_is_spelled_otherwise(
    engine: Engine, currency: str
) -> None:
    def attack(connection: Connection) -> None:
        connection.execute(
            text(
                "INSERT INTO offchain.ledger_accounts (id, currency, normal_side)"
                " VALUES ('any', :currency, 'debit')"
            ),
            {"currency": currency},
        )

    refused(engine, attack, match="token_spelled")


def test_the_read_role_sees_the_ledger_and_writes_nothing(
    engine: Engine, engine_as: Callable[[str], Engine]
) -> None:
    with engine.begin() as connection:
        post_journal(connection, SPLIT)
    reader = engine_as("api")
    assert _rows(reader) == (1, 2)
    refused(reader, raw_journal, match="permission denied")


def test_the_guard_looks_at_commit_so_that_any_order_of_rows_is_taken(engine: Engine) -> None:
    with engine.begin() as connection:
        first = raw_journal(connection, source_id="1")
        second = raw_journal(connection, source_id="2")
        raw_transfer(connection, second, source_id="2")
        raw_transfer(connection, first, source_id="1")
    assert _rows(engine) == (2, 2)


def test_tampering_shows_in_the_trial_balance_when_a_superuser_does_it(
    engine: Engine, login_engine: Engine
) -> None:
    with engine.begin() as connection:
        post(connection, post_journal(connection, SPLIT))
    tamper(login_engine, "DELETE FROM offchain.ledger_accounts WHERE normal_side = 'debit'")
    with engine.connect() as connection:
        assert not all(total.is_balanced for total in trial_balance(connection))


def test_resolving_any_part_resolves_the_whole_event(engine: Engine) -> None:
    with engine.begin() as connection:
        first = post_journal(connection, SPLIT)
        parts = _waiting(connection)
        assert parts[0] == first
        posted = post(connection, TransferId(parts[1]))
        assert posted not in {transfer_id("capture", "split", "post"), *parts}
        assert post(connection, first) == transfer_id("capture", "split", "post")
    assert _rows(engine) == (2, 4)
