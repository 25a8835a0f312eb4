"""Which payments may have changed: by the gateway's own lists, not by what reached us."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from offchain.gateways.crowdsplit.api import Api
from offchain.gateways.crowdsplit.notifications import undelivered
from offchain.gateways.crowdsplit.wire import instant, path_id, wire_time
from offchain.gateways.reading import mapping, word

CLOCK_SKEW: Final = timedelta(minutes=5)
LIST_PAGES_MAX: Final = 1000
CREATED_WITHIN: Final = timedelta(minutes=15)
"""So soon after it was named almost every payment is created."""


def changed_payments(api: Api, *, since: datetime, until: datetime) -> Iterator[str]:
    """Bare ids of payments, in no order, perhaps twice.

    The second generation lists by creation only: what changes in an older payment shows there as a
    new refund, as a dispute, or in a notification that was not delivered.
    """
    start = since - CLOCK_SKEW
    changed = _changed(api, start, until + CLOCK_SKEW)
    rows = api.rows("/transactions", "transaction_list", changed, pages_max=LIST_PAGES_MAX)
    for row in rows:
        yield from _bare(_payment_of(row))
    for notification in undelivered(api, since=start):
        yield from _bare(notification.provider_payment_id)
    # By creation, a dispute decided just now would be missed: the second generation shows all.
    bounds = changed if api.dialect == "gen3" else None
    for row in api.rows("/disputes", "dispute_list", bounds):
        updated = instant(row.get("updated_at"))
        if updated is None or updated >= start:
            yield from _bare(mapping(row.get("payment")).get("id"))


def payments_since(api: Api, since: datetime) -> Iterator[Mapping[str, Any]]:
    """Payments created since then, the likely ones first.

    Those created soon after come before all later ones, so that one of long ago is found without
    paging through everything since. The later ones follow all the same: an interrupted request may
    be repeated after hours, and only a look through them rules a payment out.
    """
    soon = since + CREATED_WITHIN
    for bounds in (created(api, since - CLOCK_SKEW, soon), created(api, soon)):
        query = {"type_list": "payment", **bounds}
        yield from api.rows("/transactions", "transaction_list", query, pages_max=LIST_PAGES_MAX)


def created(api: Api, start: datetime, end: datetime | None = None) -> dict[str, str]:
    """The filter for what was created from ``start``, and until ``end`` where there is one."""
    return _bounds(api, "created_at", start, end)


def _changed(api: Api, start: datetime, end: datetime) -> dict[str, str]:
    return _bounds(api, "updated_at", start, end)


def _bounds(api: Api, name: str, start: datetime, end: datetime | None) -> dict[str, str]:
    """The second generation knows no other moment than a payment's creation."""
    is_gen3 = api.dialect == "gen3"
    bounds = {f"{name}[gte]" if is_gen3 else "date_from": wire_time(start)}
    if end is not None:
        bounds[f"{name}[lte]" if is_gen3 else "date_to"] = wire_time(end)
    return bounds


def _payment_of(row: Mapping[str, Any]) -> object:
    """The payment that a transaction is, or is a refund of."""
    kind = word(row.get("type"))
    if kind == "refund":
        return row.get("reference_transaction_id")
    return row.get("id") if kind in {"", "payment"} else None


def _bare(identifier: object) -> Iterator[str]:
    found = path_id(identifier) if isinstance(identifier, str) else None
    if found is not None:
        yield found
