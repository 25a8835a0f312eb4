"""Money that is not its pledge's: a second payment, one that came late, one that differs."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from offchain.ledger.accounts import SUSPENSE
from offchain.ledger.balances import balance
from offchain.money import Currency, MinorUnits, Money
from offchain.payments.handover import hand_over
from offchain.payments.observing import DUPLICATE_REASON
from offchain.payments.refunding import claim_due_refunds, send_refund
from offchain.settings import LateMoney
from tests.support.claims import (
    MemoryGateway,
    Paid,
    books,
    observe,
    paid,
    refund_rows,
    refund_seen,
)
from tests.support.offchain import (
    CHAINS,
    add_attempt,
    add_campaign,
    add_pledge,
    attempt,
    make_live,
    request_states,
    seen,
)


def test_apply_asks_for_a_refund_when_a_pledge_is_paid_twice_at_once(
    engine: Engine, login_engine: Engine
) -> None:
    campaign_id = add_campaign(engine, onchain=True)
    make_live(login_engine, campaign_id)
    pledge_id = add_pledge(engine, campaign_id)
    pair = [add_attempt(engine, pledge_id) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda attempt_id: observe(engine, seen(attempt_id)), pair))
    rows = sorted((attempt(engine, one) for one in pair), key=lambda row: row.claim_status)
    assert [(row.fiat_status, row.claim_status, row.chain_status) for row in rows] == [
        ("captured", "none", "queued"),
        ("captured", "refund_pending", "none"),
    ]
    assert rows[1].review_reason == DUPLICATE_REASON
    assert books(engine)["refunds_payable"] == (5000, -5000)
    assert request_states(engine) == {rows[0].id: "ready"}
    assert refund_rows(engine, rows[1].id) == [("duplicate", "requested", 5000)]


def test_second_payment_of_a_pledge_is_returned_once_its_refund_has_succeeded(
    engine: Engine, login_engine: Engine
) -> None:
    pledge_id = add_pledge(engine, add_campaign(engine))
    first, second = (Paid(engine, login_engine, add_attempt(engine, pledge_id)) for _ in range(2))
    first.see()
    second.see()
    with engine.begin() as connection:
        (refund_id,) = claim_due_refunds(connection, limit=10)
    send_refund(MemoryGateway(state="succeeded").serving(engine), refund_id)
    assert second.statuses() == ("returned", "none", "refunded")
    assert second.reason is None
    assert books(engine) == {"gateway_receivable": (5000, 0), "owed_to_campaign": (5000, 0)}


def test_second_payment_that_its_gateway_gave_back_already_is_asked_back_no_more(
    engine: Engine, login_engine: Engine
) -> None:
    pledge_id = add_pledge(engine, add_campaign(engine))
    first, second = (Paid(engine, login_engine, add_attempt(engine, pledge_id)) for _ in range(2))
    first.see()
    second.see(refunds=(refund_seen(),))
    assert second.statuses() == ("returned", "none", "refunded")
    assert refund_rows(engine, second.id) == [("gateway", "succeeded", 5000)]


def test_second_payment_whose_refund_failed_is_never_handed_over(
    engine: Engine, login_engine: Engine
) -> None:
    first = paid(engine, login_engine)
    pledge_id = attempt(engine, first.id).pledge_id
    second = Paid(engine, login_engine, add_attempt(engine, pledge_id))
    second.see()
    with engine.begin() as connection:
        (refund_id,) = claim_due_refunds(connection, limit=10)
    send_refund(MemoryGateway(state="failed").serving(engine), refund_id)
    assert second.statuses() == ("captured", "none", "none")
    assert (second.reason or "").startswith("a refund failed")
    with engine.begin() as connection:
        assert hand_over(connection, second.id, chains=CHAINS, source="clock") is not None
    assert request_states(engine) == {first.id: "ready"}


@pytest.mark.parametrize(
    ("policy", "fiat", "claim", "left"),
    [
        ("review", "late_paid", "none", {"suspense": (5000, 0)}),
        ("accept", "captured", "none", {"owed_to_campaign": (5000, 0)}),
        ("return", "late_paid", "refund_pending", {"suspense": (5000, -5000)}),
    ],
)
def test_late_money_goes_where_the_policy_says(
    engine: Engine,
    login_engine: Engine,
    policy: LateMoney,
    fiat: str,
    claim: str,
    left: dict[str, tuple[int, int]],
) -> None:
    """Race 6."""
    pledge_id = add_pledge(engine, add_campaign(engine))
    late = Paid(engine, login_engine, add_attempt(engine, pledge_id, fiat_status="expired"))
    observe(engine, seen(late.id), late_money=policy)
    assert late.statuses() == (fiat, "none", claim)
    received = books(engine)
    assert received.pop("gateway_receivable") == (5000, -5000 if policy == "return" else 0)
    assert received == left


def test_late_money_is_accepted_and_handed_over_when_the_policy_says_so(
    engine: Engine, login_engine: Engine
) -> None:
    campaign_id = add_campaign(engine, onchain=True)
    make_live(login_engine, campaign_id)
    pledge_id = add_pledge(engine, campaign_id)
    late = Paid(engine, login_engine, add_attempt(engine, pledge_id, fiat_status="canceled"))
    observe(engine, seen(late.id), late_money="accept")
    assert late.statuses() == ("captured", "queued", "none")
    assert late.batched().final().statuses() == ("captured", "final", "none")
    assert books(engine) == {"gateway_receivable": (5000, 0), "owed_to_campaign": (5000, 0)}


def test_late_money_of_a_pledge_that_is_paid_is_held_when_the_policy_would_accept_it(
    engine: Engine, login_engine: Engine
) -> None:
    pledge_id = add_pledge(engine, add_campaign(engine))
    Paid(engine, login_engine, add_attempt(engine, pledge_id)).see()
    late = Paid(engine, login_engine, add_attempt(engine, pledge_id, fiat_status="expired"))
    observe(engine, seen(late.id), late_money="accept")
    assert late.statuses() == ("late_paid", "none", "none")


@pytest.mark.parametrize(
    ("policy", "claim"), [("review", "none"), ("accept", "none"), ("return", "refund_pending")]
)
def test_money_that_differs_is_never_accepted_by_a_policy(
    engine: Engine, login_engine: Engine, policy: LateMoney, claim: str
) -> None:
    """Race 8."""
    pledge_id = add_pledge(engine, add_campaign(engine))
    odd = Paid(engine, login_engine, add_attempt(engine, pledge_id))
    observe(engine, seen(odd.id, received_minor=5001), late_money=policy)
    assert odd.statuses() == ("mismatch", "none", claim)


def test_money_of_another_currency_goes_back_in_that_currency(
    engine: Engine, login_engine: Engine
) -> None:
    pledge_id = add_pledge(engine, add_campaign(engine))
    odd = Paid(engine, login_engine, add_attempt(engine, pledge_id))
    observe(engine, seen(odd.id, currency="usd"), late_money="return")
    gateway = MemoryGateway(state="succeeded")
    with engine.begin() as connection:
        (refund_id,) = claim_due_refunds(connection, limit=10)
    send_refund(gateway.serving(engine), refund_id)
    assert [call.amount for call in gateway.calls] == [Money(MinorUnits(5000), Currency("usd"))]
    assert odd.statuses() == ("returned", "none", "refunded")
    with engine.connect() as connection:
        suspense = balance(connection, SUSPENSE.name, "usd")
    assert suspense is not None
    assert (suspense.posted, suspense.pending) == (0, 0)


def test_money_whose_amount_the_gateway_tells_only_later_is_booked_then(
    engine: Engine, login_engine: Engine
) -> None:
    pledge_id = add_pledge(engine, add_campaign(engine))
    odd = Paid(engine, login_engine, add_attempt(engine, pledge_id))
    odd.see(amount_minor=None, received_minor=None)
    assert (odd.statuses()[0], books(engine)) == ("mismatch", {})
    odd.see()
    odd.see()
    assert odd.statuses()[0] == "mismatch", "a person decides"
    assert books(engine) == {"gateway_receivable": (5000, 0), "suspense": (5000, 0)}
