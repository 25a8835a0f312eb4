"""Go through all that waits from a random place on and round.

However much of it cannot be done, and however short the time is, each row has its turn.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar
from uuid import UUID

Row = TypeVar("Row")


def round_from_anywhere(
    page: Callable[[UUID | None], Sequence[Row]],
    *,
    id_of: Callable[[Row], UUID],
    page_size: int,
) -> Iterator[Sequence[Row]]:
    """Yield every row once, in pages.

    Args:
        page: Reads the rows after an id, or from the first, by id.
        id_of: The id of a row.
        page_size: How long a page is that is not the last.
    """
    start = uuid.uuid4()
    yield from _pages(page, id_of, page_size, after=start)
    for rows in _pages(page, id_of, page_size, after=None):
        before = [row for row in rows if id_of(row) <= start]
        if before:
            yield before
        if len(before) < len(rows):
            return


def _pages(
    page: Callable[[UUID | None], Sequence[Row]],
    id_of: Callable[[Row], UUID],
    page_size: int,
    *,
    after: UUID | None,
) -> Iterator[Sequence[Row]]:
    while rows := page(after):
        yield rows
        if len(rows) < page_size:
            return
        after = id_of(rows[-1])
