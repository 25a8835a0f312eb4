"""What happened, told to a consumer in order, as facts and retractions of facts.

``latest`` tells a fact as soon as it is indexed and takes it back when a reorg removes it;
``finalized`` tells it once it can no longer change and takes nothing back. A consumer's place is a
cursor that it stores with what it made of the messages: told again from an older cursor, it hears
the same identities again, and knows them.

Rows of one chain's outbox become visible in the order of their ids, because every writer holds the
chain's row in ``marks`` when it adds one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from sqlalchemy import (
    Connection,
    Row,
    Select,
    SmallInteger,
    Subquery,
    Table,
    case,
    func,
    literal,
    literal_column,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert

from indexer.chain.types import BlockHash, BlockNumber, ChainId
from indexer.tables import (
    logs,
    marks,
    orphans,
    outbox,
    outbox_cursors,
    payments_confirmed,
    payments_created,
    token_transfers,
)

FACTS: Final[tuple[Table, ...]] = (payments_created, payments_confirmed, token_transfers, logs)
"""Tables that are told of, by rank: the order of facts that one log states."""
Delivery = Literal["latest", "finalized"]
_Change = Row[Any, Any, Any, Any, Any]
_BEFORE_ALL_RANKS = -1
_CHANGES_MAX = 10_000
"""Reorgs and amendments looked at in one read."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A fact's place on its chain; ``rank`` -1 is before every fact of the same log."""

    block_number: BlockNumber
    log_index: int
    ordinal: int
    rank: int

    def before(self) -> "Place":
        """The place that everything before this one is at or below."""
        return replace(self, rank=self.rank - 1)


@dataclass(frozen=True, slots=True)
class Cursor:
    """What a consumer knows: every change up to ``outbox_id``, every fact up to ``place``."""

    outbox_id: int
    place: Place


BEGINNING: Final = Cursor(0, Place(BlockNumber(-1), 0, 0, _BEFORE_ALL_RANKS))
"""Of a consumer that knows nothing."""


@dataclass(frozen=True, slots=True)
class FactId:
    """What tells a fact from every other, for ever; the same on a branch and off it."""

    fact: str
    """Name of its table."""
    chain_id: ChainId
    block_hash: BlockHash
    log_index: int
    ordinal: int
    """Place in an event that states many facts, else 0."""


@dataclass(frozen=True, slots=True)
class Message:
    """A fact that holds, or one that holds no longer."""

    kind: Literal["assert", "retract"]
    revision: int
    """1 + the reorgs of its chain so far; never falls."""
    identity: FactId
    block_number: BlockNumber
    values: Mapping[str, Any]
    """The fact's row: bytes as ``\\x`` hex, integers as integers."""


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
    place = Place(row.block_number, row.log_index, row.ordinal, row.rank)
    return Cursor(row.outbox_id, place)


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
        connection: In the transaction that stores what the messages made, for exactly once.
        consumer: Its name; one process at a time reads under it.
        chain_id: The chain.
        delivery: As it read.
        through: Of what it read.
    """
    place = through.place
    statement = insert(outbox_cursors).values(
        consumer=consumer,
        chain_id=chain_id,
        delivery=delivery,
        outbox_id=through.outbox_id,
        block_number=place.block_number,
        log_index=place.log_index,
        ordinal=place.ordinal,
        rank=place.rank,
    )
    moved = ("outbox_id", "block_number", "log_index", "ordinal", "rank")
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

    What was added and removed before it read is not told. After an amendment (a contract became
    known, a range was repaired) the facts from there on are told again: one that it holds already
    has the same identity and the same values.

    Args:
        connection: Any isolation level.
        consumer: Its name.
        chain_id: The chain.
        delivery: ``latest``, or ``finalized``: up to the finalized mark, and never a retraction.
        limit: Messages at most.
    """
    cursor = read_cursor(connection, consumer=consumer, chain_id=chain_id, delivery=delivery)
    while True:
        changes = _changes(connection, chain_id, cursor.outbox_id)
        told = _tell_changes(connection, chain_id, delivery, cursor, changes, limit)
        if len(told.messages) >= limit or len(changes.rows) >= _CHANGES_MAX:
            return told
        asserted = _assertions(
            connection,
            chain_id,
            delivery,
            told.through,
            limit=limit - len(told.messages),
            revision=changes.revision,
        )
        # A reorg that commits between these reads leaves facts of a branch that is not told of.
        if _changes(connection, chain_id, told.through.outbox_id).rows:
            continue
        place = _place_of(asserted[-1]) if asserted else told.through.place
        return Told((*told.messages, *asserted), replace(told.through, place=place))


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
    connection: Connection,
    chain_id: ChainId,
    delivery: Delivery,
    cursor: Cursor,
    changes: _Changes,
    limit: int,
) -> Told:
    """Go through removals and amendments in order, as far as the limit goes."""
    messages: list[Message] = []
    for row in changes.rows:
        if row.reorg_id is not None and delivery == "latest":
            gone = _retractions(
                connection, chain_id, row, cursor.place, limit=limit - len(messages)
            )
            messages += gone
            if gone:
                cursor = replace(cursor, place=_place_of(gone[-1]).before())
            if len(messages) >= limit:
                return Told(tuple(messages), cursor)
        start = Place(row.low, 0, 0, _BEFORE_ALL_RANKS)
        is_heard = row.action == "amended" or delivery == "latest"
        place = min(cursor.place, start) if is_heard else cursor.place
        cursor = Cursor(row.id, place)
    return Told(tuple(messages), replace(cursor, outbox_id=changes.newest_id))


