"""The token side of settlement: booked with the fiat of the same event, to the base unit."""

import uuid
from uuid import UUID

import pytest
from sqlalchemy import Engine, select

from offchain.ledger.accounts import (
    gateway_receivable,
    owed_to_campaign,
    tokens_in_treasury,
    tokens_platform_wallet,
)
from offchain.ledger.balances import balance, trial_balance
from offchain.ledger.checking import check_ledger
from offchain.ledger.tables import ledger_journals
from offchain.ledger.tokens import (
    SETTLED,
    TokenPayment,
    bring_home,
    post_final,
    put_back,
    standing,
    token_currency,
)
from offchain.ledger.transfers import Entry, TransferId, post, post_pending
from offchain.payments.feedback import attempts_on_the_way, feed_back
from offchain.payments.observing import apply
from offchain.payments.reversing import take_back
from offchain.payments.tokens_home import follow_refunds
from tests.support.offchain import (
    CHAIN_ID,
    FIFTY,
    TOKEN,
    TREASURY,
    add_attempt,
    add_campaign,
    add_pledge,
    base_units_of_fifty,
    confirm_onchain,
    context,
    forget_onchain,
    make_live,
    seen,
    set_finalized,
    set_request_state,
)

PAYMENT = TokenPayment(CHAIN_ID, TREASURY, TOKEN, base_units_of_fifty())
BRLA = token_currency(CHAIN_ID, TOKEN)
UNITS = base_units_of_fifty()


def stands(engine: Engine) -> tuple[int, int]:
    """Base units in the treasury, and of the platform's wallet."""
    with engine.connect() as connection:
        assert all(total.is_balanced for total in trial_balance(connection))
        found = [
            balance(connection, account.name, BRLA)
            for account in (
                tokens_in_treasury(CHAIN_ID, TREASURY),
                tokens_platform_wallet(CHAIN_ID),
            )
        ]
    return tuple(0 if one is None else one.posted for one in found)  # type: ignore[return-value]


def test_names_of_the_token_side_are_spelled_for_people_and_for_the_database() -> None:
    assert BRLA == "token:celo-local:0x" + "11" * 20
    assert tokens_in_treasury(CHAIN_ID, TREASURY).name == (
        "tokens_in_treasury:celo-local:0x" + "22" * 20
    )
    assert tokens_platform_wallet(CHAIN_ID).name == "tokens_platform_wallet:celo-local"


def pend(engine: Engine, attempt_id: UUID) -> TransferId:
    entry = Entry(
        "capture",
        str(attempt_id),
        debit=gateway_receivable("crowdsplit"),
        credit=owed_to_campaign(attempt_id),
        amount=FIFTY,
    )
    with engine.begin() as connection:
        return post_pending(connection, entry)


def journals(engine: Engine, source: str) -> list[tuple[str, dict[str, str]]]:
    with engine.connect() as connection:
        return [
            (kind, totals)
            for kind, totals in connection.execute(
                select(ledger_journals.c.kind, ledger_journals.c.totals)
                .where(ledger_journals.c.source == source)
                .order_by(ledger_journals.c.number)
            )
        ]


def test_post_final_books_both_sides_in_one_journal_and_once(engine: Engine) -> None:
    attempt_id = uuid.uuid4()
    pending = pend(engine, attempt_id)
    for _ in range(2):
        with engine.begin() as connection:
            post_final(connection, pending, attempt_id, PAYMENT)
    assert stands(engine) == (UNITS, -UNITS)
    assert journals(engine, "capture") == [
        ("pending", {"brl": "5000"}),
        ("post", {"brl": "5000", BRLA: str(UNITS)}),
    ]


def test_post_final_books_the_tokens_by_themselves_when_a_claim_had_the_capture_posted(
    engine: Engine,
) -> None:
    attempt_id = uuid.uuid4()
    pending = pend(engine, attempt_id)
    with engine.begin() as connection:
        post(connection, pending)
    for _ in range(2):
        with engine.begin() as connection:
            post_final(connection, pending, attempt_id, PAYMENT)
    assert stands(engine) == (UNITS, -UNITS)
    assert journals(engine, SETTLED) == [("single", {BRLA: str(UNITS)})]
    for move_id in (1, 2):  # and every time that it becomes final anew
        with engine.begin() as connection:
            assert bring_home(connection, attempt_id, move_id=move_id)
            post_final(connection, pending, attempt_id, PAYMENT)
        assert stands(engine) == (UNITS, -UNITS)


