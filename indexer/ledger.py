"""The ledger of what was read, by range: how far a chain is complete, and how surely.

Rows of one chain and filter never overlap: a range is written by painting over whatever lies
beneath it, and painters of one chain wait for each other at its row of marks. "Complete up to" is
the first hole.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import reduce
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, insert, select, true, update

from indexer.chain.types import BlockNumber, ChainId
from indexer.events import FILTER_ID
from indexer.spans import (
    STATES,
    Interval,
    RangeState,
    Span,
    gaps,
    grown_together,
    reaches,
    taken_in,
    within,
    without,
)
from indexer.tables import marks, ranges


def extend(  # noqa: PLR0913 - one argument per column
    connection: Connection,
    chain_id: ChainId,
    *,
    low: BlockNumber,
    high: BlockNumber,
    state: RangeState,
    provider: str,
    headers_linked: bool,
    digest: bytes | None = None,
    filter_id: str = FILTER_ID,
) -> None:
    """Record that ``low`` to ``high`` was read, whatever the ledger said of it before.

    Following the head costs one statement: the last row is lengthened when it says the same.

    Args:
        connection: In the transaction that writes what was read.
        chain_id: The chain.
        low: First block.
        high: Last block.
        state: ``proven`` only if every block is: by its receipts, or by its bloom.
        provider: Who served it.
        headers_linked: Every header was hashed and linked, and its bloom agrees.
        digest: Of the logs read, to compare with another provider's; a proven range needs none.
        filter_id: Which topics were asked for.
    """
    new = Span(low, high, state, provider, headers_linked, None if state == "proven" else digest)
    if not _lengthened(connection, chain_id, filter_id, new):
        _repaint(
            connection,
            chain_id,
            filter_id,
            (low, high),
            lambda old: [*without(old, low, high), new],
        )


def take_in_reading(
    connection: Connection, chain_id: ChainId, interval: Interval, runs: Sequence[Span]
) -> None:
    """Record a reading of which some blocks could not be proven; nothing is lowered by it.

    Args:
        connection: In the transaction that writes what was read.
        chain_id: The chain.
        interval: First and last block read.
        runs: Its proven blocks, and those others whose rows say what it says.
    """
    _repaint(connection, chain_id, FILTER_ID, interval, lambda old: reduce(taken_in, runs, old))


def promote(
    connection: Connection,
    chain_id: ChainId,
    *,
    low: BlockNumber,
    high: BlockNumber,
    state: RangeState,
    by: str,
) -> None:
    """Raise what was read of ``low`` to ``high`` to a state; holes stay holes, nothing is lowered.

    Args:
        connection: In a transaction.
        chain_id: The chain.
        low: First block.
        high: Last block.
        state: ``cross_checked`` or ``proven``, as said of ``extend``.
        by: Whose answer was the same, or who served the receipts.
    """

    def raised(span: Span) -> Span:
        if reaches(span.state, state):
            return span
        if state == "proven":
            return replace(span, state=state, headers_linked=True, digest=None, confirmed_by=None)
        return replace(span, state=state, confirmed_by=by)

    _repaint(
        connection,
        chain_id,
        FILTER_ID,
        (low, high),
        lambda old: [*without(old, low, high), *map(raised, within(old, low, high))],
    )


def forget(
    connection: Connection,
    chain_id: ChainId,
    low: BlockNumber,
    high: BlockNumber,
) -> None:
    """Make ``low`` to ``high`` a hole: what stands in the tables there is believed no longer."""
    _repaint(connection, chain_id, FILTER_ID, (low, high), lambda old: without(old, low, high))


def cut(connection: Connection, chain_id: ChainId, ancestor: BlockNumber) -> None:
    """Forget everything above a block, for every filter: those blocks are undone."""
    connection.execute(delete(ranges).where(ranges.c.chain_id == chain_id, ranges.c.low > ancestor))
    connection.execute(
        update(ranges)
        .where(ranges.c.chain_id == chain_id, ranges.c.high > ancestor)
        .values(high=ancestor, digest=None)
    )


def holes(
    connection: Connection,
    chain_id: ChainId,
    filter_id: str,
    low: BlockNumber,
    high: BlockNumber,
) -> list[Interval]:
    """What of ``low`` to ``high`` was not read, from the lowest."""
    return _gaps_of(connection, chain_id, filter_id, (low, high), least="fetched")


def complete_up_to(
    connection: Connection,
    chain_id: ChainId,
    filter_id: str,
    first_block: BlockNumber,
    state: RangeState = "fetched",
) -> BlockNumber | None:
    """The last block before the first hole, counting what reaches a state.

    Args:
        connection: Any.
        chain_id: The chain.
        filter_id: Which topics were asked for.
        first_block: Where the deployment begins.
        state: The least that counts.

    Returns:
        None when the first block is missing already.
    """
    top = connection.execute(
        select(ranges.c.high)
        .where(ranges.c.chain_id == chain_id, ranges.c.filter == filter_id)
        .order_by(ranges.c.low.desc())
        .limit(1)
    ).scalar_one_or_none()
    if top is None or top < first_block:
        return None
    found = _gaps_of(connection, chain_id, filter_id, (first_block, top), least=state)
    complete = top if not found else found[0][0] - 1
    return None if complete < first_block else BlockNumber(complete)


def vouchers(
    connection: Connection, chain_id: ChainId, low: BlockNumber, high: BlockNumber
) -> tuple[str, ...]:
    """Whose word some part of ``low`` to ``high`` rests on; a proven part rests on nobody's."""
    spans = spans_between(connection, chain_id, low, high)
    weak = [span for span in spans if span.state != "proven"]
    named = {name for span in weak for name in (span.provider, span.confirmed_by) if name}
    return tuple(sorted(named))


