"""Rows of before journals each become one, tokens are booked, and all of it goes back and forth."""

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from indexer.db.base import ROLES
from indexer.db.session import open_engine
from indexer.errors import ConfigurationError
from migrations.run import code_revision, migrate
from offchain.ledger.balances import balances, trial_balance
from offchain.ledger.checking import check_ledger
from offchain.ledger.transfers import Journal, TransferId, post, post_journal, transfer_id
from stack.postgres import EmbeddedPostgres
from tests.support.ledger_rows import OTHER, moving

OLDER = "0010"
ATTEMPT, REFUNDED = uuid.uuid4(), uuid.uuid4()
TREASURY, TOKEN = b"\x22" * 20, b"\x11" * 20
UNITS = 50 * 10**18


@pytest.fixture
def older(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database at the revision before journals, with a posted capture and one that waits."""
    name = f"test_{uuid.uuid4().hex}"
    postgres.create_database(name)
    url = postgres.url(name)
    migrate(url)
    migrate(url, target=OLDER)
    with psycopg.connect(url) as connection:
        for account, side in (("gateway_receivable:crowdsplit", "debit"), (OTHER.name, "credit")):
            connection.execute(
                "INSERT INTO offchain.ledger_accounts (id, normal_side, currency)"
                " VALUES (%s, %s, 'brl')",
                (account, side),
            )
        pending = _transfer(connection, "settled", "pending")
        _transfer(connection, "settled", "post", pending_id=pending)
        _transfer(connection, "waits", "pending")
    yield url
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def _transfer(
    connection: psycopg.Connection[Any],
    source_id: str,
    kind: Any,
    *,
    pending_id: TransferId | None = None,
) -> TransferId:
    identifier = transfer_id("capture", source_id, kind)
    connection.execute(
        "INSERT INTO offchain.ledger_transfers (id, kind, pending_id, debit_account,"
        " credit_account, amount, currency, source, source_id, created_at) VALUES"
        " (%s, %s, %s, 'gateway_receivable:crowdsplit', %s, 5000, 'brl', 'capture', %s,"
        " '2026-01-01')",
        (identifier, kind, pending_id, OTHER.name, source_id),
    )
    return identifier


def _add_final(connection: psycopg.Connection[Any], attempt_id: uuid.UUID, state: str) -> None:
    """A payment that is final on-chain, as far as the ledger's migration reads it."""
    connection.execute("SET LOCAL session_replication_role = replica")  # its campaign is not told
    connection.execute(
        "INSERT INTO offchain.payment_attempts (id, pledge_id, gateway, method, amount_minor,"
        " currency, fiat_status, chain_status) VALUES"
        " (%s, %s, 'crowdsplit', 'pix', 5000, 'brl', 'captured', 'final')",
        (attempt_id, attempt_id),
    )
    connection.execute(
        "INSERT INTO settlement.requests (request_id, root_id, chain_id, treasury, pledge_id,"
        " generation, payment_id, buyer_commitment, item_id, token, amount_base_units, captured_at,"
        " state, settled_block) VALUES"
        " (%s, %s, 31337, %s, %s, 0, %s, '', '', %s, %s, now(), %s, 10)",
        (attempt_id, attempt_id, TREASURY, attempt_id, attempt_id.bytes, TOKEN, UNITS, state),
    )


def held(url: str) -> dict[str, tuple[int, int]]:
    """Posted and pending of every account, in a ledger that holds every promise."""
    engine = open_engine(url, role=ROLES["offchain"])
    try:
        with engine.connect() as connection:
            assert all(total.is_balanced for total in trial_balance(connection))
            assert all(finding.ok for finding in check_ledger(connection))
            return {one.account: (one.posted, one.pending) for one in balances(connection)}
    finally:
        engine.dispose()


def test_rows_of_before_get_their_journals_and_keep_them_when_it_goes_back_and_forth(
    older: str,
) -> None:
    fiat = {"gateway_receivable:crowdsplit": (5000, 5000), OTHER.name: (5000, 5000)}
    for _ in range(2):
        assert migrate(older) == (OLDER, code_revision())
        assert held(older) == fiat
        with psycopg.connect(older) as connection:
            rows = connection.execute(
                "SELECT j.source_id, j.kind, j.totals, j.at = t.created_at, t.id = j.id, t.position"
                " FROM offchain.ledger_journals j JOIN offchain.ledger_transfers t"
                " ON t.journal_id = j.id ORDER BY j.xact, j.number"
            ).fetchall()
        assert sorted(rows) == [
            ("settled", kind, {"brl": "5000"}, True, True, 0) for kind in ("pending", "post")
        ] + [("waits", "pending", {"brl": "5000"}, True, True, 0)]
        assert rows[-1][1] == "post"  # never before what it resolves
        assert migrate(older, target=OLDER) == (code_revision(), OLDER)


def test_what_waited_before_is_posted_by_our_code_after(older: str) -> None:
    migrate(older)
    engine = open_engine(older, role=ROLES["offchain"])
    with engine.begin() as connection:
        post(connection, transfer_id("capture", "waits", "pending"))
        post(connection, transfer_id("capture", "settled", "pending"))  # again changes nothing
    engine.dispose()
    assert held(older)[OTHER.name] == (10_000, 0)


def test_tokens_of_what_is_final_are_booked_and_forgotten_and_booked_again(older: str) -> None:
    with psycopg.connect(older) as connection:
        _add_final(connection, ATTEMPT, "settled")
        _add_final(connection, REFUNDED, "refunded")
    treasury = "tokens_in_treasury:celo-local:0x" + TREASURY.hex()
    wallet = "tokens_platform_wallet:celo-local"
    for _ in range(2):
        migrate(older)
        found = held(older)
        assert (found[treasury], found[wallet]) == ((UNITS, 0), (-UNITS, 0))
        migrate(older, target=OLDER)


def test_going_back_is_refused_when_an_event_moved_more_than_the_older_schema_can_hold(
    older: str,
) -> None:
    migrate(older)
    engine = open_engine(older, role=ROLES["offchain"])
    split = Journal("capture", "split", at_once=(moving(3000), moving(2000, credit=OTHER)))
    with engine.begin() as connection:
        post_journal(connection, split)
    engine.dispose()
    with pytest.raises(ConfigurationError, match="1 events"):
        migrate(older, target=OLDER)
    assert held(older)[OTHER.name] == (7000, 5000)
