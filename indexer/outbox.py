"""What happened, told to a consumer in order, as facts and retractions of facts.

``latest`` tells a fact as soon as it is indexed; ``finalized`` once its block is final. Either
takes back what it told that holds no longer. ``latest`` does so after every reorg; ``finalized``
only after what can remove a fact of a final block: a repair that found it false, a reorg of the
block that had made its contract known, a rewind by an operator.

A consumer's cursor is stored with what it made of the messages, in one transaction: only what was
acknowledged counts as told, and only what was told is taken back. Told again from an older cursor,
it hears the same identities again, and knows them. A retraction of an identity that it does not
know is to be ignored.

Rows of one chain's outbox become visible in the order of their ids, because ``announce`` takes the
chain's row in ``marks`` before it adds one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.postgresql import insert

from indexer.chain.types import BlockNumber, ChainId
from indexer.outbox_telling import (
    Delivery,
    Message,
    Place,
    Removal,
    assertions,
    retractions,
)
from indexer.tables import outbox, outbox_cursors

_Change = Row[Any, Any, Any, Any, Any]
_CHANGES_MAX = 10_000
"""Reorgs and amendments looked at in one read."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """What a consumer knows.

    Every fact up to ``place`` that held when ``outbox_id`` was written is known; of what holds no
    longer, nothing is known above ``held`` and nothing but what a later change removes.
    """

    outbox_id: int
    """Every change up to here is dealt with."""
    place: Place
    """Facts are told from here on; any change below puts it down."""
    held: Place
    """Where the highest fact stands that was told; put down only by what removes all above."""
    retracted: int = 0
    """How many facts of the change after ``outbox_id`` were taken back already."""


_START = Place.start_of(BlockNumber(-1))
BEGINNING: Final = Cursor(0, _START, _START)
"""Of a consumer that knows nothing."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one read tells."""

    messages: tuple[Message, ...]
    through: Cursor
    """To acknowledge once the messages are dealt with; moves on even without a message."""


def read_cursor(
    connection: Connection, *, consumer: str, chain_id: ChainId, delivery: Delivery
) -> Cursor:
    """A consumer's stored cursor; the beginning when it has none."""
    row = connection.execute(
        select(outbox_cursors).where(
            outbox_cursors.c.consumer == consumer,
            outbox_cursors.c.chain_id == chain_id,
            outbox_cursors.c.delivery == delivery,
        )
    ).one_or_none()
    if row is None:
        return BEGINNING
    return Cursor(
        row.outbox_id,
        Place(row.block_number, row.log_index, row.ordinal, row.rank),
        Place(row.held_block_number, row.held_log_index, row.held_ordinal, row.held_rank),
        row.retracted,
    )


def acknowledge(
    connection: Connection,
    *,
    consumer: str,
    chain_id: ChainId,
    delivery: Delivery,
    through: Cursor,
) -> None:
    """Store how far a consumer has been told.

    Args:
        connection: In the transaction that stores what the messages made: a fact that was dealt
            with and not acknowledged is not taken back.
        consumer: Its name; one process at a time reads under it.
        chain_id: The chain.
        delivery: As it read.
        through: Of what it read.
    """
    place, held = through.place, through.held
    moved = {
        "outbox_id": through.outbox_id,
        "block_number": place.block_number,
        "log_index": place.log_index,
        "ordinal": place.ordinal,
        "rank": place.rank,
        "held_block_number": held.block_number,
        "held_log_index": held.log_index,
        "held_ordinal": held.ordinal,
        "held_rank": held.rank,
        "retracted": through.retracted,
    }
    statement = insert(outbox_cursors).values(
        consumer=consumer, chain_id=chain_id, delivery=delivery, **moved
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["consumer", "chain_id", "delivery"],
            set_={name: statement.excluded[name] for name in moved},
        )
    )


