"""Which payments may have changed since a moment, by Paystack's own lists.

Paystack filters by when a thing was made, so each walk starts as far back as what was made then may
still change, and keeps what was touched since.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from offchain.gateways.paystack.api import Api
from offchain.gateways.paystack.wire import (
    ABANDONED_AFTER,
    is_reference,
    read_instant,
    word,
    write_instant,
)

CLOCK_SKEW: Final = timedelta(minutes=5)
REFUND_LIFE: Final = timedelta(days=30)
DISPUTE_LIFE: Final = timedelta(days=120)
"""How long after it was made a refund or a dispute may still change."""
_INSTANTS: Final = (
    *("created_at", "createdAt", "paid_at", "paidAt", "updated_at", "updatedAt"),
    *("refunded_at", "resolvedAt"),
)
"""Every name under which some list tells when something happened to a row."""
_SETTLED_REFUND: Final = frozenset({"processed", "failed"})


def changed(api: Api, *, since: datetime, until: datetime) -> Iterator[str]:
    """References of payments made, paid, refunded or disputed in between, perhaps twice."""
    floor = since - CLOCK_SKEW
    known: dict[int, str] = {}
    end = until + CLOCK_SKEW
    for row in _made(api, "/transaction", floor - ABANDONED_AFTER, end):
        reference, number = reference_in(row), row.get("id")
        if reference is not None:
            if isinstance(number, int):
                known[number] = reference
            if touched_since(row, floor):
                yield reference
    for row in _made(api, "/refund", floor - REFUND_LIFE, end):
        if touched_since(row, floor) or is_unsettled(row):
            yield from _refunded(api, row.get("transaction"), known)
    for row in _made(api, "/dispute", floor - DISPUTE_LIFE, end):
        reference = reference_in(row.get("transaction"))
        if reference is not None and touched_since(row, floor):
            yield reference


def _made(api: Api, path: str, since: datetime, until: datetime) -> Iterator[Mapping[str, Any]]:
    return api.rows(path, {"from": write_instant(since), "to": write_instant(until)})


def _refunded(api: Api, transaction: object, known: dict[int, str]) -> Iterator[str]:
    """The reference of a refund's transaction, which the list names by its number only."""
    reference = reference_in(transaction)
    if isinstance(transaction, int):
        if transaction not in known:
            known[transaction] = reference_in(api.find(f"/transaction/{transaction}")) or ""
        reference = known[transaction]
    if reference:
        yield reference


def touched_since(row: Mapping[str, Any], since: datetime) -> bool:
    """Whether anything happened to a row since then; one that tells no time at all may have."""
    told = [read_instant(row.get(name)) for name in _INSTANTS]
    instants = [instant for instant in told if instant is not None]
    return not instants or max(instants) >= since


def is_unsettled(row: Mapping[str, Any]) -> bool:
    """Whether a refund is still under way: its list does not always tell when it moved."""
    return word(row.get("status")) not in _SETTLED_REFUND


def reference_in(transaction: object) -> str | None:
    """The reference of a transaction shown as an object; None when there is none to read."""
    found = transaction.get("reference") if isinstance(transaction, Mapping) else None
    return found if isinstance(found, str) and is_reference(found) else None
