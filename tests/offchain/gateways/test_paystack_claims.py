import uuid
from typing import Any

import pytest

from offchain.gateways.errors import GatewayUnavailable
from offchain.gateways.paystack.claims import (
    Transaction,
    read_disputes,
    read_refund,
    read_refunds,
    refund_note,
    unexplained_reversal,
)
from offchain.gateways.types import DisputeSeen, RefundSeen

ATTEMPT = uuid.UUID("5d0c2b7e-1c3f-4b64-8a0e-6a7b1f2c9d10")
TRANSACTION = Transaction(number=77, reference=str(ATTEMPT), amount_minor=500_000)


def refund_row(**fields: Any) -> dict[str, Any]:
    return {"id": 1, "transaction": 77, "amount": 100, "status": "pending", **fields}


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending", "pending"),
        ("processing", "pending"),
        ("processed", "succeeded"),
        ("failed", "failed"),
        ("needs-attention", "pending"),
        ("surprising", "pending"),
    ],
)
def test_read_refund_translates_when_the_status_is(status: str, state: str) -> None:
    assert read_refund(refund_row(status=status)).state == state


@pytest.mark.parametrize(
    ("note", "refund_id"),
    [
        (refund_note(ATTEMPT), ATTEMPT),
        (f"checked by Ada; {refund_note(ATTEMPT)}", ATTEMPT),
        ("Refund for transaction T1 by ada@merchant.example", None),
        ("lastro-refund:" + "-" * 36, None),
        (None, None),
    ],
)
def test_read_refund_finds_our_name_when_the_note_is(
    note: str | None, refund_id: uuid.UUID | None
) -> None:
    assert read_refund(refund_row(merchant_note=note)).refund_id == refund_id


@pytest.mark.parametrize("fields", [{"id": None}, {"id": "1"}, {"id": True}, {"amount": None}])
def test_read_refund_believes_nothing_when_it_lacks(fields: dict[str, Any]) -> None:
    with pytest.raises(GatewayUnavailable):
        read_refund(refund_row(**fields))


def test_read_refunds_leaves_out_what_is_another_payments_or_a_disputes() -> None:
    rows = [
        refund_row(id=1),
        refund_row(id=2, transaction=78),
        refund_row(id=3, transaction={"id": 77}),
        refund_row(id=4, transaction={"id": 78}),
        refund_row(id=5, transaction=str(ATTEMPT)),
        refund_row(id=6, dispute=358_949),
        refund_row(id=7, transaction=None),
    ]
    found = [refund.provider_refund_id for refund in read_refunds(rows, TRANSACTION)]
    assert found == ["1", "3", "5"]


@pytest.mark.parametrize(
    ("status", "resolution", "state"),
    [
        ("awaiting-merchant-feedback", None, "open"),
        ("awaiting-bank-feedback", None, "open"),
        ("pending", "declined", "open"),
        ("resolved", "merchant-accepted", "lost"),
        ("resolved", "auto-accepted", "lost"),
        ("resolved", "declined", "won"),
        ("resolved", "surprising", "open"),
    ],
)
def test_read_disputes_translates_when_the_dispute_is(
    status: str, resolution: str | None, state: str
) -> None:
    row = {"id": 9, "transaction": {"id": 77}, "status": status, "resolution": resolution}
    (dispute,) = read_disputes([row], TRANSACTION)
    assert dispute == DisputeSeen("9", state, 500_000)  # type: ignore[arg-type] # a state


def test_read_disputes_tells_how_much_is_disputed() -> None:
    row = {"id": 9, "transaction": {"id": 77}, "status": "pending", "refund_amount": 5800}
    assert [dispute.minor for dispute in read_disputes([row], TRANSACTION)] == [5800]


def test_unexplained_reversal_is_a_refund_of_all_when_nothing_else_is_listed() -> None:
    failed = (RefundSeen("1", None, "failed", 500_000),)
    won = (DisputeSeen("2", "won", 500_000),)
    expected = (RefundSeen("reversal-77", None, "succeeded", 500_000),)
    assert unexplained_reversal(TRANSACTION, "reversed", failed, won) == expected


@pytest.mark.parametrize(
    ("status", "refunds", "disputes"),
    [
        ("success", (), ()),
        ("reversed", (RefundSeen("1", None, "succeeded", 500_000),), ()),
        ("reversed", (RefundSeen("1", None, "pending", 500_000),), ()),
        ("reversed", (), (DisputeSeen("2", "lost", 500_000),)),
    ],
)
def test_unexplained_reversal_is_nothing_when(
    status: str, refunds: tuple[RefundSeen, ...], disputes: tuple[DisputeSeen, ...]
) -> None:
    assert unexplained_reversal(TRANSACTION, status, refunds, disputes) == ()
