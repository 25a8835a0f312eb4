"""The one definition of finality, as SQL: what a filter selects is what a row says."""

from typing import Any

from sqlalchemy import ColumnElement, case, literal


def finality_case(
    block_number: ColumnElement[Any],
    finalized_number: ColumnElement[Any],
    *,
    refused: ColumnElement[bool] | None = None,
) -> ColumnElement[str]:
    """Say how settled a fact is.

    Args:
        block_number: Its canonical block; null when there is none.
        finalized_number: The finalized mark of its chain; null before the first.
        refused: True when the chain refused it; only looked at while it has no block.
    """
    absent = block_number.is_(None)
    refusals = [] if refused is None else [(absent & refused, literal("reverted"))]
    return case(
        *refusals,
        (absent, literal("pending")),
        (block_number <= finalized_number, literal("finalized")),
        else_=literal("included"),
    )
