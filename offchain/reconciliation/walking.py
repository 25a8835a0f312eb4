"""Walk a gateway's own list of what changed, so that nothing depends on its webhooks.

A walk goes through one window of time after the other, the oldest first. The cursor moves only
after a whole window, and never beyond the moment the walk began; each window begins earlier by an
overlap, because rows may become visible late and clocks differ. So a walk that is not whole, as
after a long outage, goes on where it stopped. A payment listed twice is read twice, which changes
nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
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
WINDOW_MAX = timedelta(hours=6)
WINDOW_MIN = timedelta(minutes=1)
"""How much of the past is one window: half as much after one that no run could finish."""
PAGE = 100

Result = Literal["walked", "held", "unfinished", "unanswered", "failed"]
"""``held``: another worker is at it; ``unfinished``: its time was over within a window."""

_log = structlog.get_logger(__name__)


def walk(services: Services, gateway: Gateway, *, is_time_over: Callable[[], bool]) -> Result:
    """Keep every payment that a gateway lists as changed since the last whole window.

    Only one worker walks a gateway's list at a time; the lock saves work, nothing more.

    Args:
        services: What the job reaches.
        gateway: Whose list.
        is_time_over: Asked after each payment and each window; one that is not whole starts anew.
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
        since, window = _begun(connection, gateway.name)
    since = since or began - FIRST_LOOK_BACK
    while True:
        until = min(since + window, began)
        listed = _keep_window(services, gateway, since, until, is_time_over)
        with services.engine.begin() as connection:
            if listed is None:
                window = min(2 * window, WINDOW_MAX)
                _advance(connection, gateway.name, until, window)
            else:
                _shorten(connection, gateway.name, since, max(window / 2, WINDOW_MIN))
        if listed is None and until >= began:
            return "walked"
        if listed is not None or is_time_over():
            _log.error("walk_unfinished", gateway=gateway.name, since=since, listed=listed)
            return "unfinished"
        since = until


def _keep_window(
    services: Services,
    gateway: Gateway,
    since: datetime,
    until: datetime,
    is_time_over: Callable[[], bool],
) -> int | None:
    """Keep what a gateway lists of one window; None when it is whole, else how much was listed."""
    listed = 0
    changed = gateway.changed_payments(since=since - OVERLAP, until=until)
    for page in _pages(changed, is_time_over):
        with services.engine.begin() as connection:
            add_listed(connection, gateway.name, page)
        listed += len(page)
        if is_time_over():
            return listed
    return None


def _begun(connection: Connection, gateway: str) -> tuple[datetime | None, timedelta]:
    """Until when all is kept, if ever, and how much of the past to walk at once."""
    row = connection.execute(
        select(recon_cursors.c.high_water, recon_cursors.c.window_s).where(
            recon_cursors.c.gateway == gateway, recon_cursors.c.stream == STREAM
        )
    ).one_or_none()
    if row is None or row.window_s is None:
        return None if row is None else row.high_water, WINDOW_MAX
    return row.high_water, timedelta(seconds=row.window_s)


def _advance(connection: Connection, gateway: str, until: datetime, window: timedelta) -> None:
    """Say that all that changed before then is kept; never back."""
    connection.execute(
        insert(recon_cursors)
        .values(gateway=gateway, stream=STREAM, high_water=until, window_s=window.total_seconds())
        .on_conflict_do_update(
            index_elements=["gateway", "stream"],
            set_={
                "high_water": func.greatest(recon_cursors.c.high_water, until),
                "window_s": window.total_seconds(),
                "updated_at": func.now(),
            },
        )
    )


def _shorten(connection: Connection, gateway: str, since: datetime, window: timedelta) -> None:
    """Have less walked at once: a window that no run can finish would be begun for ever."""
    _advance(connection, gateway, since, window)


def _pages(identifiers: Iterator[str], is_time_over: Callable[[], bool]) -> Iterator[list[str]]:
    """Gather what is listed; a page is short at the end, and when the time is over."""
    page: list[str] = []
    for identifier in identifiers:
        page.append(identifier)
        if len(page) == PAGE or is_time_over():
            yield page
            page = []
    if page:
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
