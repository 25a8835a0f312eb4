"""What a consumer of the outbox is told, and where it is found: facts that hold, facts that did.

A fact that holds stands in its table; one that holds no longer in ``orphans``, under the record of
the reorg or repair that removed it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
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

from indexer.chain.types import BlockHash, BlockNumber, ChainId
from indexer.tables import (
    logs,
    marks,
    orphans,
    payments_confirmed,
    payments_created,
    token_transfers,
)

FACTS: Final[tuple[Table, ...]] = (payments_created, payments_confirmed, token_transfers, logs)
"""Tables that are told of, by rank: the order of facts that one log states."""
Delivery = Literal["latest", "finalized"]
_BEFORE_ALL_RANKS = -1


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A fact's place on its chain; ``rank`` -1 is before every fact of the same log."""

    block_number: BlockNumber
    log_index: int
    ordinal: int
    rank: int

    @classmethod
    def start_of(cls, block_number: BlockNumber) -> "Place":
        """Before every fact of a block, after every fact of the blocks below."""
        return cls(block_number, 0, 0, _BEFORE_ALL_RANKS)


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
    """A fact that holds, or one that holds no longer.

    A retraction of an identity that the consumer does not know is to be ignored: the fact came and
    went in blocks that it had heard of, before it was told. The same identity may be asserted again
    afterwards, with other values if those were false.
    """

    kind: Literal["assert", "retract"]
    revision: int
    """1 + the reorgs and removals by repairs of its chain so far; never falls."""
    identity: FactId
    block_number: BlockNumber
    values: Mapping[str, Any]
    """The fact's row: bytes as ``\\x`` hex, integers as integers."""

    @property
    def place(self) -> Place:
        """Where the fact stands, or stood."""
        one = self.identity
        rank = next(n for n, table in enumerate(FACTS) if table.name == one.fact)
        return Place(self.block_number, one.log_index, one.ordinal, rank)


@dataclass(frozen=True, slots=True)
class Removal:
    """Facts that went together, as a consumer is to hear of them."""

    reorg_id: int
    revision: int
    held: Place
    """What stood above was never told."""
    retracted: int
    """How many of them were told of before."""


def retractions(
    connection: Connection, chain_id: ChainId, removal: Removal, *, limit: int
) -> list[Message]:
    """What went of what the consumer may hold, newest first.

    Args:
        connection: Any isolation level; what was removed never changes.
        chain_id: The chain.
        removal: Which, and how much of it is known.
        limit: Messages at most.
    """
    rank = case({table.name: number for number, table in enumerate(FACTS)}, value=orphans.c.fact)
    held = removal.held
    rows = connection.execute(
        select(orphans)
        .where(
            orphans.c.reorg_id == removal.reorg_id,
            orphans.c.chain_id == chain_id,
            tuple_(orphans.c.block_number, orphans.c.log_index, orphans.c.ordinal, rank)
            <= (held.block_number, held.log_index, held.ordinal, held.rank),
        )
        .order_by(
            orphans.c.block_number.desc(),
            orphans.c.log_index.desc(),
            orphans.c.ordinal.desc(),
            rank.desc(),
        )
        .offset(removal.retracted)
        .limit(limit)
    )
    return [_message("retract", removal.revision, chain_id, gone.fact, gone) for gone in rows]


def assertions(
    connection: Connection,
    chain_id: ChainId,
    delivery: Delivery,
    place: Place,
    *,
    limit: int,
    revision: int,
) -> list[Message]:
    """The facts after a place, in the order of the chain, in one snapshot.

    Args:
        connection: Any isolation level.
        chain_id: The chain.
        delivery: ``finalized`` ends at the finalized mark.
        place: Where the consumer was told last.
        limit: Messages at most.
        revision: Of the newest change that is known.
    """
    parts = [
        select(_after(table, rank, chain_id, delivery, place, limit))
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