def _retractions(
    connection: Connection, chain_id: ChainId, row: _Change, place: Place, *, limit: int
) -> list[Message]:
    """What a reorg took of what the consumer holds, newest first."""
    rank = case({table.name: number for number, table in enumerate(FACTS)}, value=orphans.c.fact)
    at = tuple_(orphans.c.block_number, orphans.c.log_index, orphans.c.ordinal, rank)
    rows = connection.execute(
        select(orphans)
        .where(
            orphans.c.reorg_id == row.reorg_id,
            orphans.c.chain_id == chain_id,
            at <= (place.block_number, place.log_index, place.ordinal, place.rank),
        )
        .order_by(
            orphans.c.block_number.desc(),
            orphans.c.log_index.desc(),
            orphans.c.ordinal.desc(),
            rank.desc(),
        )
        .limit(limit)
    )
    return [_message("retract", row.revision, chain_id, gone.fact, gone) for gone in rows]


def _assertions(
    connection: Connection,
    chain_id: ChainId,
    delivery: Delivery,
    cursor: Cursor,
    *,
    limit: int,
    revision: int,
) -> list[Message]:
    """The facts after the consumer's place, in the order of the chain, in one snapshot."""
    parts = [
        select(_after(table, rank, chain_id, delivery, cursor.place, limit))
        for rank, table in enumerate(FACTS)
    ]
    facts = union_all(*parts).subquery("facts")
    rows = connection.execute(
        select(facts)
        .order_by(facts.c.block_number, facts.c.log_index, facts.c.ordinal, facts.c.rank)
        .limit(limit)
    )
    return [_message("assert", revision, chain_id, FACTS[row.rank].name, row) for row in rows]


def _after(
    table: Table, rank: int, chain_id: ChainId, delivery: Delivery, place: Place, limit: int
) -> Subquery:
    ordinal = table.c.ordinal if "ordinal" in table.c else literal(0)
    ranked = literal(rank, SmallInteger)
    found: Select[Any] = (
        select(
            table.c.block_number,
            table.c.block_hash,
            table.c.log_index,
            ordinal.label("ordinal"),
            ranked.label("rank"),
            func.to_jsonb(literal_column(table.name)).label("values"),
        )
        .where(
            table.c.chain_id == chain_id,
            tuple_(table.c.block_number, table.c.log_index, ordinal, ranked)
            > (place.block_number, place.log_index, place.ordinal, place.rank),
        )
        .order_by(table.c.block_number, table.c.log_index, ordinal)
        .limit(limit)
    )
    if delivery == "finalized":
        mark = select(marks.c.finalized_number).where(marks.c.chain_id == chain_id)
        found = found.where(table.c.block_number <= mark.scalar_subquery())
    return found.subquery(f"after_{rank}")


def _message(
    kind: Literal["assert", "retract"],
    revision: int,
    chain_id: ChainId,
    fact: str,
    row: Row[Any],
) -> Message:
    identity = FactId(fact, chain_id, BlockHash(bytes(row.block_hash)), row.log_index, row.ordinal)
    return Message(kind, revision, identity, row.block_number, row.values)


def _place_of(message: Message) -> Place:
    rank = next(n for n, table in enumerate(FACTS) if table.name == message.identity.fact)
    identity = message.identity
    return Place(message.block_number, identity.log_index, identity.ordinal, rank)
