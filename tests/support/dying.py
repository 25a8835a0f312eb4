"""Processes that die between two statements."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, event


@contextmanager
def dying_at(engine: Engine, statement: int) -> Iterator[None]:
    """Raise KeyboardInterrupt before the n-th statement or after the n-th commit, whichever comes.

    As after kill -9, what was not committed is rolled back and what was is not known to us.
    """
    left = itertools.count(statement, -1)

    def before(*_: object) -> None:
        if next(left) == 0:
            raise KeyboardInterrupt

    def commit(connection: Connection) -> None:
        if next(left) == 0:
            connection.connection.commit()
            raise KeyboardInterrupt

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "commit", commit)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "commit", commit)
