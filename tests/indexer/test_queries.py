from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, Engine, select, text

from indexer.chain.types import BlockNumber, PaymentId, TxHash, to_hex
from indexer.events import PAYMENT_CREATED, PROTOCOL_EVENTS, TRANSFER
from indexer.projections.project import project
from indexer.queries import TransactionEvent, events_of_transaction
from indexer.views import (
    events_finalized,
    events_latest,
    fees_disbursed,
    refund_deposits,
    refunds,
    refunds_paid_back,
    surplus_sweeps,
    views,
    withdrawals,
)
from tests.support.facts import (
    BUYER,
    CHAIN,
    PAYMENT,
    TOKEN,
    TREASURY,
    FactRow,
    add,
    add_blocks,
    add_marks,
    address,
    cancelled,
    confirmed,
    created,
    hash_of,
    logged,
    paid,
    refunded,
    transferred,
    unclaimed,
)

ESCROW = address("escrow")


@pytest.fixture
def connection(engine_as: Callable[[str], Engine]) -> Iterator[Connection]:
    with engine_as("chain").connect() as opened:
        yield opened
        opened.rollback()


def index(connection: Connection, *rows: FactRow, finalized: int = 2) -> None:
    add_blocks(connection, 1, 4)
    add_marks(connection, indexed=4, finalized=finalized)
    add(connection, *rows)
    project(connection, CHAIN, BlockNumber(1), BlockNumber(4))


def events_of(connection: Connection, tx: str) -> list[TransactionEvent]:
    return events_of_transaction(connection, chain_ids=[CHAIN], tx_hash=TxHash(hash_of(tx)))


def test_views_have_the_columns_that_readers_name(connection: Connection) -> None:
    for view in views.sorted_tables:
        described = connection.execute(text(f"SELECT * FROM chain.{view.name} LIMIT 0"))  # noqa: S608 - our own names
        assert list(described.keys()) == [column.name for column in view.columns], view.name
        connection.execute(select(view)).all()


def test_views_are_readable_by_every_reader(engine_as: Callable[[str], Engine]) -> None:
    for owner in ("settlement", "offchain", "api"):
        with engine_as(owner).connect() as connection:
            for view in views.sorted_tables:
                connection.execute(select(view)).all()


def test_events_latest_tells_each_log_once_as_its_abi_names_it(connection: Connection) -> None:
    ids = [hash_of("first"), hash_of("second")]
    batch = [
        confirmed(2, 0, PaymentId(one), ordinal=ordinal, event="PaymentBatchConfirmed")
        for ordinal, one in enumerate(ids)
    ]
    index(
        connection,
        created(1, 0, amount=2**255, expiration=9),
        confirmed(1, 1),
        *paid(1, 2),
        *batch,
        transferred(3, 0, amount=7),
        cancelled(3, 1),
    )
    found = connection.execute(
        select(events_latest).order_by(events_latest.c.block_number, events_latest.c.log_index)
    ).all()
    assert [(one.block_number, one.log_index, one.event, one.is_final) for one in found] == [
        (1, 0, "PaymentCreated", True),
        (1, 1, "PaymentConfirmed", True),
        (1, 2, "PaymentCreated", True),
        (2, 0, "PaymentBatchConfirmed", True),
        (3, 0, "Transfer", False),
        (3, 1, "PaymentCancelled", False),
    ]
    assert all(one.claimed for one in found)
    assert found[0].arguments == {
        "buyerAddress": to_hex(bytes(20)),
        "paymentId": to_hex(PAYMENT),
        "buyerId": to_hex(hash_of("buyer id")),
        "itemId": to_hex(hash_of("item")),
        "paymentToken": to_hex(TOKEN),
        "amount": str(2**255),
        "expiration": "9",
        "isCryptoPayment": False,
    }
    assert set(found[0].arguments) == {one.name for one in PAYMENT_CREATED.arguments}
    assert found[1].arguments == {"paymentId": to_hex(PAYMENT)}
    # The event names what the buyer paid under, not the key.
    assert found[2].arguments["paymentId"] == to_hex(PAYMENT)
    assert found[2].arguments["isCryptoPayment"] is True
    assert found[3].arguments == {"paymentIds": [to_hex(one) for one in ids]}
    assert found[4].arguments == {"from": to_hex(BUYER), "to": to_hex(TREASURY), "value": "7"}
    assert found[4].address == TOKEN
    assert set(found[4].arguments) == {one.name for one in TRANSFER.arguments}
    assert found[5].arguments == {"paymentId": to_hex(PAYMENT)}
    final = connection.execute(select(events_finalized.c.block_number)).scalars()
    assert set(final) == {1, 2}


