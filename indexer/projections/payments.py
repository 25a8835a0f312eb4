"""The present life of each payment, folded from its facts and rebuilt whenever one is touched."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    Connection,
    Row,
    Table,
    TableValuedAlias,
    and_,
    column,
    delete,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert

from indexer.chain.types import Address, ChainId, PaymentId
from indexer.db.columns import ADDRESS, HASH
from indexer.tables import blocks, payments, payments_confirmed, payments_created, payments_ended

PaymentKey = tuple[Address, PaymentId]
"""Treasury and payment id; that of a crypto payment is its key."""
Fact = Row[Any]
_CREATED, _CONFIRMED, _ENDED = range(3)
"""Order of facts that one log states: a crypto payment is created, then confirmed."""


def present_life(
    created: Iterable[Fact], confirmed: Iterable[Fact], ended: Iterable[Fact]
) -> dict[str, Any] | None:
    """Fold the facts of one payment id into its row; None when it was never created.

    An id that was cancelled or refunded can be created again: that starts the next life, and only
    the last life is the payment's state. Columns as in table ``payments``, without its key.
    """
    facts = [(_place(fact, _CREATED), fact) for fact in created]
    facts += [(_place(fact, _CONFIRMED), fact) for fact in confirmed]
    facts += [(_place(fact, _ENDED), fact) for fact in ended]
    life: dict[str, Any] | None = None
    for (_, _, kind), fact in sorted(facts, key=lambda placed: placed[0]):
        if kind == _CREATED:
            life = _born(fact, 1 if life is None else life["life"] + 1)
        elif life is None:
            continue  # the creation stands before the first block we read: nothing to say of it
        elif kind == _CONFIRMED:
            life |= _confirmation(fact)
        else:
            life["state"] = fact.outcome
    return life


def rebuild_payments(
    connection: Connection, chain_id: ChainId, touched: Iterable[PaymentKey]
) -> None:
    """Write the rows of these payments anew from their facts."""
    keys = sorted(set(touched))
    if not keys:
        return
    created = _facts(connection, payments_created, chain_id, keys)
    confirmed = _facts(connection, payments_confirmed, chain_id, keys)
    ended = _facts(connection, payments_ended, chain_id, keys)
    rows = []
    gone = []
    for key in keys:
        life = present_life(created[key], confirmed[key], ended[key])
        if life is None:
            gone.append(key)
        else:
            treasury, payment_id = key
            named = {"chain_id": chain_id, "treasury": treasury, "payment_id": payment_id}
            rows.append(named | life)
    if rows:
        _upsert(connection, rows)
    if gone:
        connection.execute(
            delete(payments).where(
                payments.c.chain_id == chain_id,
                tuple_(payments.c.treasury, payments.c.payment_id).in_(gone),
            )
        )


def table_of(keys: Sequence[PaymentKey]) -> TableValuedAlias:
    """Keys as a table to join with: columns ``treasury`` and ``payment_id``."""
    return (
        func.unnest(
            literal([treasury for treasury, _ in keys], ARRAY(ADDRESS)),
            literal([payment_id for _, payment_id in keys], ARRAY(HASH)),
        )
        .table_valued(column("treasury", ADDRESS), column("payment_id", HASH), name="wanted")
        .render_derived()
    )


def _place(fact: Fact, kind: int) -> tuple[int, int, int]:
    return fact.block_number, fact.log_index, kind


def _born(fact: Fact, life: int) -> dict[str, Any]:
    return {
        "life": life,
        "state": "created",
        "buyer_id": fact.buyer_id,
        "item_id": fact.item_id,
        "token": fact.token,
        "amount": fact.amount,
        "expiration": fact.expiration,
        "created_block": fact.block_number,
        "created_tx": fact.tx_hash,
        "confirmed_block": None,
        "confirmed_block_hash": None,
        "confirmed_tx": None,
        "confirmed_log_index": None,
        "confirmed_ordinal": None,
        "confirmed_at": None,
        "confirmed_proven": None,
    }


def _confirmation(fact: Fact) -> dict[str, Any]:
    return {
        "state": "confirmed",
        "confirmed_block": fact.block_number,
        "confirmed_block_hash": fact.block_hash,
        "confirmed_tx": fact.tx_hash,
        "confirmed_log_index": fact.log_index,
        "confirmed_ordinal": fact.ordinal,
        "confirmed_at": fact.timestamp,
        "confirmed_proven": fact.proven,
    }


def _facts(
    connection: Connection, table: Table, chain_id: ChainId, keys: Sequence[PaymentKey]
) -> defaultdict[PaymentKey, list[Fact]]:
    """The facts of these payments, each with its block's time and proof."""
    wanted = table_of(keys)
    rows = connection.execute(
        select(table, blocks.c.timestamp, blocks.c.proven)
        .join(
            wanted,
            and_(table.c.treasury == wanted.c.treasury, table.c.payment_id == wanted.c.payment_id),
        )
        .join(
            blocks,
            and_(blocks.c.chain_id == table.c.chain_id, blocks.c.number == table.c.block_number),
        )
        .where(table.c.chain_id == chain_id)
    )
    found: defaultdict[PaymentKey, list[Fact]] = defaultdict(list)
    for row in rows:
        found[row.treasury, row.payment_id].append(row)
    return found


def _upsert(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    statement = insert(payments)
    key = [column.name for column in payments.primary_key]
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=key,
            set_={c.name: statement.excluded[c.name] for c in payments.c if c.name not in key},
        ),
        rows,
    )
