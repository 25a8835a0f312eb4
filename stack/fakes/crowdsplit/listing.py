"""Lists of the fake gateway: the documented filters, and pages by offset or by cursor."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse

from stack.fakes.crowdsplit.books import Books
from stack.fakes.crowdsplit.records import PROVIDER, Payment, Refund, Transaction
from stack.fakes.crowdsplit.words import Json, bare, instant_of, invalid

PAGE_DEFAULT, PAGE_MAX = 10, 100
Query = Mapping[str, str]
R = TypeVar("R")


def answer_page(
    request: Request, books: Books, name: str, shown: Sequence[Json], *, is_bare: bool = False
) -> JSONResponse:
    """One page of rows that are shown newest first.

    Args:
        request: Its query says which page.
        books: For the generation that is spoken.
        name: The member that holds the rows.
        shown: Every row that matches.
        is_bare: Whether the second generation answers the rows without an envelope.
    """
    query = request.query_params
    asked, skipped = _number(query, "limit", PAGE_DEFAULT), _number(query, "offset", 0)
    limit, offset = max(1, min(asked, PAGE_MAX)), max(0, skipped)
    is_gen3 = books.dialect == "gen3"
    rows = _after_cursor(query, shown) if is_gen3 else list(shown)
    page = rows[offset : offset + limit]
    data: Any = {"count": len(shown), name: page}
    if is_gen3:
        data["has_more"] = offset + limit < len(rows)
        if any(key.startswith("updated_at[") for key in query):
            del data["count"]
    elif is_bare:
        data = page
    headers = {
        "X-Limit-Requested": str(asked),
        "X-Limit-Applied": str(limit),
        "X-Offset-Requested": str(skipped),
        "X-Offset-Applied": str(offset),
    }
    return JSONResponse({"msg": "success", "data": data}, headers=headers)


def _number(query: Query, name: str, default: int) -> int:
    try:
        return int(query.get(name, default))
    except ValueError:
        raise invalid("limit and offset must be integers") from None


def _after_cursor(query: Query, shown: Sequence[Json]) -> list[Json]:
    after, before = query.get("starting_after"), query.get("ending_before")
    if after is None and before is None:
        return list(shown)
    if after is not None and before is not None:
        raise invalid("give one cursor", reason="invalid_cursor")
    cursor = after if after is not None else before
    at = next((n for n, row in enumerate(shown) if row.get("id") == cursor), None)
    if at is None:
        raise invalid("the cursor is not in this list", reason="invalid_cursor")
    return list(shown[at + 1 :]) if after is not None else list(shown[:at])


def transactions(books: Books, query: Query) -> list[Transaction]:
    """Payments, refunds and transfers that match the documented filters, newest first."""
    with books.lock:
        rows = list(reversed(books.transactions.values()))
    return matching(books, query, [row for row in rows if _matches(row, query)])


def matching(books: Books, query: Query, rows: list[R]) -> list[R]:
    """The rows whose times lie where the query says; the second generation knows days only."""
    bounds = [
        ("created_at", "gte", query.get("date_from") or query.get("dateFrom")),
        ("created_at", "lte", query.get("date_to") or query.get("dateTo")),
    ]
    if books.dialect == "gen3":
        names, signs = ("created_at", "updated_at"), ("gte", "lte")
        bounds += [(n, s, query.get(f"{n}[{s}]")) for n in names for s in signs]
    for name, sign, text in bounds:
        if text is not None:
            rows = [row for row in rows if _lies(getattr(row, name), sign, instant_of(text))]
    return rows


def _lies(moment: datetime, sign: str, bound: datetime) -> bool:
    return moment >= bound if sign == "gte" else moment <= bound


def _matches(row: Transaction, query: Query) -> bool:
    """Whether a transaction fits every filter that stands in the query."""
    return all(fits(row, query[name]) for name, fits in _FILTERS.items() if query.get(name))


def _words(text: str) -> set[str]:
    return {word for word in text.lower().split(",") if word}


def _kind(row: Transaction) -> str:
    if isinstance(row, Payment):
        return "payment"
    return "refund" if isinstance(row, Refund) else "transfer"


def _customer(row: Transaction) -> str | None:
    payment = row.payment if isinstance(row, Refund) else row
    customer = payment.source.get("customer") or {}
    return bare(str(customer["id"]), "cus") if "id" in customer else None


def _method(row: Transaction) -> str | None:
    payment = row.payment if isinstance(row, Refund) else row
    method = payment.source.get("payment_method") or {}
    return method.get("type")


def _currency(row: Transaction) -> str:
    payment = row.payment if isinstance(row, Refund) else row
    return str(payment.source["currency"])


_FILTERS: dict[str, Callable[[Transaction, str], bool]] = {
    "type_list": lambda row, text: _kind(row) in _words(text),
    "status": lambda row, text: row.status in _words(text),
    "payment_method": lambda row, text: _method(row) == text.lower(),
    "customer_id": lambda row, text: _customer(row) == bare(text, "cus"),
    "provider": lambda _row, text: text.lower() == PROVIDER,
    "source_currency": lambda row, text: _currency(row) == text.lower(),
}


def documents(books: Books, rows: Sequence[Any]) -> list[Json]:
    """Records as they are shown."""
    return [row.document(books.dialect) for row in rows]
