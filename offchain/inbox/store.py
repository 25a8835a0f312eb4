"""Store verified webhooks before anything else happens, and count refused ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NewType

import orjson
import psycopg

InboxId = NewType("InboxId", int)
EventName = tuple[str, str]
"""Gateway and event key: what an event is known by."""
Connect = Callable[[], psycopg.Connection]
"""Opens a connection in autocommit mode."""

# What was given up after three days is worked off anew when it is sent again.
_STORE = """
INSERT INTO offchain.inbox AS known (gateway, event_key, body, headers)
SELECT gateway, event_key, body, headers::jsonb
FROM unnest(%b::text[], %b::text[], %b::bytea[], %b::text[])
    AS arrived (gateway, event_key, body, headers)
ON CONFLICT (gateway, event_key) DO UPDATE
SET state = 'new', tries = 0, received_at = now(), next_try_at = now()
WHERE known.state = 'dead'
RETURNING id, gateway, event_key
"""
_COUNT = """
INSERT INTO offchain.webhook_refusals AS known (gateway, reason, count)
SELECT gateway, reason, count
FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS refused (gateway, reason, count)
ON CONFLICT (gateway, reason) DO UPDATE
SET count = known.count + excluded.count, last_at = now()
"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A verified webhook that is to be kept."""

    gateway: str
    event_key: str
    """The sender's id of the event, equal on every delivery."""
    body: bytes = field(repr=False)
    """As signed."""
    headers: Mapping[str, str] = field(repr=False)
    """The signature headers only."""

    @property
    def name(self) -> EventName:
        """What the event is known by."""
        return (self.gateway, self.event_key)


def store(connection: psycopg.Connection, arrivals: Sequence[Arrival]) -> dict[EventName, InboxId]:
    """Keep events, each once, by one statement that is a transaction of its own.

    Postgres' answer to it comes after the commit: an event may be acknowledged as soon as this
    returns. Rows go in by name, so that two writers that share events wait for each other and never
    for each other's neighbours.

    Args:
        connection: In autocommit mode.
        arrivals: In any order; a name may come twice.

    Returns:
        By name those that are to be worked off; what is missing was stored before.

    Raises:
        DataError: Postgres cannot hold one of them; none was stored.
        UnicodeError: Same.
        OperationalError: Postgres is away, or gave up; they may be stored.
    """
    first: dict[EventName, Arrival] = {}
    for arrival in arrivals:
        first.setdefault(arrival.name, arrival)
    rows = [first[name] for name in sorted(first)]
    columns = (
        [row.gateway for row in rows],
        [row.event_key for row in rows],
        [row.body for row in rows],
        [orjson.dumps(dict(row.headers)).decode() for row in rows],
    )
    with connection.cursor(binary=True) as cursor:
        cursor.execute(_STORE, columns, prepare=True)
        return {(row[1], row[2]): InboxId(row[0]) for row in cursor.fetchall()}


def count_refusals(connection: psycopg.Connection, counts: Mapping[tuple[str, str], int]) -> None:
    """Add to the counts of refused deliveries by gateway and reason; nothing else is kept."""
    names = sorted(counts)  # two processes take the rows in the same order
    columns = (
        [gateway for gateway, _ in names],
        [reason for _, reason in names],
        [counts[name] for name in names],
    )
    connection.execute(_COUNT, columns)
