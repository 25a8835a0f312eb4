"""Choose rows to work on, so that no two workers take the same and none takes more than it may."""

from typing import Any

from sqlalchemy import Select, select


def chosen_once(choice: Select[Any]) -> Select[Any]:
    """A choice of rows that an UPDATE or DELETE takes, made once however that is planned.

    As a plain subquery the planner may run it again for every row it looks at: with a LIMIT and
    SKIP LOCKED each run then locks and yields other rows, and all of them are taken. A WITH query
    that locks rows is run once (PostgreSQL documentation, 7.8.3, "Common Table Expression
    Materialization").

    Args:
        choice: Selects the key of rows, with its limit and its lock.
    """
    chosen = choice.cte("chosen")
    return select(*chosen.c)