def test_events_of_transaction_tells_its_logs_in_order_with_their_block(
    connection: Connection,
) -> None:
    index(connection, confirmed(1, 1), created(1, 0), created(1, 4, PaymentId(hash_of("x"))))
    found = events_of(connection, "tx 1 0")
    assert [(one.log_index, one.event) for one in found] == [
        (0, "PaymentCreated"),
        (1, "PaymentConfirmed"),
    ]
    assert all(one.proven and one.claimed for one in found)
    assert events_of(connection, "unknown") == []


def test_events_of_transaction_names_what_nobody_vouches_for_by_its_topic(
    connection: Connection,
) -> None:
    said = next(one for one in PROTOCOL_EVENTS if one.name == "PaymentCancelled")
    index(
        connection,
        unclaimed(1, 0, said.topic0 + PAYMENT),
        unclaimed(1, 1, said.topic0, b"\1"),
        unclaimed(1, 2, hash_of("once ours")),
    )
    decoded, rubbish, forgotten = events_of(connection, "tx 1 0")
    assert (decoded.event, decoded.claimed) == ("PaymentCancelled", False)
    assert decoded.arguments == {"paymentId": to_hex(PAYMENT)}
    assert rubbish.event == "PaymentCancelled"
    assert rubbish.arguments["data"] == "0x01"
    assert rubbish.arguments["topics"] == [to_hex(said.topic0)]
    assert forgotten.arguments == {"topics": [to_hex(hash_of("once ours"))], "data": "0x"}


def test_log_that_was_claimed_is_told_by_its_fact_alone(connection: Connection) -> None:
    index(connection, created(1, 0), unclaimed(1, 0, PAYMENT_CREATED.topic0))
    connection.execute(text("UPDATE chain.unclaimed_logs SET claimed_block = 2"))
    assert [one.claimed for one in events_of(connection, "tx 1 0")] == [True]


def test_refund_is_told_by_the_payment_it_ends(connection: Connection) -> None:
    index(connection, *paid(1, 0), refunded(3, 0, amount=60))
    row = connection.execute(select(refunds)).one()
    key = paid(1, 0)[0][1]["payment_id"]
    assert (row.payment_id, row.amount, row.claimer, row.token) == (key, 60, BUYER, TOKEN)
    assert row.is_final is False


def test_rare_events_are_told_as_columns(connection: Connection) -> None:
    to = address("owner")
    index(
        connection,
        logged(1, 0, "WithdrawalSuccessful", TREASURY, token=TOKEN, to=to, amount=5),
        logged(1, 1, "WithdrawalWithFeeSuccessful", TREASURY, token=TOKEN, to=to, amount=5, fee=2),
        logged(1, 2, "FeesDisbursed", TREASURY, token=TOKEN, protocolShare=1, platformShare=2),
        logged(1, 3, "SurplusSwept", TREASURY, token=TOKEN, to=to, amount=3),
        logged(
            1,
            4,
            "RefundDeposited",
            ESCROW,
            treasury=TREASURY,
            paymentId=PAYMENT,
            token=TOKEN,
            amount=8,
        ),
        logged(
            1,
            5,
            "RefundPaidBack",
            ESCROW,
            treasury=TREASURY,
            paymentId=PAYMENT,
            token=TOKEN,
            amount=8,
            fiatRefundReference=hash_of("reference"),
        ),
    )
    taken = connection.execute(select(withdrawals).order_by(withdrawals.c.log_index)).all()
    assert [(one.treasury, one.recipient, one.amount, one.fee) for one in taken] == [
        (TREASURY, to, 5, None),
        (TREASURY, to, 5, 2),
    ]
    fees = connection.execute(select(fees_disbursed)).one()
    assert (fees.token, fees.protocol_share, fees.platform_share) == (TOKEN, 1, 2)
    swept = connection.execute(select(surplus_sweeps)).one()
    assert (swept.treasury, swept.recipient, swept.amount, swept.is_final) == (
        TREASURY,
        to,
        3,
        True,
    )
    deposit = connection.execute(select(refund_deposits)).one()
    assert (deposit.escrow, deposit.treasury, deposit.amount) == (ESCROW, TREASURY, 8)
    back = connection.execute(select(refunds_paid_back)).one()
    assert back.fiat_refund_reference == hash_of("reference")
