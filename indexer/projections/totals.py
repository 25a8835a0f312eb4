"""Daily totals of what is final: the base to which the views add what is not.

Each confirmation counts on its own block's day, each refund on its own, in America/Sao_Paulo, where
the books close. What is added once is never taken back: a final block stays.
"""

from collections.abc import Sequence

from sqlalchemy import (
    ARRAY,
    Connection,
    LargeBinary,
    bindparam,
    delete,
    select,
    text,
    update,
)

from indexer.chain.types import Address, BlockNumber, ChainId
from indexer.projection_tables import daily_totals
from indexer.tables import marks

_ADD = text(
    """
INSERT INTO chain.daily_totals AS base (
    chain_id, treasury, token, day, confirmed_count, confirmed_amount, refunded_count,
    refunded_amount
)
SELECT chain_id, treasury, token, day, sum(confirmed_count), sum(confirmed_amount),
    sum(refunded_count), sum(refunded_amount)
FROM chain.payment_movements
WHERE chain_id = :chain_id AND block_number > :above AND block_number <= :to
    AND (:treasuries IS NULL OR treasury = ANY(:treasuries))
GROUP BY chain_id, treasury, token, day
ON CONFLICT (chain_id, treasury, token, day) DO UPDATE SET
    confirmed_count = base.confirmed_count + excluded.confirmed_count,
    confirmed_amount = base.confirmed_amount + excluded.confirmed_amount,
    refunded_count = base.refunded_count + excluded.refunded_count,
    refunded_amount = base.refunded_amount + excluded.refunded_amount
"""
).bindparams(bindparam("treasuries", type_=ARRAY(LargeBinary)))

_BEFORE_ALL = -1


def fold_totals(connection: Connection, chain_id: ChainId, to: BlockNumber) -> None:
    """Add to the daily totals what has become final; nothing when it was added before.

    Args:
        connection: In a transaction.
        chain_id: The chain.
        to: Newest final block; every block up to it is projected.
    """
    row = connection.execute(
        select(marks.c.indexed_number, marks.c.totals_number)
        .where(marks.c.chain_id == chain_id)
        .with_for_update()
    ).one_or_none()
    if row is None or row.indexed_number is None:
        return
    # A chain that was put back below its finalized mark is not projected up to it.
    end = min(to, row.indexed_number)
    above = _BEFORE_ALL if row.totals_number is None else row.totals_number
    if end > above:
        _add(connection, chain_id, above, end, None)
        _stand_at(connection, chain_id, end)


def undo_totals(connection: Connection, chain_id: ChainId, ancestor: BlockNumber) -> None:
    """Make the daily totals what they were after ``ancestor``; of use below finality only."""
    if _totalled(connection, chain_id) <= ancestor:
        return
    connection.execute(delete(daily_totals).where(daily_totals.c.chain_id == chain_id))
    _add(connection, chain_id, _BEFORE_ALL, ancestor, None)
    _stand_at(connection, chain_id, ancestor)


def renew_totals(connection: Connection, chain_id: ChainId, treasuries: Sequence[Address]) -> None:
    """Make the daily totals of some treasuries anew, up to the block they stood at."""
    forget_totals(connection, chain_id, treasuries)
    to = _totalled(connection, chain_id)
    if to > _BEFORE_ALL:
        _add(connection, chain_id, _BEFORE_ALL, to, treasuries)


def forget_totals(connection: Connection, chain_id: ChainId, treasuries: Sequence[Address]) -> None:
    """Delete the daily totals of some treasuries."""
    connection.execute(
        delete(daily_totals).where(
            daily_totals.c.chain_id == chain_id, daily_totals.c.treasury.in_(treasuries)
        )
    )


def _stand_at(connection: Connection, chain_id: ChainId, number: int) -> None:
    connection.execute(
        update(marks).where(marks.c.chain_id == chain_id).values(totals_number=number)
    )


def _totalled(connection: Connection, chain_id: ChainId) -> int:
    """The block up to which daily totals hold everything."""
    number = connection.execute(
        select(marks.c.totals_number).where(marks.c.chain_id == chain_id)
    ).scalar_one_or_none()
    return _BEFORE_ALL if number is None else int(number)


def _add(
    connection: Connection,
    chain_id: ChainId,
    above: int,
    to: int,
    treasuries: Sequence[Address] | None,
) -> None:
    wanted = None if treasuries is None else list(treasuries)
    connection.execute(_ADD, {"chain_id": chain_id, "above": above, "to": to, "treasuries": wanted})