def test_tokens_come_home_once_and_are_put_back_once_when_settlement_says_so(
    engine: Engine,
) -> None:
    attempt_id, other = uuid.uuid4(), uuid.uuid4()
    for one in (attempt_id, other):
        pending = pend(engine, one)
        with engine.begin() as connection:
            post_final(connection, pending, one, PAYMENT)
    with engine.begin() as connection:
        assert not put_back(connection, attempt_id, PAYMENT, move_id=1)
        assert bring_home(connection, attempt_id, move_id=2)
        assert not bring_home(connection, attempt_id, move_id=3)
        assert standing(connection, attempt_id) == ()
        assert [one.units for one in standing(connection, other)] == [UNITS]
    assert stands(engine) == (UNITS, -UNITS)
    with engine.begin() as connection:
        assert put_back(connection, attempt_id, PAYMENT, move_id=4)
    assert stands(engine) == (2 * UNITS, -2 * UNITS)


@pytest.fixture
def settled(engine: Engine, login_engine: Engine) -> UUID:
    """A payment that is final on-chain."""
    campaign_id = add_campaign(engine, onchain=True)
    make_live(login_engine, campaign_id)
    attempt_id = add_attempt(engine, add_pledge(engine, campaign_id))
    with engine.begin() as connection:
        apply(connection, attempt_id, seen(attempt_id), context=context())
    confirm_onchain(login_engine, attempt_id, block=10)
    set_finalized(login_engine, 10)
    set_request_state(login_engine, attempt_id, "settled")
    assert stands(engine) == (0, 0)
    look(engine)
    return attempt_id


def look(engine: Engine) -> None:
    for _ in range(3):  # through the states between
        with engine.begin() as connection:
            feed_back(connection, attempts_on_the_way(connection, after=None, limit=10))


def follow(engine: Engine) -> int:
    with engine.begin() as connection:
        return follow_refunds(connection)


def test_feedback_books_the_exact_tokens_of_a_payment_that_is_final(
    engine: Engine, settled: UUID
) -> None:
    assert stands(engine) == (UNITS, -UNITS)
    assert journals(engine, "capture")[-1] == ("post", {"brl": "5000", BRLA: str(UNITS)})
    assert follow(engine) == 0
    with engine.connect() as connection:
        assert all(finding.ok for finding in check_ledger(connection))
        (home,) = standing(connection, settled)
    assert home.units == UNITS


def test_tokens_are_taken_back_and_booked_anew_when_a_finalized_block_changed(
    engine: Engine, login_engine: Engine, settled: UUID
) -> None:
    """Survives: a payment that was final, and is again, twice."""
    for _ in range(2):
        forget_onchain(login_engine)
        set_request_state(login_engine, settled, "batched")
        for _ in range(2):
            with engine.begin() as connection:
                take_back(connection)
            assert stands(engine) == (0, 0)
        confirm_onchain(login_engine, settled, block=10)
        set_request_state(login_engine, settled, "settled")
        look(engine)
        assert stands(engine) == (UNITS, -UNITS)
    with engine.connect() as connection:
        assert all(finding.ok for finding in check_ledger(connection))


def test_tokens_come_home_when_the_payment_was_refunded_onchain(
    engine: Engine, login_engine: Engine, settled: UUID
) -> None:
    set_request_state(login_engine, settled, "refunded")
    assert [follow(engine), follow(engine)] == [1, 0]
    assert stands(engine) == (0, 0)


def test_tokens_stand_again_when_the_block_of_their_refund_changed(
    engine: Engine, login_engine: Engine, settled: UUID
) -> None:
    """Survives: refunded, not refunded after all, refunded again, each in a finalized block."""
    for _ in range(2):
        set_request_state(login_engine, settled, "refunded")
        assert [follow(engine), follow(engine)] == [1, 0]
        assert stands(engine) == (0, 0)
        set_request_state(login_engine, settled, "settled")
        assert [follow(engine), follow(engine)] == [1, 0]
        assert stands(engine) == (UNITS, -UNITS)


def test_tokens_are_taken_back_once_when_they_had_come_home_before(
    engine: Engine, login_engine: Engine, settled: UUID
) -> None:
    """Survives: the blocks of both the refund and the payment changed."""
    set_request_state(login_engine, settled, "refunded")
    assert follow(engine) == 1
    forget_onchain(login_engine)
    set_request_state(login_engine, settled, "batched")
    with engine.begin() as connection:
        assert take_back(connection) == 1
    assert follow(engine) == 0
    assert stands(engine) == (0, 0)
    confirm_onchain(login_engine, settled, block=10)
    set_request_state(login_engine, settled, "settled")
    look(engine)
    assert stands(engine) == (UNITS, -UNITS)


def test_nothing_comes_home_of_a_payment_that_is_not_final_yet(
    engine: Engine, login_engine: Engine
) -> None:
    campaign_id = add_campaign(engine, onchain=True)
    make_live(login_engine, campaign_id)
    attempt_id = add_attempt(engine, add_pledge(engine, campaign_id))
    with engine.begin() as connection:
        apply(connection, attempt_id, seen(attempt_id), context=context())
    set_request_state(login_engine, attempt_id, "settled")
    set_request_state(login_engine, attempt_id, "refunded")
    assert follow(engine) == 0
    assert stands(engine) == (0, 0)
