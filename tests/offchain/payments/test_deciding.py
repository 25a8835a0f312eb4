"""What an operator decides: to accept held money, or to give money back."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select

from offchain.money import MinorUnits
from offchain.payments import deciding
from offchain.payments.accepting import Refused
from offchain.payments.attempts import Attempt
from offchain.payments.refunding import claim_due_refunds, send_refund
from offchain.payments.reviewing import find_payment, read_held, read_story
from offchain.tables import attempt_events
from tests.support.claims import (
    MemoryGateway,
    Paid,
    ask_back,
    books,
    dispute_seen,
    paid,
    refund_rows,
    refund_seen,
)
from tests.support.offchain import (
    CHAINS,
    NOW,
    add_attempt,
    add_campaign,
    add_pledge,
    attempt,
    make_live,
    request_states,
    seen,
)

OWED, RECEIVABLE, SUSPENSE = "owed_to_campaign", "gateway_receivable", "suspense"


def accept(engine: Engine, payment_id: UUID) -> Attempt | Refused:
    with engine.begin() as connection:
        return deciding.accept(connection, payment_id, decided_by="ana", now=NOW, chains=CHAINS)


def refused(answer: object) -> str:
    assert isinstance(answer, Refused)
    return answer.reason


def held(engine: Engine, login: Engine, *, onchain: bool = False, **fields: Any) -> Paid:
    """Money that came late, or differs."""
    campaign_id = add_campaign(engine, onchain=onchain)
    if onchain:
        make_live(login, campaign_id)
    columns: dict[str, Any] = {} if fields else {"fiat_status": "expired"}
    one = Paid(engine, login, add_attempt(engine, add_pledge(engine, campaign_id), **columns))
    one.see(**fields)
    return one


def test_late_money_is_accepted_handed_over_and_posted_when_it_is_final(
    engine: Engine, login_engine: Engine
) -> None:
    """Race 6."""
    one = held(engine, login_engine, onchain=True)
    assert isinstance(accept(engine, one.id), Attempt)
    assert one.statuses() == ("captured", "queued", "none")
    assert one.reason is None
    assert books(engine) == {
        RECEIVABLE: (5000, 0),
        SUSPENSE: (5000, -5000),
        OWED: (0, 5000),
    }
    one.batched().final()
    assert books(engine) == {RECEIVABLE: (5000, 0), OWED: (5000, 0)}
    with engine.connect() as connection:
        event = connection.execute(
            select(attempt_events).where(attempt_events.c.to_status == "captured")
        ).one()
    assert (event.source, event.evidence["decided_by"]) == ("operator", "ana")


def test_payment_that_brought_too_much_is_accepted_and_the_rest_goes_back(
    engine: Engine, login_engine: Engine
) -> None:
    """Race 8: the pledge counts what it asked for; the rest claims nothing of it."""
    one = held(engine, login_engine, onchain=True, received_minor=6000, amount_minor=6000)
    accept(engine, one.id)
    assert one.statuses() == ("captured", "queued", "none")
    assert refund_rows(engine, one.id) == [("excess", "requested", 1000)]
    gateway = MemoryGateway(state="succeeded")
    with engine.begin() as connection:
        (refund_id,) = claim_due_refunds(connection, limit=10)
    send_refund(gateway.serving(engine), refund_id)
    assert [(call.amount.minor, call.is_full) for call in gateway.calls] == [(1000, False)]
    assert one.statuses() == ("captured", "queued", "none")
    one.batched().final()
    assert books(engine) == {RECEIVABLE: (5000, 0), OWED: (5000, 0)}
    ask_back(engine, one.id)
    send_refund(gateway.serving(engine), claim_one(engine))
    assert one.statuses()[2] == "refunded"
    assert books(engine) == {}


def test_payment_that_brought_too_much_costs_the_campaign_what_it_asked_for_when_all_goes_back(
    engine: Engine, login_engine: Engine
) -> None:
    """The gateway gives all of it back before our refund of the rest is sent."""
    one = held(engine, login_engine, received_minor=6000, amount_minor=6000)
    accept(engine, one.id)
    whole = refund_seen("all", minor=6000)
    one.see(refunds=(whole,))
    send_refund(MemoryGateway(state="succeeded").serving(engine), claim_one(engine))
    assert refund_rows(engine, one.id) == [
        ("excess", "failed", 1000),
        ("gateway", "succeeded", 6000),
    ]
    assert books(engine) == {}
    one.see(refunds=(replace(whole, state="failed"),))
    assert books(engine) == {RECEIVABLE: (6000, 0), OWED: (5000, 0), "refunds_payable": (1000, 0)}


@pytest.mark.parametrize("parts", [(6000,), (5500, 500), (3000, 3000)])
def test_campaign_bears_no_more_than_was_asked_for_in_however_many_refunds(
    engine: Engine, login_engine: Engine, parts: tuple[int, ...]
) -> None:
    one = held(engine, login_engine, received_minor=6000, amount_minor=6000)
    accept(engine, one.id)
    before = books(engine)
    seen_parts = tuple(refund_seen(str(minor), minor=minor) for minor in set(parts)) + tuple(
        refund_seen("again", minor=minor) for minor in parts[1:] if parts.count(minor) > 1
    )
    one.see(refunds=seen_parts)
    send_refund(MemoryGateway(state="succeeded").serving(engine), claim_one(engine))
    assert books(engine) == {}
    one.see(refunds=tuple(replace(part, state="failed") for part in seen_parts))
    assert books(engine)[OWED] == before[OWED]


def test_money_that_was_given_back_and_is_disputed_then_asks_for_a_person(
    engine: Engine, login_engine: Engine
) -> None:
    one = held(engine, login_engine, received_minor=6000, amount_minor=6000)
    back = refund_seen(minor=6000)
    one.see(refunds=(back,))
    assert (one.statuses()[0], one.reason) == ("returned", None)
    one.see(refunds=(back,), disputes=(dispute_seen("lost", 6000),))
    assert one.reason == "the gateway reports the payment as dispute lost"
    assert books(engine)["chargeback_losses"] == (6000, 0)


def test_held_money_whose_refund_bounced_and_went_again_asks_for_nobody(
    engine: Engine, login_engine: Engine
) -> None:
    one = held(engine, login_engine, received_minor=6000, amount_minor=6000)
    one.see(refunds=(refund_seen(minor=6000),))
    one.see(refunds=(refund_seen(state="failed", minor=6000),))
    assert (one.reason or "").startswith("a refund failed after it had succeeded")
    one.see(refunds=(refund_seen(state="failed", minor=6000), refund_seen("r2", minor=6000)))
    assert (one.statuses()[0], one.reason) == ("returned", None)


def claim_one(engine: Engine) -> UUID:
    with engine.begin() as connection:
        (refund_id,) = claim_due_refunds(connection, limit=10)
    return refund_id


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"received_minor": 4999, "amount_minor": 4999}, "it brought 4999 minor units of brl"),
        ({"currency": "usd"}, "it brought 5000 minor units of usd"),
        ({"received_minor": None, "amount_minor": None}, "does not say how much"),
    ],
)
def test_money_that_is_not_enough_or_another_currency_is_not_accepted(
    engine: Engine, login_engine: Engine, fields: dict[str, Any], words: str
) -> None:
    one = held(engine, login_engine, **fields)
    assert words in refused(accept(engine, one.id))
    assert one.statuses()[0] == "mismatch"


def test_money_is_not_accepted_for_a_pledge_that_is_paid(
    engine: Engine, login_engine: Engine
) -> None:
    one = held(engine, login_engine)
    pledge_id = attempt(engine, one.id).pledge_id
    Paid(engine, login_engine, add_attempt(engine, pledge_id)).see()
    assert "paid by another payment" in refused(accept(engine, one.id))


def test_money_that_somebody_wants_back_is_not_accepted(
    engine: Engine, login_engine: Engine
) -> None:
    one = held(engine, login_engine)
    one.see(disputes=(dispute_seen(),))
    assert "its claim is disputed" in refused(accept(engine, one.id))
    assert "only late or differing" in refused(
        accept(engine, paid(engine, login_engine, onchain=False).id)
    )


def test_held_money_is_returned(engine: Engine, login_engine: Engine) -> None:
    one = held(engine, login_engine)
    with engine.begin() as connection:
        asked = deciding.give_back(connection, one.id, decided_by="ana")
    assert isinstance(asked, UUID)
    assert one.statuses() == ("late_paid", "none", "refund_pending")
    send_refund(MemoryGateway(state="succeeded").serving(engine), asked)
    assert one.statuses() == ("returned", "none", "refunded")
    assert books(engine) == {}
    with engine.begin() as connection:
        again = deciding.give_back(connection, one.id, decided_by="ana")
    assert "nothing is left of it" in refused(again)


def test_accept_and_return_of_one_payment_at_once_are_one_decision(
    engine: Engine, login_engine: Engine
) -> None:
    """Survives: two operators who decide at the same moment."""
    for _ in range(3):
        one = held(engine, login_engine)
        barrier = Barrier(2)

        def race(number: int, one: Paid = one, barrier: Barrier = barrier) -> object:
            barrier.wait()
            if number:
                return accept(engine, one.id)
            with engine.begin() as connection:
                return deciding.give_back(connection, one.id, decided_by="bia")

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(race, range(2)))
        assert sum(isinstance(answer, Refused) for answer in answers) == 1
        assert one.statuses() in {
            ("captured", "none", "none"),
            ("late_paid", "none", "refund_pending"),
        }


def test_refund_and_return_are_told_apart(engine: Engine, login_engine: Engine) -> None:
    accepted, late = paid(engine, login_engine, onchain=False), held(engine, login_engine)
    with engine.begin() as connection:
        assert "refund it instead" in refused(
            deciding.give_back(connection, accepted.id, decided_by="ana")
        )
        assert "return it instead" in refused(
            deciding.refund(connection, late.id, None, decided_by="ana")
        )
        asked = deciding.refund(connection, accepted.id, MinorUnits(1), decided_by="ana")
        assert isinstance(asked, UUID)


def test_decision_about_a_payment_that_is_not_there_changes_nothing(engine: Engine) -> None:
    nobody = uuid4()
    with engine.begin() as connection:
        answers = [
            deciding.accept(connection, nobody, decided_by="ana", now=NOW, chains=None),
            deciding.give_back(connection, nobody, decided_by="ana"),
            deciding.refund(connection, nobody, None, decided_by="ana"),
        ]
    assert {refused(answer) for answer in answers} == {"there is no such payment"}


def test_accepted_money_is_left_to_the_sweep_when_the_chains_are_not_known(
    engine: Engine, login_engine: Engine
) -> None:
    one = held(engine, login_engine, onchain=True)
    with engine.begin() as connection:
        deciding.accept(connection, one.id, decided_by="ana", now=NOW, chains=None)
    assert one.statuses() == ("captured", "none", "none")
    assert request_states(engine) == {}


def test_all_that_waits_for_a_person_is_listed_and_nothing_else(
    engine: Engine, login_engine: Engine
) -> None:
    paid(engine, login_engine, onchain=False)
    late, odd = held(engine, login_engine), held(engine, login_engine, received_minor=1)
    disputed = paid(engine, login_engine, onchain=False)
    disputed.see(disputes=(dispute_seen(),))
    with engine.connect() as connection:
        found = {one.payment_id: one for one in read_held(connection, limit=10)[0]}
    assert set(found) == {late.id, odd.id, disputed.id}
    assert found[late.id].reason == "paid after the attempt was expired"
    assert found[odd.id].received_minor == 1


def test_story_tells_statuses_claims_evidence_and_ledger_to_the_read_role(
    engine: Engine, login_engine: Engine, api_engine: Engine
) -> None:
    one = paid(engine, login_engine, onchain=False)
    one.see(refunds=(refund_seen(minor=2000),), disputes=(dispute_seen("lost", 3000),))
    provider_id = seen(one.id).provider_payment_id
    with api_engine.connect() as connection:
        assert find_payment(connection, provider_id) == one.id
        assert find_payment(connection, str(one.id)) == one.id
        assert find_payment(connection, "nobody's") is None
        assert read_story(connection, uuid4()) is None
        story = read_story(connection, one.id)
    assert story is not None
    assert (story.payment.fiat_status, story.payment.claim_status) == ("captured", "dispute_lost")
    assert [refund.amount.minor for refund in story.refunds] == [2000]
    assert [dispute.state for dispute in story.disputes] == ["lost"]
    assert [event.lattice for event in story.events] == ["fiat", "refund", "dispute", "claim"]
    assert sorted((line.source, line.kind) for line in story.ledger) == [
        ("capture", "pending"),
        ("capture", "post"),
        ("dispute", "pending"),
        ("dispute", "post"),
        ("refund", "pending"),
        ("refund", "post"),
    ]
