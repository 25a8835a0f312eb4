"""Which payment each refund ends, where its name alone does not tell.

A refund names a crypto payment by its key or by the id that its buyer paid under; the platform's
payment may live under that id too, and then it is the one that is meant. So what a name means rests
on what lived before, and the facts before decide it: a reorg that takes those takes the refund too.

Source: ``PaymentBook.lookUp``. Oak's treasuries refuse an id that the other kind of payment uses.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    and_,
    any_,
    column,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import distinct_on

from indexer.chain.types import Address, BlockNumber, ChainId, PaymentId, bytes_from_hex
from indexer.db.columns import ADDRESS, HASH, FixedBytes
from indexer.events import PAYMENT_CANCELLED, REFUND_CLAIMED
from indexer.projection_tables import payment_lives
from indexer.tables import logs, payments_created

PaymentKey = tuple[Address, PaymentId]
"""Treasury and payment id; that of a crypto payment is its key."""


@dataclass(frozen=True, slots=True)
class Step:
    """A creation or an end, as far as it bears on what names mean."""

    kind: Literal["created", "cancelled", "refunded"]
    treasury: Address
    name: PaymentId
    """The id of a creation, the name that an end gives."""
    block_number: BlockNumber
    log_index: int
    announced: PaymentId | None = None
    """Of a crypto payment's creation: the id that its buyer paid under."""


@dataclass(frozen=True, slots=True)
class Meant:
    """A refund that ends another payment than the one under its name."""

    block_number: BlockNumber
    log_index: int
    payment_id: PaymentId


def meant_by(
    steps: Iterable[Step], *, alive: set[PaymentKey], announced: dict[PaymentKey, PaymentId]
) -> list[Meant]:
    """Go through steps in the order of the chain and tell what each refund ends. Pure.

    Args:
        steps: In any order.
        alive: Which of the refunds' names a payment lives under before the first step.
        announced: The payment that a buyer last made under each name, likewise.
    """
    living, made = set(alive), dict(announced)
    others = []
    for step in sorted(steps, key=lambda one: (one.block_number, one.log_index)):
        key = step.treasury, step.name
        if step.kind == "created":
            living.add(key)
            if step.announced is not None:
                made[step.treasury, step.announced] = step.name
            continue
        if step.kind == "refunded" and key not in living and key in made:
            key = step.treasury, made[key]
            others.append(Meant(step.block_number, step.log_index, key[1]))
        living.discard(key)
    return others


def resolve_refunds(
    connection: Connection,
    chain_id: ChainId,
    low: BlockNumber,
    high: BlockNumber,
    *,
    treasuries: Sequence[Address] | None,
) -> list[Meant]:
    """Find the refunds in blocks ``low`` to ``high`` that end another payment than they name.

    Args:
        connection: No life may rest on a block from ``low`` on.
        chain_id: The chain.
        low: First block.
        high: Last block.
        treasuries: Whose refunds; None for everybody's.
    """
    ends = _ends(connection, chain_id, low, high, treasuries)
    keys = sorted({(end.treasury, end.name) for end in ends if end.kind == "refunded"})
    if not keys:
        return []
    names = sorted({name for _, name in keys})
    announced = _announced(connection, chain_id, keys)
    creations = _creations(connection, chain_id, low, high, names)
    if not announced and all(step.announced is None for step in creations):
        return []
    alive = _alive(connection, chain_id, names)
    return meant_by([*ends, *creations], alive=alive, announced=announced)


def _ends(
    connection: Connection,
    chain_id: ChainId,
    low: BlockNumber,
    high: BlockNumber,
    treasuries: Sequence[Address] | None,
) -> list[Step]:
    rows = connection.execute(
        select(
            logs.c.event,
            logs.c.address,
            logs.c.arguments["paymentId"].astext.label("name"),
            logs.c.block_number,
            logs.c.log_index,
        ).where(
            logs.c.chain_id == chain_id,
            logs.c.block_number.between(low, high),
            logs.c.event.in_([REFUND_CLAIMED.name, PAYMENT_CANCELLED.name]),
            true() if treasuries is None else _among(logs.c.address, treasuries, ADDRESS),
        )
    )
    return [
        Step(
            "refunded" if row.event == REFUND_CLAIMED.name else "cancelled",
            row.address,
            PaymentId(bytes_from_hex(row.name)),
            row.block_number,
            row.log_index,
        )
        for row in rows
    ]


def _creations(
    connection: Connection,
    chain_id: ChainId,
    low: BlockNumber,
    high: BlockNumber,
    names: Sequence[PaymentId],
) -> list[Step]:
    """Payments made in the range under one of the names, or announced under it."""
    table = payments_created.c
    rows = connection.execute(
        select(
            table.treasury,
            table.payment_id,
            table.block_number,
            table.log_index,
            table.is_crypto,
            table.announced_id,
        ).where(
            table.chain_id == chain_id,
            table.block_number.between(low, high),
            or_(_among(table.payment_id, names, HASH), _among(table.announced_id, names, HASH)),
        )
    )
    return [
        Step(
            "created",
            row.treasury,
            row.payment_id,
            row.block_number,
            row.log_index,
            announced=row.announced_id if row.is_crypto else None,
        )
        for row in rows
    ]


def _alive(
    connection: Connection, chain_id: ChainId, names: Sequence[PaymentId]
) -> set[PaymentKey]:
    """The names under which a payment lives."""
    table = payment_lives.c
    rows = connection.execute(
        select(table.treasury, table.payment_id).where(
            table.chain_id == chain_id,
            _among(table.payment_id, names, HASH),
            table.is_present,
            table.ended_block.is_(None),
        )
    )
    return {(row.treasury, row.payment_id) for row in rows}


def _announced(
    connection: Connection, chain_id: ChainId, keys: Sequence[PaymentKey]
) -> dict[PaymentKey, PaymentId]:
    """The crypto payments that were last announced under these names."""
    table = payment_lives.c
    treasuries, names = zip(*keys, strict=True)
    wanted = (
        func.unnest(literal(list(treasuries), ARRAY(ADDRESS)), literal(list(names), ARRAY(HASH)))
        .table_valued(column("treasury", ADDRESS), column("name", HASH), name="wanted")
        .render_derived()
    )
    rows = connection.execute(
        select(table.treasury, table.announced_id, table.payment_id)
        .join(
            wanted,
            and_(wanted.c.treasury == table.treasury, wanted.c.name == table.announced_id),
        )
        .where(table.chain_id == chain_id, table.is_crypto)
        .ext(distinct_on(table.treasury, table.announced_id))
        .order_by(
            table.treasury,
            table.announced_id,
            table.created_block.desc(),
            table.created_log_index.desc(),
        )
    )
    return {(row.treasury, row.announced_id): row.payment_id for row in rows}


def _among(
    what: ColumnElement[Any], values: Sequence[bytes], kind: FixedBytes
) -> ColumnElement[bool]:
    return what == any_(literal(list(values), ARRAY(kind)))
