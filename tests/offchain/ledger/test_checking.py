"""What the checks find once somebody with every right has changed rows by hand."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine

from offchain.ledger.checking import CHECKS, check_ledger, waiting_longer
from offchain.ledger.transfers import Journal, post, post_journal
from offchain.payments.observing import apply
from tests.support.ledger_rows import FEES, OTHER, moving, tamper
from tests.support.offchain import add_attempt, add_campaign, add_pledge, context, seen


@pytest.fixture
def captured(engine: Engine) -> UUID:
    """A payment of a fiat-only campaign, and a split capture that waits."""
    attempt_id = add_attempt(engine, add_pledge(engine, add_campaign(engine)))
    split = Journal("capture", "split", pending=(moving(3000), moving(2000, credit=OTHER)))
    fee = Journal("fee", "1", at_once=(moving(7, debit=FEES),))
    with engine.begin() as connection:
        apply(connection, attempt_id, seen(attempt_id), context=context())
        post_journal(connection, split)
        post_journal(connection, fee)
    return attempt_id


def broken(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        found = check_ledger(connection)
    assert [one.name for one in found] == [one.name for one in CHECKS]
    return {one.name: one.violations for one in found if not one.ok}


@pytest.mark.usefixtures("captured")
def test_nothing_is_found_of_a_ledger_that_only_our_code_wrote(engine: Engine) -> None:
    assert broken(engine) == {}


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (
            "UPDATE offchain.ledger_transfers SET amount = amount + 1 WHERE source = 'fee'",
            {"journals.whole": 1},
        ),
        (
            "DELETE FROM offchain.ledger_transfers WHERE source = 'fee'",
            {"journals.whole": 1},
        ),
        (
            "DELETE FROM offchain.ledger_transfers WHERE source_id = 'split' AND position = 1",
            {"journals.whole": 1},
        ),
        (
            "UPDATE offchain.ledger_transfers SET source_id = 'other' WHERE source = 'fee'",
            {"journals.whole": 1},
        ),
        (
            "DELETE FROM offchain.ledger_journals WHERE source = 'fee'",
            {"transfers.booked": 1},
        ),
        (
            "DELETE FROM offchain.ledger_accounts WHERE id LIKE 'gateway_fees%'",
            {"transfers.booked": 1},
        ),
        (
            "UPDATE offchain.ledger_transfers SET credit_account = 'me' WHERE kind = 'post'",
            {"transfers.booked": 1, "pending.resolved_once": 1},
        ),
        (
            "DELETE FROM offchain.ledger_transfers WHERE kind = 'post'",
            {"journals.whole": 1, "pending.resolved_once": 1},
        ),
        (
            "UPDATE offchain.payment_attempts SET received_minor = received_minor + 1",
            {"payments.booked": 1},
        ),
        (
            "UPDATE offchain.payment_attempts SET chain_status = 'final'",
            {"payments.tokens": 1},
        ),
    ],
)
@pytest.mark.usefixtures("captured")
def test_a_row_that_was_changed_by_hand_is_found(
    engine: Engine, login_engine: Engine, statement: str, found: dict[str, int]
) -> None:
    tamper(login_engine, statement)
    assert broken(engine) == found


def test_a_payment_whose_journal_is_gone_is_named(
    engine: Engine, login_engine: Engine, captured: UUID
) -> None:
    tamper(
        login_engine,
        "DELETE FROM offchain.ledger_transfers WHERE source_id <> 'split'",
        "DELETE FROM offchain.ledger_journals WHERE source_id <> 'split'",
    )
    with engine.connect() as connection:
        (found,) = [one for one in check_ledger(connection) if not one.ok]
    assert (found.name, found.detail) == ("payments.booked", str(captured))


def test_an_event_that_was_half_posted_is_found(engine: Engine, login_engine: Engine) -> None:
    parts = (moving(3000), moving(2000, credit=OTHER))
    with engine.begin() as connection:
        post(connection, post_journal(connection, Journal("capture", "split", pending=parts)))
    tamper(
        login_engine,
        "DELETE FROM offchain.ledger_transfers WHERE kind = 'post' AND position = 1",
        'UPDATE offchain.ledger_journals SET transfers = 1, totals = \'{"brl": "3000"}\''
        " WHERE kind = 'post'",
    )
    assert broken(engine) == {"pending.resolved_once": 1}


def test_what_waits_is_listed_the_oldest_first_when_it_waits_too_long(
    engine: Engine, login_engine: Engine
) -> None:
    with engine.begin() as connection:
        made = [
            post_journal(connection, Journal("capture", name, pending=(moving(1),)))
            for name in "abc"
        ]
        post(connection, made[2])
    tamper(
        login_engine,
        "UPDATE offchain.ledger_transfers SET created_at = now() - interval '9 days'",
        "UPDATE offchain.ledger_transfers SET created_at = now() - interval '10 days'"
        " WHERE source_id = 'b'",
    )
    with engine.connect() as connection:
        found = waiting_longer(connection, timedelta(days=8), limit=10)
        assert [one.source_id for one in found] == ["b", "a"]
        assert (found[0].id, found[0].amount, found[0].currency) == (made[1], 1, "brl")
        assert waiting_longer(connection, timedelta(days=9, hours=1), limit=10) == found[:1]
        assert waiting_longer(connection, timedelta(days=8), limit=1) == found[:1]
        assert waiting_longer(connection, timedelta(days=11), limit=10) == []
