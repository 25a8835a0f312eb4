"""The two modes side by side: both end with the ledger's entry, one of them needs a chain."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine

from indexer.chain.types import Address
from offchain.ledger.transfers import transfer_id, void
from offchain.payments.attempts import read_attempt
from offchain.payments.booking import CAPTURE
from offchain.payments.feedback import feed_back
from offchain.payments.observing import apply
from settlement.lifecycle import FUNDING
from settlement.reporting.report import Reliability
from stack.settlement_report import NOT_HANDED_OVER, reliability_by_mode
from tests.support.offchain import (
    add_attempt,
    add_campaign,
    add_pledge,
    confirm_onchain,
    context,
    make_live,
    seen,
    set_finalized,
    set_request_state,
)
from tests.support.settlement_cli import SettlementCli


@pytest.fixture
def engine(engine_as: Callable[[str], Engine]) -> Engine:
    return engine_as("offchain")


def capture(engine: Engine, campaign_id: UUID) -> UUID:
    attempt_id = add_attempt(engine, add_pledge(engine, campaign_id))
    with engine.begin() as connection:
        apply(connection, attempt_id, seen(attempt_id), context=context())
    return attempt_id


def settle(engine: Engine, login_engine: Engine, attempt_id: UUID) -> None:
    confirm_onchain(login_engine, attempt_id, block=10)
    set_finalized(login_engine, 10)
    set_request_state(login_engine, attempt_id, "settled", settled_block=10)
    for _ in range(3):  # through the states between
        with engine.begin() as connection:
            attempt = read_attempt(connection, attempt_id)
            assert attempt is not None
            feed_back(connection, [attempt])


def report(engine: Engine, since: datetime | None = None) -> dict[str, Reliability]:
    with engine.connect() as connection:
        return {one.group: one for one in reliability_by_mode(connection, since=since)}


def test_modes_are_compared_by_what_the_ledger_posted(
    engine: Engine, login_engine: Engine, database_url: str
) -> None:
    fiat, onchain = add_campaign(engine), add_campaign(engine, onchain=True)
    make_live(login_engine, onchain)
    not_live = add_campaign(engine, onchain=True)
    for _ in range(2):
        capture(engine, fiat)
    settled, blocked, _ = (capture(engine, onchain) for _ in range(3))
    capture(engine, not_live)
    settle(engine, login_engine, settled)
    set_request_state(login_engine, blocked, "blocked", reason=f"{FUNDING}5 are missing")

    found = report(engine)
    assert list(found) == ["onchain", "fiat_only"]
    chain, plain = found["onchain"], found["fiat_only"]
    assert (plain.network, plain.payments, plain.settled, plain.settled_share) == (None, 2, 2, 1)
    assert (plain.transactions, plain.cost_wei, plain.blocked) == (0, 0, {})
    assert plain.time_to_settled is not None
    assert plain.time_to_settled.max_s < 5
    assert (chain.network, chain.payments, chain.settled) == ("celo-local", 4, 1)
    assert chain.blocked == {NOT_HANDED_OVER: 1, "funding": 1}

    code, told = SettlementCli(database_url).run("report")
    assert (code, told["by"]) == (0, "mode")
    assert [one["group"] for one in told["groups"]] == ["onchain", "fiat_only"]
    assert "onchain on celo-local" in SettlementCli(database_url).say("report", "--by", "mode")


def test_payment_that_was_given_back_before_it_settled_counts_in_no_mode(
    engine: Engine, login_engine: Engine
) -> None:
    onchain = add_campaign(engine, onchain=True)
    make_live(login_engine, onchain, treasury=Address(b"\x23" * 20))
    returned = capture(engine, onchain)
    with engine.begin() as connection:
        void(connection, transfer_id(CAPTURE, str(returned), "pending"))
    set_request_state(login_engine, returned, "void")
    assert report(engine) == {}


def test_report_of_a_span_leaves_out_what_was_captured_before(engine: Engine) -> None:
    fiat = add_campaign(engine)
    capture(engine, fiat)
    now = context().now
    assert report(engine, since=now - timedelta(hours=1))["fiat_only"].payments == 1
    assert report(engine, since=now + timedelta(hours=1)) == {}


def test_nothing_is_compared_where_nothing_was_captured(database_url: str) -> None:
    assert "nothing was captured" in SettlementCli(database_url).say("report")
