"""Payments of before know where their money is booked once the schema can tell."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from migrations.run import code_revision, migrate
from stack.postgres import EmbeddedPostgres

NAME = "before_claims"
CAMPAIGN, PLEDGE = uuid.uuid4(), uuid.uuid4()
BEFORE = "0009"


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database as it was before claims were kept."""
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
    postgres.create_database(NAME)
    migrate(postgres.url(NAME))
    migrate(postgres.url(NAME), target=BEFORE)
    yield postgres.url(NAME)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def add_campaign(connection: psycopg.Connection) -> None:
    connection.execute(
        "INSERT INTO offchain.campaigns (id, slug, title, creator, goal_minor, currency, launch_at,"
        " deadline_at, settlement_mode, identifier_hash)"
        " VALUES (%s, 'c', 'c', 'c', 1, 'brl', now(), now(), 'fiat_only', '')",
        (CAMPAIGN,),
    )
    connection.execute(
        "INSERT INTO offchain.pledges (id, campaign_id, backer_id, buyer_commitment, item_id,"
        " amount_minor, currency) VALUES (%s, %s, %s, '', '', 5000, 'brl')",
        (PLEDGE, CAMPAIGN, PLEDGE),
    )


def add_attempt(connection: psycopg.Connection, fiat: str, claim: str = "none") -> uuid.UUID:
    attempt_id = uuid.uuid4()
    connection.execute(
        "INSERT INTO offchain.payment_attempts (id, pledge_id, gateway, method, amount_minor,"
        " currency, fiat_status, claim_status) VALUES (%s, %s, 'g', 'pix', 5000, 'brl', %s, %s)",
        (attempt_id, PLEDGE, fiat, claim),
    )
    return attempt_id


def book(connection: psycopg.Connection, source: str, source_id: str, credit: str) -> uuid.UUID:
    for account, side in (("gateway_receivable:g", "debit"), (credit, "credit")):
        connection.execute(
            "INSERT INTO offchain.ledger_accounts VALUES (%s, %s, 'brl') ON CONFLICT DO NOTHING",
            (account, side),
        )
    kind = "single" if source == "unaccepted" else "pending"
    transfer_id = uuid.uuid4()
    connection.execute(
        "INSERT INTO offchain.ledger_transfers (id, kind, debit_account, credit_account, amount,"
        " currency, source, source_id, created_at)"
        " VALUES (%s, %s, 'gateway_receivable:g', %s, 5000, 'brl', %s, %s, clock_timestamp())",
        (transfer_id, kind, credit, source, source_id),
    )
    return transfer_id


def test_attempts_of_before_are_told_where_the_ledger_has_their_money(database_url: str) -> None:
    owed = f"owed_to_campaign:{CAMPAIGN}"
    with psycopg.connect(database_url) as connection:
        add_campaign(connection)
        accepted = add_attempt(connection, "captured")
        book(connection, "capture", str(accepted), owed)
        book(connection, "capture_again", f"{accepted}:4", owed)
        newest = book(connection, "capture_again", f"{accepted}:9", owed)
        late = add_attempt(connection, "late_paid")
        book(connection, "unaccepted", str(late), "suspense")
        second = add_attempt(connection, "captured", "refund_pending")
        book(connection, "unaccepted", str(second), "refunds_payable")
        unpaid = add_attempt(connection, "awaiting")
    assert migrate(database_url) == (BEFORE, code_revision())
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT id, booked_to, received_minor, received_currency, capture_id"
            " FROM offchain.payment_attempts"
        ).fetchall()
    assert {row[0]: row[1:] for row in rows} == {
        accepted: ("campaign", 5000, "brl", newest),
        late: ("suspense", 5000, "brl", None),
        second: ("payable", 5000, "brl", None),
        unpaid: (None, None, None, None),
    }
    migrate(database_url, target=BEFORE)
    assert migrate(database_url) == (BEFORE, code_revision())


def test_migration_names_pledges_that_two_payments_count_for_and_changes_nothing(
    database_url: str,
) -> None:
    owed = f"owed_to_campaign:{CAMPAIGN}"
    with psycopg.connect(database_url) as connection:
        add_campaign(connection)
        for claim in ("disputed", "none"):
            book(connection, "capture", str(add_attempt(connection, "captured", claim)), owed)
    with pytest.raises(RuntimeError, match=str(PLEDGE)):
        migrate(database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE offchain.payment_attempts SET claim_status = 'refunded'"
            " WHERE claim_status = 'disputed'"
        )
    assert migrate(database_url) == (BEFORE, code_revision())
