"""Walk a gateway's own list of what changed, so that nothing depends on its webhooks.

The cursor moves only after a whole walk, to where that walk began; the next one begins earlier by
an overlap, because rows may become visible late and clocks differ. A payment listed twice is read
twice, which changes nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import Literal

import structlog
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from indexer.db.locks import release_session_lock, try_session_lock
from indexer.errors import TransientError
from offchain.claim_tables import recon_cursors
from offchain.gateways.types import Gateway
from offchain.reconciliation.listing import add_listed
from offchain.services import Services

STREAM = "payments"
OVERLAP = timedelta(minutes=15)
FIRST_LOOK_BACK = timedelta(days=3)
"""How far the first walk of a gateway goes back."""
PAGE = 100

Result = Literal["walked", "held", "unfinished", "unanswered", "failed"]
"""``held``: another worker is at it; ``unfinished``: its time was over, the cursor stays."""

_log = structlog.get_logger(__name__)


def walk(services: Services, gateway: Gateway, *, is_time_over: Callable[[], bool]) -> Result:
    """Keep every payment that a gateway lists as changed since the last whole walk.

    Only one worker walks a gateway's list at a time; the lock saves work, nothing more.

    Args:
        services: What the job reaches.
        gateway: Whose list.
        is_time_over: Asked after each page; a walk that is not whole starts anew next time.
    """
    with _claimed(services.engine, f"offchain:walk:{gateway.name}") as is_ours:
        if not is_ours:
            return "held"
        try:
            return _walk(services, gateway, is_time_over)
        except TransientError as error:
            _log.warning("walk_unanswered", gateway=gateway.name, error=type(error).__name__)
            return "unanswered"
        except Exception as error:  # noqa: BLE001 - the edge of every walk: the others go on
            _log.error("walk_failed", gateway=gateway.name, error=type(error).__name__)
            return "failed"


def _walk(services: Services, gateway: Gateway, is_time_over: Callable[[], bool]) -> Result:
    began = services.clock()
    with services.engine.begin() as connection:
        since = _walked_until(connection, gateway.name) or began - FIRST_LOOK_BACK
    listed = 0
    for page in _pages(gateway.changed_payments(since=since - OVERLAP)):
        with services.engine.begin() as connection:
            add_listed(connection, gateway.name, page)
        listed += len(page)
        if is_time_over():
            _log.error("walk_unfinished", gateway=gateway.name, since=since, listed=listed)
            return "unfinished"
    with services.engine.begin() as connection:
        _advance(connection, gateway.name, began)
    return "walked"


def _walked_until(connection: Connection, gateway: str) -> datetime | None:
    return connection.execute(
        select(recon_cursors.c.high_water).where(
            recon_cursors.c.gateway == gateway, recon_cursors.c.stream == STREAM
        )
    ).scalar_one_or_none()


def _advance(connection: Connection, gateway: str, until: datetime) -> None:
    """Say that all that changed before then is kept; never back."""
    connection.execute(
        insert(recon_cursors)
        .values(gateway=gateway, stream=STREAM, high_water=until)
        .on_conflict_do_update(
            index_elements=["gateway", "stream"],
            set_={
                "high_water": func.greatest(recon_cursors.c.high_water, until),
                "updated_at": func.now(),
            },
        )
    )


def _pages(identifiers: Iterator[str]) -> Iterator[list[str]]:
    while page := list(islice(identifiers, PAGE)):
        yield page


@contextmanager
def _claimed(engine: Engine, name: str) -> Iterator[bool]:
    """Hold a lock while the block runs, on a connection that no transaction keeps busy."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        is_ours = try_session_lock(connection, name)
        try:
            yield is_ours
        finally:
            if is_ours:
                with suppress(DBAPIError):  # the session ended, and the lock with it
                    release_session_lock(connection, name)
