"""Find what an operator names, be it a payment or a transaction, and tell its story."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, func, or_, select

from indexer.chain.networks import NETWORKS
from indexer.chain.types import HASH_BYTES, PaymentId, TxHash, bytes_from_hex
from indexer.queries import events_of_transaction
from settlement.record_tables import actions
from settlement.reporting.story import PaymentStory, tell
from settlement.reporting.transaction_story import BatchStory, batch_of_transaction
from settlement.tables import batch_items, requests
from settlement.types import RequestState

NAMED_MAX: Final = 50
"""Payments of one transaction that are listed."""


@dataclass(frozen=True, slots=True)
class Named:
    """A payment that a transaction carries."""

    root_id: UUID
    request_id: UUID
    payment_id: PaymentId
    state: RequestState


@dataclass(frozen=True, slots=True)
class TransactionStory:
    """A transaction that carries no payment, or more than one."""

    tx_hash: TxHash
    batch: BatchStory | None
    """None: somebody else sent it."""
    payments: tuple[Named, ...]
    """At most ``NAMED_MAX`` of them."""
    payments_total: int


def why(connection: Connection, name: UUID | bytes) -> PaymentStory | TransactionStory | None:
    """Tell what is known of a payment or a transaction; None when nothing is.

    Args:
        connection: As ``story.tell`` has it.
        name: A request id, or that of the action which undoes it; a payment's 32 bytes on-chain; or
            the hash of a transaction, ours or another's that the index shows.
    """
    if isinstance(name, UUID):
        return _of_id(connection, name)
    root = connection.execute(
        select(requests.c.root_id).where(requests.c.payment_id == name)
    ).scalar()
    return _of_transaction(connection, TxHash(name)) if root is None else tell(connection, root)


def _of_id(connection: Connection, name: UUID) -> PaymentStory | None:
    root = connection.execute(
        select(requests.c.root_id).where(
            or_(requests.c.request_id == name, requests.c.root_id == name)
        )
    ).scalar()
    if root is None:
        root = connection.execute(
            select(actions.c.request_id).where(actions.c.action_id == name)
        ).scalar()
    return None if root is None else tell(connection, root)


def _of_transaction(
    connection: Connection, tx_hash: TxHash
) -> PaymentStory | TransactionStory | None:
    batch = batch_of_transaction(connection, tx_hash)
    if batch is not None and batch.action_id is not None:
        undone = _of_id(connection, batch.action_id)
        if undone is not None:
            return undone
    if batch is not None:
        carried = select(batch_items.c.request_id).where(batch_items.c.batch_id == batch.batch_id)
        which = requests.c.request_id.in_(carried)
    else:
        which = requests.c.payment_id.in_(_named_onchain(connection, tx_hash))
    total = connection.execute(select(func.count()).where(which)).scalar_one()
    if batch is None and not total:
        return None
    payments = tuple(_named(connection, which))
    if total == 1:
        return tell(connection, payments[0].root_id)
    return TransactionStory(tx_hash=tx_hash, batch=batch, payments=payments, payments_total=total)


def _named(connection: Connection, which: ColumnElement[bool]) -> Iterator[Named]:
    rows = connection.execute(
        select(requests.c.root_id, requests.c.request_id, requests.c.payment_id, requests.c.state)
        .where(which)
        .order_by(requests.c.captured_at, requests.c.request_id)
        .limit(NAMED_MAX)
    )
    return (Named(*row) for row in rows)


def _named_onchain(connection: Connection, tx_hash: TxHash) -> Collection[bytes]:
    """All 32-byte words in the events of a transaction: among them, the payments it moved."""
    events = events_of_transaction(
        connection, chain_ids=[network.chain_id for network in NETWORKS], tx_hash=tx_hash
    )
    return {word for event in events for word in _words(event.arguments)}


def _words(argument: Any) -> Iterator[bytes]:  # noqa: ANN401 - any JSON value
    match argument:
        case str() if argument.startswith("0x") and len(argument) == 2 + 2 * HASH_BYTES:
            yield bytes_from_hex(argument)
        case Mapping():
            for part in argument.values():
                yield from _words(part)
        case list():
            for part in argument:
                yield from _words(part)
        case _:
            return
