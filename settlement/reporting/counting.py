"""Expressions that every count of settlement's rows shares."""

from datetime import datetime

from sqlalchemy import ColumnElement, Float, Integer, case, cast, extract, func, literal

from indexer.db.columns import UINT256
from settlement.reporting.standing import PREFIXES, ReasonClass
from settlement.tables import nonce_slots

OTHER: ReasonClass = "other"


def class_of(reason: ColumnElement[str | None]) -> ColumnElement[str]:
    """``standing.reason_class`` of a column."""
    known = [
        (reason.startswith(prefix, autoescape=True), name) for prefix, name in PREFIXES.items()
    ]
    return case(*((condition, literal(name)) for condition, name in known), else_=literal(OTHER))


def age_s(since: ColumnElement[datetime]) -> ColumnElement[int]:
    """Whole seconds since then, by Postgres' clock; never negative."""
    passed = cast(func.floor(extract("epoch", func.now() - since)), Integer)
    return func.greatest(passed, 0)


def between_s(
    earlier: ColumnElement[datetime], later: ColumnElement[datetime]
) -> ColumnElement[float]:
    """Seconds from one instant to another."""
    return cast(extract("epoch", later - earlier), Float)


def paid_wei() -> ColumnElement[int]:
    """What a mined nonce slot paid for gas; null while it is not mined."""
    return cast(nonce_slots.c.gas_used, UINT256) * nonce_slots.c.effective_gas_price_wei
