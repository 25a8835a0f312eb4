"""Words of the fake Paystack: its envelope, its refusals, its times and pages."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar

Json = dict[str, Any]
Row = TypeVar("Row")

PAGE_DEFAULT, PAGE_MAX = 50, 100
INTEGRATION = 412829
DOMAIN = "test"
CURRENCIES = ("NGN", "GHS", "ZAR", "KES", "USD")


class Refused(Exception):  # noqa: N818 - reads as a state
    """The fake answers with ``status: false``."""

    def __init__(
        self,
        message: str,
        code: str,
        *,
        status: int = HTTPStatus.BAD_REQUEST,
        kind: str = "validation_error",
        next_step: str = "Check the request and try again",
    ) -> None:
        self.status = status
        self.body: Json = {
            "status": False,
            "message": message,
            "meta": {"nextStep": next_step},
            "type": kind,
            "code": code,
        }
        super().__init__(message)


def invalid(message: str, code: str = "invalid_params") -> Refused:
    """400: the request breaks a rule."""
    return Refused(message, code)


def not_found(what: str, *, status: int = HTTPStatus.NOT_FOUND) -> Refused:
    """404, or 400 where Paystack says it so."""
    code = f"{what.partition(' ')[0].lower()}_not_found"
    return Refused(f"{what} not found", code, status=status)


def ok(message: str, data: object, meta: Json | None = None) -> Json:
    """The envelope of a success."""
    body: Json = {"status": True, "message": message, "data": data}
    return body if meta is None else {**body, "meta": meta}


def stamp(instant: datetime | None) -> str | None:
    """A time as Paystack writes it."""
    if instant is None:
        return None
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def instant_of(text: str, name: str) -> datetime:
    """Read a filter's time; without a zone it is UTC."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(f"Invalid '{name}' date", "invalid_date") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def integer_of(value: object) -> int | None:
    """An amount, sent as a number or as its digits; None when it is neither, or not positive."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        return None
    return value


def amount_of(fields: Mapping[str, Any]) -> int:
    """The amount a request names."""
    amount = integer_of(fields.get("amount"))
    if amount is None:
        raise invalid("Invalid Amount Sent", "invalid_amount")
    return amount


def currency_of(fields: Mapping[str, Any]) -> str:
    """The currency a request names; the integration's own is NGN."""
    currency = fields.get("currency", "NGN")
    if currency not in CURRENCIES:
        raise invalid("Currency not supported by merchant", "unsupported_currency")
    return str(currency)


def in_window(
    rows: Sequence[Row], query: Mapping[str, str], created_at: Callable[[Row], datetime]
) -> list[Row]:
    """The rows made between ``from`` and ``to``, newest first."""
    since, until = query.get("from"), query.get("to")
    start = None if since is None else instant_of(since, "from")
    end = None if until is None else instant_of(until, "to")
    return [
        row
        for row in reversed(rows)
        if (start is None or created_at(row) >= start) and (end is None or created_at(row) <= end)
    ]


def paged(message: str, rows: Sequence[Json], query: Mapping[str, str]) -> Json:
    """One page of a list."""
    size = min(integer_of(query.get("perPage")) or PAGE_DEFAULT, PAGE_MAX)
    page = integer_of(query.get("page")) or 1
    skipped = (page - 1) * size
    meta = {
        "total": len(rows),
        "skipped": skipped,
        "perPage": size,
        "page": page,
        "pageCount": -(-len(rows) // size),
    }
    return ok(message, list(rows[skipped : skipped + size]), meta)
