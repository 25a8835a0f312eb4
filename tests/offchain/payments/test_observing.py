"""The races and faults that money comes with; each test names the one it survives."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Engine, select

from indexer.errors import InvariantError
from offchain.gateways.types import Observation
from offchain.ledger.accounts import SUSPENSE, gateway_receivable, owed_to_campaign
from offchain.ledger.balances import Balance, balance, trial_balance
from offchain.ledger.tables import ledger_transfers
from offchain.money import Currency, MinorUnits, Money
from offchain.payments.observing import apply
from offchain.tables import attempt_events
from settlement.queries import request_statuses
from tests.support.claims import books, refund_seen
from tests.support.offchain import (
    add_attempt,
    add_campaign,
    add_pledge,
    attempt,
    base_units_of_fifty,
    context,
    count,
    make_live,
    request_states,
    seen,
)

RECEIVABLE = gateway_receivable("crowdsplit").name


def held(engine: Engine, account: str, currency: str = "brl") -> Balance:
    with engine.connect() as connection:
        assert all(row.is_balanced for row in trial_balance(connection))
        found = balance(connection, account, currency)
    assert found is not None
    return found


def observe(engine: Engine, observation: Observation) -> str:
    assert observation.attempt_id is not None
    with engine.begin() as connection:
        return apply(connection, observation.attempt_id, observation, context=context())


def test_apply_posts_and_requests_settlement_once_when_a_payment_is_captured(
    engine: Engine, login_engine: Engine
) -> None:
    campaign_id = add_campaign(engine, onchain=True)
    make_live(login_engine, campaign_id)
    attempt_id = add_attempt(engine, add_pledge(engine, campaign_id))
    assert [observe(engine, seen(attempt_id)) for _ in range(3)] == [
        "moved",
        "unchanged",
        "unchanged",
    ]
    row = attempt(engine, attempt_id)
    assert (row.fiat_status, row.chain_status, row.review_reason) == ("captured", "queued", None)
    owed = held(engine, owed_to_campaign(campaign_id).name)
    assert (owed.posted, owed.pending) == (0, 5000)
    with engine.connect() as connection:
        status = request_statuses(connection, [attempt_id])[attempt_id]
    assert status.amount_base_units == base_units_of_fifty()


def test_apply_posts_at_once_when_the_campaign_settles_in_fiat_only(engine: Engine) -> None:
    campaign_id = add_campaign(engine)
    attempt_id = add_attempt(engine, add_pledge(engine, campaign_id))
    observe(engine, seen(attempt_id))
    owed = held(engine, owed_to_campaign(campaign_id).name)
    assert (owed.posted, owed.pending) == (5000, 0)
    assert attempt(engine, attempt_id).chain_status == "none"
    assert request_states(engine) == {}


def test_apply_captures_once_when_many_threads_apply_the_same_capture_at_once(
    engine: Engine, login_engine: Engine
) -> None:
    campaign_id = add_campaign(engine, onchain=True)
    make_live(login_engine, campaign_id)
    attempt_id = add_attempt(engine, add_pledge(engine, campaign_id))
    barrier = Barrier(8)

    def race(_number: int) -> str:
        with engine.begin() as connection:
            barrier.wait()
            return apply(connection, attempt_id, seen(attempt_id), context=context("poll"))

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(race, range(8)))
    assert sorted(outcomes) == ["moved"] + ["unchanged"] * 7
    with engine.connect() as connection:
        assert count(connection, ledger_transfers) == 1
        moves = connection.execute(
            select(attempt_events.c.lattice, attempt_events.c.to_status).order_by(
                attempt_events.c.id
            )
        ).all()
    assert [tuple(row) for row in moves] == [("fiat", "captured"), ("chain", "queued")]
    assert request_states(engine) == {attempt_id: "ready"}


def test_apply_leaves_nothing_when_the_transaction_dies_after_the_capture(
    engine: Engine, login_engine: Engine
) -> None:
    campaign_id = add_campaign(engine, onchain=True)
    make_live(login_engine, campaign_id)
    attempt_id = add_attempt(engine, add_pledge(engine, campaign_id))
    with engine.connect() as connection:
        apply(connection, attempt_id, seen(attempt_id), context=context())
        connection.rollback()
    assert attempt(engine, attempt_id).fiat_status == "created"
    assert request_states(engine) == {}
    observe(engine, seen(attempt_id))
    assert attempt(engine, attempt_id).chain_status == "queued"


@pytest.mark.parametrize(
    ("fields", "reason", "currency", "received"),
    [
        ({"amount_minor": 4000, "received_minor": 4000}, "paid 4000", "brl", 4000),
        ({"received_minor": 5001}, "paid 5001", "brl", 5001),
        ({"currency": "usd"}, "paid in usd", "usd", 5000),
    ],
)
def test_apply_holds_the_money_when_amount_or_currency_is_wrong(
    engine: Engine,
    login_engine: Engine,
    fields: dict[str, object],
    reason: str,
    currency: str,
    received: int,
) -> None:
    campaign_id = add_campaign(engine, onchain=True)
    make_live(login_engine, campaign_id)
    attempt_id = add_attempt(engine, add_pledge(engine, campaign_id))
    observe(engine, seen(attempt_id, **fields))
    row = attempt(engine, attempt_id)
    assert (row.fiat_status, row.chain_status) == ("mismatch", "none")
    assert row.review_reason is not None
    assert row.review_reason.startswith(reason)
    assert held(engine, SUSPENSE.name, currency).posted == received
    assert held(engine, RECEIVABLE, currency).posted == received
    assert request_states(engine) == {}


def test_apply_holds_the_money_when_it_comes_after_expiry(engine: Engine) -> None:
    attempt_id = add_attempt(
        engine, add_pledge(engine, add_campaign(engine)), fiat_status="expired"
    )
    observe(engine, seen(attempt_id))
    row = attempt(engine, attempt_id)
    assert (row.fiat_status, row.review_reason) == (
        "late_paid",
        "paid after the attempt was expired",
    )
    assert held(engine, SUSPENSE.name).posted == 5000


def test_apply_keeps_what_the_backer_completes_a_payment_with(engine: Engine) -> None:
    attempt_id = add_attempt(engine, add_pledge(engine, add_campaign(engine)))
    told = {"client_secret": "pi_secret", "authorization_url": "https://pay.example/x"}
    observe(engine, seen(attempt_id, effect="awaiting", **told))
    observe(engine, seen(attempt_id, effect="awaiting"))
    row = attempt(engine, attempt_id)
    assert (row.client_secret, row.authorization_url) == tuple(told.values())
    assert "pi_secret" not in repr(row)


def test_apply_keeps_the_capture_when_older_news_arrive_after_it(engine: Engine) -> None:
    attempt_id = add_attempt(engine, add_pledge(engine, add_campaign(engine)))
    observe(engine, seen(attempt_id))
    for effect in ("awaiting", "processing", "failed", "canceled", "unknown"):
        observe(engine, seen(attempt_id, effect=effect))
    assert attempt(engine, attempt_id).fiat_status == "captured"


def test_apply_does_not_settle_when_the_payment_was_refunded_before_it_was_seen(
    engine: Engine, login_engine: Engine
) -> None:
    campaign_id = add_campaign(engine, onchain=True)
    make_live(login_engine, campaign_id)
    attempt_id = add_attempt(engine, add_pledge(engine, campaign_id))
    observe(engine, seen(attempt_id, refunds=(refund_seen(),)))
    row = attempt(engine, attempt_id)
    assert (row.fiat_status, row.claim_status, row.chain_status) == ("captured", "refunded", "none")
    assert books(engine) == {}
    assert request_states(engine) == {}


def test_apply_refuses_when_the_observation_is_of_another_attempt(engine: Engine) -> None:
    pledge_id = add_pledge(engine, add_campaign(engine))
    mine, other = add_attempt(engine, pledge_id), add_attempt(engine, pledge_id)
    with engine.begin() as connection:
        assert apply(connection, mine, seen(other), context=context()) == "foreign"
    observe(engine, seen(mine, effect="awaiting"))
    with engine.begin() as connection:
        swapped = seen(mine, provider_payment_id="another payment")
        assert apply(connection, mine, swapped, context=context()) == "foreign"
    assert attempt(engine, mine).fiat_status == "awaiting"


def test_apply_stops_when_there_is_no_such_attempt(engine: Engine) -> None:
    with pytest.raises(InvariantError, match="does not exist"):
        observe(engine, seen(add_pledge(engine, add_campaign(engine))))


def test_apply_keeps_the_money_visible_when_the_campaign_is_not_live_on_chain(
    engine: Engine,
) -> None:
    attempt_id = add_attempt(engine, add_pledge(engine, add_campaign(engine, onchain=True)))
    observe(engine, seen(attempt_id))
    row = attempt(engine, attempt_id)
    assert (row.fiat_status, row.chain_status) == ("captured", "none")
    assert row.review_reason == "settlement: the campaign is not live on-chain"


def test_apply_compares_with_the_attempt_when_its_amount_differs_from_the_default(
    engine: Engine,
) -> None:
    ten = Money(MinorUnits(1000), Currency("brl"))
    pledge_id = add_pledge(engine, add_campaign(engine), amount=ten)
    attempt_id = add_attempt(engine, pledge_id, amount=ten)
    observe(engine, seen(attempt_id))
    assert attempt(engine, attempt_id).fiat_status == "mismatch"
