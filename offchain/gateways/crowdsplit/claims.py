"""Refunds and disputes of a payment, as CrowdSplit shows them.

A payment only names them (third generation) or does not (second), so each is looked up. What is
named but cannot be read makes the whole reading unusable: half of the claims is no answer.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from offchain.gateways.crowdsplit.api import Api
from offchain.gateways.crowdsplit.changes import LIST_PAGES_MAX, created
from offchain.gateways.crowdsplit.token import NAME
from offchain.gateways.crowdsplit.wire import MONEY_IN, TAKEN_BACK, bare_id, instant, path_id
from offchain.gateways.errors import GatewayUnavailable
from offchain.gateways.reading import integer, mapping, own_uuid, word
from offchain.gateways.types import (
    DisputeSeen,
    DisputeState,
    NewRefund,
    Observation,
    RefundSeen,
    RefundState,
)

METADATA_REFUND: Final = "lastro_refund_id"
_REFUND_STATES: dict[str, RefundState] = {
    "succeeded": "succeeded",
    "captured": "succeeded",
    "failed": "failed",
    "canceled": "failed",
    "cancelled": "failed",
    TAKEN_BACK: "failed",
}
"""Every other status is on its way."""
_DISPUTE_STATES: dict[str, DisputeState] = {
    "won": "won",
    "warning_closed": "won",
    "funds_reinstated": "won",
    "lost": "lost",
    "accepted": "lost",
}
"""Every other status is undecided, ``closed`` too: it does not say for whom."""


def refund_body(new: NewRefund) -> dict[str, Any]:
    """The body of ``POST /payments/{id}/refund``."""
    return {"amount": new.amount.minor, "metadata": {METADATA_REFUND: str(new.refund_id)}}


def read_refund(
    data: Mapping[str, Any], *, refund_id: UUID | None = None, minor: int | None = None
) -> RefundSeen | None:
    """Read a refund; None when it is none.

    Args:
        data: The gateway's refund.
        refund_id: Our name of it where its answer does not echo it.
        minor: Its amount where its answer does not say.
    """
    identifier = data.get("id")
    shown = data.get("amount", mapping(data.get("source")).get("amount"))
    amount = integer(shown) if shown is not None else minor
    if not isinstance(identifier, str) or amount is None:
        return None
    echoed = own_uuid(mapping(data.get("metadata")).get(METADATA_REFUND))
    state = _REFUND_STATES.get(word(data.get("status")), "pending")
    return RefundSeen(bare_id(identifier), echoed or refund_id, state, amount)


def refunds_of(api: Api, data: Mapping[str, Any], seen: Observation) -> tuple[RefundSeen, ...]:
    """Every refund of a payment.

    Raises:
        GatewayUnavailable: One of them cannot be read.
    """
    refunds = tuple(_refunds(api, data))
    whole = seen.received_minor or seen.amount_minor or 0
    rest = whole - sum(refund.minor for refund in refunds if refund.state == "succeeded")
    if word(data.get("status")) == TAKEN_BACK and rest > 0:
        # Given back as a whole, without a refund of its own; named after the payment.
        refunds += (RefundSeen(f"whole:{seen.provider_payment_id}", None, "succeeded", rest),)
    return refunds


def _refunds(api: Api, data: Mapping[str, Any]) -> Iterator[RefundSeen]:
    named = data.get("refund_ids")
    rows: Iterator[Mapping[str, Any]] = iter(())
    if isinstance(named, list):
        rows = (_read_row(api, identifier) for identifier in named)
    elif word(data.get("status")) in MONEY_IN:
        rows = (row for row in _refund_list(api, data) if _is_of(row, data))
    for row in rows:
        refund = read_refund(row)
        if refund is None:
            raise GatewayUnavailable(f"{NAME} shows a refund without an amount")
        yield refund


def _read_row(api: Api, identifier: object) -> Mapping[str, Any]:
    found = path_id(identifier) if isinstance(identifier, str) else None
    row = api.read(f"/transactions/{found}") if found is not None else None
    if row is None:
        raise GatewayUnavailable(f"{NAME} names a refund that it does not show yet")
    return row


def _refund_list(api: Api, data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    query = {"type_list": "refund", **_since_payment(api, data)}
    return api.rows("/transactions", "transaction_list", query, pages_max=LIST_PAGES_MAX)


def _since_payment(api: Api, data: Mapping[str, Any]) -> dict[str, str]:
    """The filter for what can be of this payment: by the gateway's clock, nothing is older."""
    at = instant(data.get("created_at"))
    return {} if at is None else created(api, at)


def _is_of(row: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    reference, identifier = row.get("reference_transaction_id"), data.get("id")
    return (
        isinstance(reference, str)
        and isinstance(identifier, str)
        and bare_id(reference) == bare_id(identifier)
    )


def disputes_of(api: Api, data: Mapping[str, Any], seen: Observation) -> tuple[DisputeSeen, ...]:
    """Every dispute of a payment; the gateway does not say over how much, so over all of it."""
    named = data.get("dispute_ids")
    if named == [] or (named is None and word(data.get("status")) not in MONEY_IN):
        return ()
    whole = seen.received_minor or seen.amount_minor or 0
    since = _since_payment(api, data)
    found = {
        dispute.provider_dispute_id: dispute
        for row in api.rows("/disputes", "dispute_list", since, pages_max=LIST_PAGES_MAX)
        if bare_id(str(mapping(row.get("payment")).get("id"))) == seen.provider_payment_id
        for dispute in [_read_dispute(row, whole)]
    }
    for identifier in named if isinstance(named, list) else ():
        bare = bare_id(str(identifier))
        found.setdefault(bare, DisputeSeen(bare, "open", whole))
    return tuple(found.values())


def _read_dispute(row: Mapping[str, Any], whole: int) -> DisputeSeen:
    state = _DISPUTE_STATES.get(word(row.get("status")), "open")
    minor = integer(row.get("amount"))
    return DisputeSeen(bare_id(str(row.get("id"))), state, whole if minor is None else minor)
