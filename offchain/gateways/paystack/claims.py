"""Refunds and disputes of a Paystack transaction: pure.

A refund has no reference of ours, so its merchant note carries our id. Rows name their transaction
by its number or as an object, and are matched again here: a list whose filter was not understood
would otherwise give one payment the refunds of another.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from offchain.gateways.errors import GatewayUnavailable
from offchain.gateways.paystack.wire import NAME, own_uuid, read_minor, word
from offchain.gateways.types import (
    DisputeSeen,
    DisputeState,
    NewRefund,
    RefundSeen,
    RefundState,
)

_NOTE = re.compile(r"lastro-refund:([0-9a-f-]{36})", re.ASCII)
_REFUND_STATES: Final[Mapping[str, RefundState]] = {
    "processed": "succeeded",
    "failed": "failed",
}
"""Every other word means that it is under way.

``needs-attention`` too: it goes on once somebody gives the backer's bank details at Paystack.
"""
_LOST: Final = frozenset({"merchant-accepted", "auto-accepted"})
"""Resolutions by which the backer gets the money, the second when nobody answered in time."""
_WON: Final = "declined"


@dataclass(frozen=True, slots=True)
class Transaction:
    """What the rows of one transaction are known by."""

    number: int
    reference: str
    amount_minor: int


def transaction_of(data: Mapping[str, Any]) -> Transaction:
    """Read what a verified transaction is known by.

    Raises:
        GatewayUnavailable: It lacks its number or amount.
    """
    number, amount = data.get("id"), read_minor(data.get("amount"))
    if not isinstance(number, int) or isinstance(number, bool) or amount is None:
        raise GatewayUnavailable(f"{NAME} shows a transaction without number or amount")
    return Transaction(number, str(data.get("reference")), amount)


def refund_note(refund_id: UUID) -> str:
    """The merchant note by which a refund is found again."""
    return f"lastro-refund:{refund_id}"


def refund_body(new: NewRefund) -> dict[str, Any]:
    """The body of ``POST /refund``."""
    return {
        "transaction": new.provider_payment_id,
        "amount": new.amount.minor,
        "currency": new.amount.currency.upper(),
        "merchant_note": refund_note(new.refund_id),
    }


def read_refunds(
    rows: Iterable[Mapping[str, Any]], transaction: Transaction
) -> tuple[RefundSeen, ...]:
    """Read the refunds of a transaction out of a list.

    Those that Paystack made because a dispute was lost are left out: they are the dispute's money,
    and would be counted twice.
    """
    return tuple(
        read_refund(row)
        for row in rows
        if is_of(row, transaction) and row.get("dispute") in {None, 0, ""}
    )


def read_refund(row: Mapping[str, Any]) -> RefundSeen:
    """Read one refund.

    Raises:
        GatewayUnavailable: It lacks its number or amount.
    """
    note = _NOTE.search(str(row.get("merchant_note") or ""))
    return RefundSeen(
        provider_refund_id=_number(row),
        refund_id=own_uuid(note.group(1)) if note else None,
        state=_REFUND_STATES.get(word(row.get("status")), "pending"),
        minor=_minor(row.get("amount")),
    )


def read_disputes(
    rows: Iterable[Mapping[str, Any]], transaction: Transaction
) -> tuple[DisputeSeen, ...]:
    """Read the disputes of a transaction out of a list.

    Raises:
        GatewayUnavailable: One lacks its number.
    """
    return tuple(
        DisputeSeen(
            provider_dispute_id=_number(row),
            state=_dispute_state(row),
            minor=read_minor(row.get("refund_amount")) or transaction.amount_minor,
        )
        for row in rows
        if is_of(row, transaction)
    )


def unexplained_reversal(
    transaction: Transaction,
    status: str,
    refunds: tuple[RefundSeen, ...],
    disputes: tuple[DisputeSeen, ...],
) -> tuple[RefundSeen, ...]:
    """The refund behind a ``reversed`` transaction of which no refund or lost dispute is listed.

    The money is gone all the same, for instance by a reversal of the bank's own.
    """
    is_explained = any(refund.state != "failed" for refund in refunds) or any(
        dispute.state == "lost" for dispute in disputes
    )
    if status != "reversed" or is_explained:
        return ()
    reversal = f"reversal-{transaction.number}"
    return (RefundSeen(reversal, None, "succeeded", transaction.amount_minor),)


def is_of(row: Mapping[str, Any], transaction: Transaction) -> bool:
    """Whether a refund or dispute is this transaction's."""
    named = row.get("transaction")
    if isinstance(named, Mapping):
        return named.get("id") == transaction.number
    return str(named) in {str(transaction.number), transaction.reference}


def _dispute_state(row: Mapping[str, Any]) -> DisputeState:
    """How a dispute stands; a resolution nobody knows leaves it open for somebody to look."""
    if word(row.get("status")) != "resolved":
        return "open"
    resolution = word(row.get("resolution"))
    if resolution in _LOST:
        return "lost"
    return "won" if resolution == _WON else "open"


def _number(row: Mapping[str, Any]) -> str:
    number = row.get("id")
    if not isinstance(number, int) or isinstance(number, bool):
        raise GatewayUnavailable(f"{NAME} lists something without a number")
    return str(number)


def _minor(value: object) -> int:
    minor = read_minor(value)
    if minor is None:
        raise GatewayUnavailable(f"{NAME} lists a refund without an amount")
    return minor
