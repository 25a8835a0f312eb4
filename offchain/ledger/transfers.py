"""Write transfers. Ids are derived from the source event, so writing one twice writes one.

An immutability trigger and unique indexes of the schema stand behind every promise made here.
"""

import uuid
from dataclasses import dataclass
from typing import Literal, NewType

from sqlalchemy import Connection, RowMapping, select
from sqlalchemy.dialects.postgresql import insert

from indexer.errors import InvariantError
from offchain.ledger.accounts import Account
from offchain.money import Money
from offchain.tables import ledger_accounts, ledger_transfers

TransferId = NewType("TransferId", uuid.UUID)
Kind = Literal["pending", "post", "void", "single"]

_NAMESPACE = uuid.UUID("6f2c1f0e-8d0b-5f5e-9f43-5b6c0a1e7d21")
_COMPARED = ("kind", "pending_id", "debit_account", "credit_account", "amount", "currency")


@dataclass(frozen=True, slots=True)
class Entry:
    """Money to move between two accounts because of one event."""

    source: str
    """What happened, e.g. ``capture``."""
    source_id: str
    """Which one; ``(source, source_id, kind)`` posts once."""
    debit: Account
    credit: Account
    amount: Money


def transfer_id(source: str, source_id: str, kind: Kind) -> TransferId:
    """The id of the transfer that this event makes, the same on every try."""
    return TransferId(uuid.uuid5(_NAMESPACE, f"{kind}\x1f{source}\x1f{source_id}"))


def post_pending(connection: Connection, entry: Entry) -> TransferId:
    """Write an entry that waits for ``post`` or ``void``.

    Raises:
        InvariantError: The same event posted something else before.
    """
    return _write_entry(connection, entry, "pending")


def single(connection: Connection, entry: Entry) -> TransferId:
    """Write an entry that counts at once.

    Raises:
        InvariantError: The same event posted something else before.
    """
    return _write_entry(connection, entry, "single")


def post(connection: Connection, pending: TransferId) -> TransferId:
    """Make a pending transfer count.

    Raises:
        InvariantError: There is no such pending transfer, or it was voided.
    """
    return _resolve(connection, pending, "post")


def void(connection: Connection, pending: TransferId) -> TransferId:
    """Give a pending transfer up.

    Raises:
        InvariantError: There is no such pending transfer, or it was posted.
    """
    return _resolve(connection, pending, "void")


def _write_entry(
    connection: Connection, entry: Entry, kind: Literal["pending", "single"]
) -> TransferId:
    for account in (entry.debit, entry.credit):
        connection.execute(
            insert(ledger_accounts)
            .values(
                id=account.name, currency=entry.amount.currency, normal_side=account.normal_side
            )
            .on_conflict_do_nothing()
        )
    identifier = transfer_id(entry.source, entry.source_id, kind)
    _insert(
        connection,
        {
            "id": identifier,
            "kind": kind,
            "pending_id": None,
            "debit_account": entry.debit.name,
            "credit_account": entry.credit.name,
            "amount": entry.amount.minor,
            "currency": entry.amount.currency,
            "source": entry.source,
            "source_id": entry.source_id,
        },
    )
    return identifier


def _resolve(
    connection: Connection, pending: TransferId, kind: Literal["post", "void"]
) -> TransferId:
    row = _read(connection, pending)
    if row is None or row["kind"] != "pending":
        raise InvariantError(f"transfer {pending} is not pending: it cannot be resolved")
    identifier = transfer_id(row["source"], row["source_id"], kind)
    _insert(connection, {**row, "id": identifier, "kind": kind, "pending_id": pending})
    return identifier


def _insert(connection: Connection, values: dict[str, object]) -> None:
    """Insert a transfer, or check that the one already there is the same."""
    inserted = connection.execute(
        insert(ledger_transfers)
        .values(values)
        .on_conflict_do_nothing()
        .returning(ledger_transfers.c.id)
    ).first()
    if inserted is not None:
        return
    there = _read(connection, TransferId(uuid.UUID(str(values["id"]))))
    if there is None or any(there[name] != values[name] for name in _COMPARED):
        raise InvariantError(
            f"transfer {values['id']} ({values['kind']}) contradicts one already in the ledger: "
            "nothing was written; compare the two source events"
        )


def _read(connection: Connection, identifier: TransferId) -> RowMapping | None:
    columns = [column for column in ledger_transfers.c if column.name != "created_at"]
    return (
        connection.execute(select(*columns).where(ledger_transfers.c.id == identifier))
        .mappings()
        .first()
    )
