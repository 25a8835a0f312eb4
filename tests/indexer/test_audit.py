"""The index against a real treasury's own getters."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import Engine, Table, delete, insert, select, update

from indexer.audit import AuditReport, audit_treasuries
from indexer.auditor import Finding, Verdict, to_common_unit
from indexer.chain.blocks import Header, Transaction
from indexer.chain.rpc import ChainReader
from indexer.chain.source import Block
from indexer.chain.types import Address, BlockNumber, BlockStamp, TxHash
from indexer.details.calldata import selector
from indexer.details.fill import fill_details
from indexer.errors import ChainContradiction, PermanentError, RpcError
from indexer.projection_tables import payment_lives, treasuries
from indexer.tables import audits, details, logs, marks, payments_created
from tests.support.protocol_logs import PLATFORM
from tests.support.real_facts import CHAIN, NETWORK, index_all
from tests.support.real_treasury import GOAL, TIP, RealTreasury, payment_id, running_treasury

GETTERS = {
    "getRaisedAmount",
    "getAvailableRaisedAmount",
    "getLifetimeRaisedAmount",
    "getRefundedAmount",
    "getExpectedAmount",
}


def onchain_of(report: AuditReport) -> dict[str, int | None]:
    return {one.getter: one.onchain for one in report.findings}


def verdicts_of(report: AuditReport) -> dict[str, Verdict]:
    return {one.getter: one.verdict for one in report.findings}


def rows_of(engine: Engine, table: Table) -> list[dict[str, object]]:
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(table.select())]


@pytest.fixture(scope="module")
def treasury() -> Iterator[RealTreasury]:
    """Payments in every state, one with items that count toward the goal and items that do not."""
    with running_treasury() as made:
        made.create(1, items=((GOAL, 100), (TIP, 50)))
        made.create(2, items=((GOAL, 7),))
        made.create_batch(3, 4, 5, items=[(), ((GOAL, 9),), ()])
        made.settle(6, 7)
        made.confirm(1)
        made.confirm_batch({3: "0x" + "00" * 20, 4: made.account(8)})
        made.refund(6)
        made.send("cancelPayment(bytes32)", payment_id(5))
        made.send("withdraw()")
        made.settle(6)
        made.settle(8)
        made.refund(6)
        yield made


LIFETIME = 1_100 + 1_000 + 1_009 + 2 * 1_000 + 2 * 1_000
REFUNDED = 2 * 1_000
WITHDRAWN = 1_100 + 1_000 + 1_009 + 1_000
EXPECTED = {
    "getRaisedAmount": LIFETIME - REFUNDED,
    "getAvailableRaisedAmount": LIFETIME - REFUNDED - WITHDRAWN,
    "getLifetimeRaisedAmount": LIFETIME,
    "getRefundedAmount": REFUNDED,
    "getExpectedAmount": 1_007,
}


def test_audit_finds_every_figure_equal_when_the_index_is_right(
    treasury: RealTreasury, engine: Engine
) -> None:
    stamp = index_all(engine, treasury.reader)
    fill_details(engine, treasury.reader, CHAIN, 100)
    report = audit_treasuries(engine, treasury.reader, NETWORK)
    assert report.at == stamp
    assert report.mismatches == ()
    assert onchain_of(report) == EXPECTED
    assert report.findings == tuple(
        Finding(treasury.address, one.getter, "equal", one.onchain, one.onchain, None)
        for one in report.findings
    )
    written = rows_of(engine, audits)
    assert {row["getter"] for row in written} == GETTERS
    assert {row["verdict"] for row in written} == {"equal"}
    assert {row["block_number"] for row in written} == {stamp.number}


@pytest.mark.parametrize(
    ("payment", "wrong", "named"),
    [
        (7, {"amount": 999}, {"Raised", "AvailableRaised", "LifetimeRaised"}),
        (2, {"amount": 999}, {"Expected"}),
        (1, {"confirmed_block": None}, {"Raised", "AvailableRaised", "LifetimeRaised", "Expected"}),
        (6, {"outcome": "cancelled"}, {"Raised", "AvailableRaised", "Refunded"}),
    ],
    ids=("amount of a confirmed", "amount of an expected", "confirmation lost", "refund misread"),
)
def test_audit_names_the_figures_when_a_row_is_wrong(
    treasury: RealTreasury,
    engine: Engine,
    payment: int,
    wrong: dict[str, object],
    named: set[str],
) -> None:
    index_all(engine, treasury.reader)
    fill_details(engine, treasury.reader, CHAIN, 100)
    with engine.begin() as connection:
        life = payment_lives.c.payment_id == payment_id(payment)
        connection.execute(update(payment_lives).where(life).values(wrong))
    report = audit_treasuries(engine, treasury.reader, NETWORK)
    assert {one.getter for one in report.mismatches} == {f"get{one}Amount" for one in named}
    assert all(one.treasury == treasury.address for one in report.mismatches)
    assert all(one.indexed != one.onchain for one in report.mismatches)
    assert {row["getter"] for row in rows_of(engine, audits) if row["verdict"] == "different"} == {
        one.getter for one in report.mismatches
    }


def test_audit_names_the_available_amount_when_a_withdrawal_is_lost(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    fill_details(engine, treasury.reader, CHAIN, 100)
    with engine.begin() as connection:
        connection.execute(delete(logs).where(logs.c.event == "WithdrawalWithFeeSuccessful"))
    report = audit_treasuries(engine, treasury.reader, NETWORK)
    assert [one.getter for one in report.mismatches] == ["getAvailableRaisedAmount"]


def test_audit_is_not_comparable_where_line_items_are_not_known(
    treasury: RealTreasury, engine: Engine
) -> None:
    """As with treasuries of Oak, which log no sums: unknown is neither right nor wrong."""
    index_all(engine, treasury.reader)
    recorded = logs.c.event == "PaymentExtrasRecorded"
    with engine.begin() as connection:
        connection.execute(delete(logs).where(recorded))
    report = audit_treasuries(engine, treasury.reader, NETWORK)
    assert verdicts_of(report) == {
        "getRaisedAmount": "not_comparable",
        "getAvailableRaisedAmount": "not_comparable",
        "getLifetimeRaisedAmount": "not_comparable",
        "getExpectedAmount": "not_comparable",
        "getRefundedAmount": "equal",  # both refunded payments were settled: without items
    }
    (reason,) = {one.reason for one in report.findings if one.verdict == "not_comparable"}
    assert reason == "line items of a payment have not been looked up yet"
    assert onchain_of(report) == EXPECTED

    # With the items looked up, their types say what counts.
    fill_details(engine, treasury.reader, CHAIN, 100)
    assert verdicts_of(audit_treasuries(engine, treasury.reader, NETWORK)) == dict.fromkeys(
        GETTERS, "equal"
    )

    with engine.begin() as connection:
        connection.execute(delete(logs).where(logs.c.event == "PlatformLineItemTypeSet"))
    report = audit_treasuries(engine, treasury.reader, NETWORK)
    assert verdicts_of(report)["getRaisedAmount"] == "not_comparable"

    with engine.begin() as connection:
        connection.execute(
            update(details).values(source="unavailable", arguments={"reason": "pruned"})
        )
    report = audit_treasuries(engine, treasury.reader, NETWORK)
    assert {one.reason for one in report.findings if one.reason} == {
        "line items of a payment are unavailable: pruned"
    }


def test_audit_is_not_comparable_when_events_name_no_token(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    with engine.begin() as connection:
        connection.execute(update(payment_lives).values(abi_version=2))
    report = audit_treasuries(engine, treasury.reader, NETWORK)
    assert verdicts_of(report) == dict.fromkeys(GETTERS, "not_comparable")
    assert report.mismatches == ()


def test_audit_is_not_comparable_when_the_contract_is_no_payment_treasury(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    with engine.begin() as connection:
        row = connection.execute(select(treasuries)).one()
        other = dict(row._mapping) | {"treasury": treasury.token, "platform_hash": PLATFORM[::-1]}
        connection.execute(insert(treasuries), other)
    report = audit_treasuries(engine, treasury.reader, NETWORK)
    found = {one.verdict for one in report.findings if one.treasury == treasury.token}
    assert found == {"not_comparable"}


def test_audit_counts_up_to_its_block_only(treasury: RealTreasury, engine: Engine) -> None:
    index_all(engine, treasury.reader)
    fill_details(engine, treasury.reader, CHAIN, 100)
    with engine.connect() as connection:
        created = select(payments_created.c.block_number).where(
            payments_created.c.payment_id == payment_id(7)
        )
        number = BlockNumber(connection.execute(created).scalar_one())
    (header,) = treasury.reader.headers([number])
    report = audit_treasuries(engine, treasury.reader, NETWORK, at=header.stamp)
    assert verdicts_of(report) == dict.fromkeys(GETTERS, "equal")
    assert onchain_of(report) == {
        "getRaisedAmount": 2_000,
        "getAvailableRaisedAmount": 2_000,
        "getLifetimeRaisedAmount": 2_000,
        "getRefundedAmount": 0,
        "getExpectedAmount": 1_100 + 1_007 + 1_000 + 1_009 + 1_000,
    }


def test_audit_refuses_when_the_block_is_not_final_or_the_node_has_another(
    treasury: RealTreasury, engine: Engine
) -> None:
    with pytest.raises(PermanentError, match="nothing of chain"):
        audit_treasuries(engine, treasury.reader, NETWORK)
    stamp = index_all(engine, treasury.reader)
    later = replace(stamp, number=BlockNumber(stamp.number + 1))
    with pytest.raises(PermanentError, match="not final"):
        audit_treasuries(engine, treasury.reader, NETWORK, at=later)
    other = BlockStamp(stamp.number, type(stamp.hash)(b"\1" * 32), stamp.timestamp)
    with pytest.raises(ChainContradiction):
        audit_treasuries(engine, treasury.reader, NETWORK, at=other)
    with engine.begin() as connection:
        connection.execute(update(marks).values(finalized_number=None))
    with pytest.raises(PermanentError):
        audit_treasuries(engine, treasury.reader, NETWORK)
    assert rows_of(engine, audits) == []


def test_audit_tells_a_sweep_from_a_refund(engine: Engine) -> None:
    """``ExpiredFundsClaimed`` says what left, pots included; the index says what was available."""
    with running_treasury() as made:
        made.create(1, items=((GOAL, 100), (TIP, 50)))
        made.create(2)
        made.confirm(1)
        made.settle(3, 4)
        made.refund(4)
        made.pass_days(40)
        made.send("claimExpiredFunds()")
        index_all(engine, made.reader)
        fill_details(engine, made.reader, CHAIN, 100)
        report = audit_treasuries(engine, made.reader, NETWORK)
        assert verdicts_of(report) == dict.fromkeys(GETTERS, "equal")
        assert onchain_of(report) == {
            "getRaisedAmount": 0,
            "getAvailableRaisedAmount": 0,
            "getLifetimeRaisedAmount": 1_100 + 2_000,
            "getRefundedAmount": 1_000,
            "getExpectedAmount": 1_000,
        }
        with engine.begin() as connection:
            connection.execute(delete(logs).where(logs.c.event == "PaymentExtrasRecorded"))
            connection.execute(details.delete())
        report = audit_treasuries(engine, made.reader, NETWORK)
        assert verdicts_of(report) == {
            "getRaisedAmount": "not_comparable",
            "getAvailableRaisedAmount": "not_comparable",
            "getLifetimeRaisedAmount": "not_comparable",
            "getExpectedAmount": "not_comparable",
            "getRefundedAmount": "equal",
        }


@dataclass(frozen=True, slots=True)
class OakLike:
    """A treasury that has no escrow, and whose refunds are lifetime minus confirmed."""

    reader: ChainReader
    refunded: int

    def block_by_number(self, block: Block) -> Header | None:
        return self.reader.block_by_number(block)

    def transaction_by_hash(self, tx_hash: TxHash) -> Transaction | None:
        return self.reader.transaction_by_hash(tx_hash)

    def call(self, to: Address, data: bytes, block: Block = "latest") -> bytes:
        if data == selector("getRefundEscrow()"):
            raise RpcError(3, "execution reverted", b"")
        if data == selector("getRefundedAmount()"):
            return self.refunded.to_bytes(32, "big")
        return self.reader.call(to, data, block)


@pytest.mark.parametrize(("refunded", "verdict"), [(2_000, "equal"), (1_000, "different")])
def test_audit_expects_a_sweep_among_the_refunds_of_oaks_treasuries(
    engine: Engine, refunded: int, verdict: Verdict
) -> None:
    with running_treasury() as made:
        made.settle(1, 2)
        made.refund(1)
        made.pass_days(40)
        made.send("claimExpiredFunds()")
        index_all(engine, made.reader)
        report = audit_treasuries(engine, OakLike(made.reader, refunded), NETWORK)
    assert verdicts_of(report) == dict.fromkeys(GETTERS, "equal") | {"getRefundedAmount": verdict}


@pytest.mark.parametrize(
    ("base_units", "decimals", "common"),
    [(5, 18, 5), (5, 6, 5 * 10**12), (0, 0, 0), (1_999, 21, 1), (10**30 + 999, 21, 10**27)],
)
def test_amounts_are_normalised_as_the_contract_does(
    base_units: int, decimals: int, common: int
) -> None:
    assert to_common_unit(base_units, decimals) == common
