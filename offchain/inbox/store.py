"""Store a verified webhook before anything else happens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NewType

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from offchain.tables import inbox, webhook_refusals

InboxId = NewType("InboxId", int)


@dataclass(frozen=True, slots=True)
class Stored:
    """Where an event lies."""

    id: InboxId
    is_new: bool
    """False: an earlier delivery of the same event is there already."""


def store(
    connection: Connection,
    *,
    gateway: str,
    event_key: str,
    body: bytes,
    headers: Mapping[str, str],
) -> Stored:
    """Keep an event, once; the caller answers 2xx only after its transaction committed.

    Args:
        connection: The caller's transaction.
        gateway: Who sent it.
        event_key: The sender's id of the event, equal on every delivery.
        body: The raw body, as signed.
        headers: The signature headers only.
    """
    inserted = connection.execute(
        insert(inbox)
        .values(gateway=gateway, event_key=event_key, body=body, headers=dict(headers))
        .on_conflict_do_nothing(index_elements=["gateway", "event_key"])
        .returning(inbox.c.id)
    ).scalar_one_or_none()
    if inserted is not None:
        return Stored(InboxId(inserted), is_new=True)
    known = connection.execute(
        select(inbox.c.id).where(inbox.c.gateway == gateway, inbox.c.event_key == event_key)
    ).scalar_one()
    return Stored(InboxId(known), is_new=False)


def count_refusal(connection: Connection, *, gateway: str, reason: str) -> None:
    """Count a refused delivery; nothing of it is kept."""
    row = insert(webhook_refusals).values(gateway=gateway, reason=reason, count=1)
    connection.execute(
        row.on_conflict_do_update(
            index_elements=["gateway", "reason"],
            set_={"count": webhook_refusals.c.count + 1, "last_at": func.now()},
        )
    )
