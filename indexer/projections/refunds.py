"""Which payment each refund ends, decided once, when its fact is written.

A refund names a crypto payment by its key or by the id that its buyer paid under; the platform's
payment may live under that id too, and then it is the one that is meant. So what a name means rests
on what lived before, and the facts before decide it: a reorg that takes those takes the refund too.

Source: ``PaymentBook.lookUp``. Oak's treasuries refuse an id that the other kind of payment uses.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, literal, select, union_all
from sqlalchemy.dialects.postgresql import distinct_on

from indexer.chain.types import ChainId
from indexer.projections.facts import FactRow
from indexer.projections.payments import PaymentKey, table_of
from indexer.tables import payments_created, payments_ended

_POSITION = ("block_number", "log_index")


def resolve_refunds(
    connection: Connection, chain_id: ChainId, rows: Sequence[FactRow]
) -> list[FactRow]:
    """Put the payment it ends into each refund, in place of the name that the event gives.

    Args:
        connection: In the transaction that writes the rows.
        chain_id: The chain.
        rows: Facts to be written; all that stand before them are.

    Returns:
        The rows in the order of the chain.
    """
    ordered = sorted(rows, key=_place)
    names = sorted({_key(row) for row in ordered if _is_refund(row)})
    if not names:
        return ordered
    return list(
        name_ended(
            ordered,
            alive=_alive(connection, chain_id, names),
            announced=_announced(connection, chain_id, names),
        )
    )


def name_ended(
    rows: Iterable[FactRow], *, alive: set[PaymentKey], announced: dict[PaymentKey, PaymentKey]
) -> Iterator[FactRow]:
    """Go through the facts in order and tell what each refund ends. Pure but for its arguments.

    Args:
        rows: In the order of the chain.
        alive: Which of the refunds' names a payment lives under before the first row; kept up.
        announced: The payment that a buyer last made under each name, likewise.
    """
    for row in rows:
        if row.table is payments_created:
            alive.add(_key(row))
            if row.values["announced_id"] is not None:
                announced[row.values["treasury"], row.values["announced_id"]] = _key(row)
            yield row
        elif row.table is payments_ended:
            key = _key(row)
            if _is_refund(row) and key not in alive:
                key = announced.get(key, key)
            alive.discard(key)
            yield FactRow(row.table, row.values | {"payment_id": key[1]})
        else:
            yield row


def _is_refund(row: FactRow) -> bool:
    return row.table is payments_ended and row.values["outcome"] == "refunded"


def _key(row: FactRow) -> PaymentKey:
    return row.values["treasury"], row.values["payment_id"]


def _place(row: FactRow) -> tuple[int, ...]:
    return tuple(row.values[name] for name in _POSITION)


def _alive(
    connection: Connection, chain_id: ChainId, names: Sequence[PaymentKey]
) -> set[PaymentKey]:
    """The names that are ids of payments whose last fact does not end them."""
    facts = union_all(
        *(
            _named(table, table.c.payment_id, chain_id, names).add_columns(
                literal(table is payments_created).label("is_alive")
            )
            for table in (payments_created, payments_ended)
        )
    ).subquery("facts")
    rows = connection.execute(_last(select(facts), facts.c))
    return {(row.treasury, row.name) for row in rows if row.is_alive}


def _announced(
    connection: Connection, chain_id: ChainId, names: Sequence[PaymentKey]
) -> dict[PaymentKey, PaymentKey]:
    """The crypto payments that were last announced under these names."""
    made = _named(payments_created, payments_created.c.announced_id, chain_id, names)
    facts = made.add_columns(payments_created.c.payment_id).subquery("facts")
    rows = connection.execute(_last(select(facts), facts.c))
    return {(row.treasury, row.name): (row.treasury, row.payment_id) for row in rows}


def _named(
    table: Table, name: ColumnElement[Any], chain_id: ChainId, names: Sequence[PaymentKey]
) -> Select[Any]:
    """Facts that have one of the names in a column, with their position."""
    wanted = table_of(names)
    return (
        select(table.c.treasury, name.label("name"), *(table.c[column] for column in _POSITION))
        .join(wanted, and_(table.c.treasury == wanted.c.treasury, name == wanted.c.payment_id))
        .where(table.c.chain_id == chain_id)
    )


def _last(facts: Select[Any], columns: Any) -> Select[Any]:  # noqa: ANN401 - a subquery's columns
    """The last fact of each name."""
    named = (columns.treasury, columns.name)
    newest_first = (columns[one].desc() for one in _POSITION)
    return facts.ext(distinct_on(*named)).order_by(*named, *newest_first)