def spans_between(
    connection: Connection, chain_id: ChainId, low: BlockNumber, high: BlockNumber
) -> list[Span]:
    """The ranges that hold some part of ``low`` to ``high``, whole, from the lowest."""
    rows = connection.execute(
        _spans_of(chain_id, FILTER_ID)
        .where(ranges.c.high >= low, ranges.c.low <= high)
        .order_by(ranges.c.low)
    )
    return [_span(row) for row in rows]


def lowest_span(
    connection: Connection,
    chain_id: ChainId,
    *,
    below: RangeState,
    up_to: BlockNumber,
    which: ColumnElement[bool] | None = None,
) -> Span | None:
    """The lowest range that does not reach a state, ends at or below a block, and is ``which``."""
    weaker = [one for one in STATES if not reaches(one, below)]
    row = connection.execute(
        _spans_of(chain_id, FILTER_ID)
        .where(ranges.c.state.in_(weaker), ranges.c.high <= up_to)
        .where(true() if which is None else which)
        .order_by(ranges.c.low)
        .limit(1)
    ).one_or_none()
    return None if row is None else _span(row)


def _lengthened(connection: Connection, chain_id: ChainId, filter_id: str, new: Span) -> bool:
    """Let the range just before take a new one in; not if it says otherwise or rows follow."""
    if new.digest is not None:
        return False
    later = ranges.alias()
    in_the_way = select(later.c.low).where(
        later.c.chain_id == chain_id,
        later.c.filter == filter_id,
        later.c.low.between(new.low, new.high + 1),
    )
    found = connection.execute(
        update(ranges)
        .where(
            ranges.c.chain_id == chain_id,
            ranges.c.filter == filter_id,
            ranges.c.high == new.low - 1,
            ranges.c.state == new.state,
            ranges.c.provider == new.provider,
            ranges.c.headers_linked.is_(new.headers_linked),
            ranges.c.digest.is_(None),
            ranges.c.confirmed_by.is_(None),
            ~in_the_way.exists(),
        )
        .values(high=new.high)
    )
    return found.rowcount == 1


def _repaint(
    connection: Connection,
    chain_id: ChainId,
    filter_id: str,
    interval: Interval,
    repainted: Callable[[list[Span]], list[Span]],
) -> None:
    """Replace the rows that touch an interval by what they become, grown together."""
    low, high = interval
    connection.execute(
        select(marks.c.chain_id).where(marks.c.chain_id == chain_id).with_for_update()
    )
    rows = connection.execute(
        _spans_of(chain_id, filter_id)
        .where(ranges.c.high >= low - 1, ranges.c.low <= high + 1)
        .order_by(ranges.c.low)
    )
    before = [_span(row) for row in rows]
    after = grown_together(repainted(before))
    gone = [span.low for span in before if span not in after]
    made = [span for span in after if span not in before]
    if gone:
        connection.execute(
            delete(ranges).where(
                ranges.c.chain_id == chain_id, ranges.c.filter == filter_id, ranges.c.low.in_(gone)
            )
        )
    if made:
        connection.execute(insert(ranges), [_row(chain_id, filter_id, span) for span in made])


def _gaps_of(
    connection: Connection,
    chain_id: ChainId,
    filter_id: str,
    interval: Interval,
    *,
    least: RangeState,
) -> list[Interval]:
    low, high = interval
    rows = connection.execute(
        select(ranges.c.low, ranges.c.high)
        .where(
            ranges.c.chain_id == chain_id,
            ranges.c.filter == filter_id,
            ranges.c.state.in_([one for one in STATES if reaches(one, least)]),
            ranges.c.high >= low,
            ranges.c.low <= high,
        )
        .order_by(ranges.c.low)
    )
    return gaps(((row.low, row.high) for row in rows), low, high)


def _spans_of(chain_id: ChainId, filter_id: str) -> Select[Any]:
    """Rows of one chain and filter."""
    return select(ranges).where(ranges.c.chain_id == chain_id, ranges.c.filter == filter_id)


def _span(row: Row[Any]) -> Span:
    return Span(
        low=row.low,
        high=row.high,
        state=row.state,
        provider=row.provider,
        headers_linked=row.headers_linked,
        digest=row.digest,
        confirmed_by=row.confirmed_by,
    )


def _row(chain_id: ChainId, filter_id: str, span: Span) -> dict[str, object]:
    return {"chain_id": chain_id, "filter": filter_id, **asdict(span)}