def read_outbox(
    connection: Connection,
    *,
    consumer: str,
    chain_id: ChainId,
    delivery: Delivery,
    limit: int,
) -> Told:
    """Tell a consumer what it does not know yet.

    What was added and removed before it read is not told, unless it stood among what the consumer
    knew: then its retraction comes alone, and is to be ignored. After an amendment (a contract
    became known, a range was repaired) the facts from there on are told again: one that it holds
    already has the same identity and the same values.

    Args:
        connection: Any isolation level.
        consumer: Its name.
        chain_id: The chain.
        delivery: ``latest``, or ``finalized``: up to the finalized mark.
        limit: Messages at most.
    """
    cursor = read_cursor(connection, consumer=consumer, chain_id=chain_id, delivery=delivery)
    while True:
        changes = _changes(connection, chain_id, cursor.outbox_id)
        told = _tell_changes(connection, chain_id, cursor, changes, limit)
        if len(told.messages) >= limit or len(changes.rows) >= _CHANGES_MAX:
            return told
        asserted = assertions(
            connection,
            chain_id,
            delivery,
            told.through.place,
            limit=limit - len(told.messages),
            revision=changes.revision,
        )
        # A reorg that commits between these reads leaves facts of a branch that is not told of.
        if _changes(connection, chain_id, told.through.outbox_id).rows:
            continue
        return Told((*told.messages, *asserted), _advanced(told.through, asserted))


@dataclass(frozen=True, slots=True)
class _Changes:
    """Removals and amendments that a consumer has not heard of, and where the outbox stands."""

    rows: Sequence[_Change]
    newest_id: int
    """Every change up to here is among the rows, or known already."""
    revision: int


def _changes(connection: Connection, chain_id: ChainId, after: int) -> _Changes:
    newest = connection.execute(
        select(outbox.c.id, outbox.c.revision)
        .where(outbox.c.chain_id == chain_id)
        .order_by(outbox.c.id.desc())
        .limit(1)
    ).one_or_none()
    if newest is None:
        return _Changes((), after, 1)
    rows = connection.execute(
        select(outbox.c.id, outbox.c.action, outbox.c.low, outbox.c.revision, outbox.c.reorg_id)
        .where(
            outbox.c.chain_id == chain_id,
            outbox.c.id > after,
            outbox.c.id <= newest.id,
            outbox.c.action.in_(["removed", "amended"]),
        )
        .order_by(outbox.c.id)
        .limit(_CHANGES_MAX)
    ).all()
    known = rows[-1].id if len(rows) == _CHANGES_MAX else newest.id
    return _Changes(rows, known, newest.revision)


def _tell_changes(
    connection: Connection, chain_id: ChainId, cursor: Cursor, changes: _Changes, limit: int
) -> Told:
    """Go through removals and amendments in order, as far as the limit goes."""
    messages: list[Message] = []
    for row in changes.rows:
        if row.reorg_id is not None:
            removal = Removal(row.reorg_id, row.revision, cursor.held, cursor.retracted)
            room = limit - len(messages)
            gone = retractions(connection, chain_id, removal, limit=room)
            messages += gone
            if len(gone) >= room:
                retracted = cursor.retracted + len(gone)
                return Told(tuple(messages), replace(cursor, retracted=retracted))
        cursor = _changed(cursor, row)
    return Told(tuple(messages), replace(cursor, outbox_id=changes.newest_id))


def _changed(cursor: Cursor, row: _Change) -> Cursor:
    """The cursor once a change is dealt with.

    A removal leaves nothing above its first block, so that nothing there is held; an amendment
    leaves what it did not find false, which a later change may remove.
    """
    start = Place.start_of(row.low)
    held = min(cursor.held, start) if row.action == "removed" else cursor.held
    return Cursor(row.id, min(cursor.place, start), held)


def _advanced(cursor: Cursor, asserted: Sequence[Message]) -> Cursor:
    """The cursor once these facts are told."""
    if not asserted:
        return cursor
    place = asserted[-1].place
    return replace(cursor, place=place, held=max(cursor.held, place))
