"""Ways to die."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, cast

from sqlalchemy import Connection, Engine, text


class Crash(Exception):  # noqa: N818 - it stands for a killed process, not for an error
    """The process dies here."""


Moment = Literal["before", "after"]


class DyingEngine:
    """An engine whose process is killed just before or after its n-th commit that writes."""

    def __init__(self, engine: Engine, *, commit: int, moment: Moment) -> None:
        self._engine = engine
        self._left = commit
        self._moment = moment

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection
            wrote = connection.execute(text("SELECT pg_current_xact_id_if_assigned()")).scalar()
            self._left -= wrote is not None
            dies = wrote is not None and self._left == 0
            if dies and self._moment == "before":
                raise Crash
        if dies:
            raise Crash

    def connect(self) -> Connection:
        return self._engine.connect()


def dying(engine: Engine, *, commit: int, moment: Moment) -> Engine:
    return cast("Engine", DyingEngine(engine, commit=commit, moment=moment))
