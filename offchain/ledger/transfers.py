"""Write journals: one event, whole. Ids are derived from it, so writing it twice writes it once.

Triggers and unique indexes of the schema stand behind every promise made here; the last of them
looks at commit, and refuses a journal that does not hold what it declares.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NewType

from sqlalchemy import Connection, RowMapping, select
from sqlalchemy.dialects.postgresql import insert

from indexer.errors import InvariantError
from offchain.ledger.accounts import Account
from offchain.ledger.tables import ledger_accounts, ledger_journals, ledger_transfers
from offchain.money import Currency, Money

TransferId = NewType("TransferId", uuid.UUID)
Kind = Literal["pending", "post", "void", "single"]

_NAMESPACE = uuid.UUID("6f2c1f0e-8d0b-5f5e-9f43-5b6c0a1e7d21")
_COMPARED = ("kind", "pending_id", "debit_account", "credit_account", "amount", "currency")


@dataclass(frozen=True, slots=True)
class Entry:
    """Money to move between two accounts because of one event: a journal of one transfer."""

    source: str
    """What happened, e.g. ``capture``."""
    source_id: str
    """Which one; ``(source, source_id, kind)`` posts once."""
    debit: Account
    credit: Account
    amount: Money


@dataclass(frozen=True, slots=True)
class Transfer:
    """Units to move from one account to another, both in the same currency."""

    debit: Account
    credit: Account
    units: int
    """Above zero: minor units of a fiat currency, base units of a token."""
    currency: Currency
    """ISO 4217 in lower case, or a token's as ``offchain.ledger.tokens`` spells it."""


@dataclass(frozen=True, slots=True)
class Journal:
    """All that one event moves: written whole or not at all, and never added to."""

    source: str
    """What happened, e.g. ``capture``."""
    source_id: str
    """Which one."""
    at_once: tuple[Transfer, ...] = ()
    """What counts at once."""
    pending: tuple[Transfer, ...] = ()
    """What waits, together, for ``post`` or ``void``."""
    totals: Mapping[Currency, int] | None = None
    """What the event itself says it moved, per currency, where it does: a forgotten part shows."""

    def __post_init__(self) -> None:
        """Refuse a journal that does not add up."""
        moved = _totals((one.currency, one.units) for one in (*self.pending, *self.at_once))
        if not moved or (self.totals is not None and moved != dict(self.totals)):
            raise ValueError(
                f"the transfers of {self.source} {self.source_id} sum to {moved}, "
                f"the event says {self.totals}"
            )


def transfer_id(source: str, source_id: str, kind: Kind) -> TransferId:
    """The id of the first transfer that this event makes, and of its journal: same on every try."""
    return TransferId(uuid.uuid5(_NAMESPACE, f"{kind}\x1f{source}\x1f{source_id}"))


def post_journal(connection: Connection, journal: Journal) -> TransferId:
    """Write all that an event moves.

    Returns:
        Its first transfer; where some of them wait, ``post`` and ``void`` of it resolve them all.

    Raises:
        InvariantError: The same event posted something else before.
    """
    _open(connection, (*journal.pending, *journal.at_once))
    rows = [_row(one, "pending") for one in journal.pending]
    rows += [_row(one, "single") for one in journal.at_once]
    kind: Kind = "pending" if journal.pending else "single"
    return _write(connection, _Event(journal.source, journal.source_id, kind), rows)


def post_pending(connection: Connection, entry: Entry) -> TransferId:
    """Write an entry that waits for ``post`` or ``void``.

    Raises:
        InvariantError: The same event posted something else before.
    """
    journal = Journal(entry.source, entry.source_id, pending=(_transfer(entry),))
    return post_journal(connection, journal)


def single(connection: Connection, entry: Entry) -> TransferId:
    """Write an entry that counts at once.

    Raises:
        InvariantError: The same event posted something else before.
    """
    journal = Journal(entry.source, entry.source_id, at_once=(_transfer(entry),))
    return post_journal(connection, journal)


def post(
    connection: Connection, pending: TransferId, *, at_once: Sequence[Transfer] = ()
) -> TransferId:
    """Make a pending transfer count, and all that waits in its journal with it.

    Args:
        connection: The caller's transaction.
        pending: Any pending transfer.
        at_once: What the same event moves besides, e.g. the tokens of a payment that is final.

    Raises:
        InvariantError: There is no such pending transfer, or it was voided.
    """
    return _resolve(connection, pending, "post", at_once)


def void(connection: Connection, pending: TransferId) -> TransferId:
    """Give a pending transfer up, and all that waits in its journal with it.

    Raises:
        InvariantError: There is no such pending transfer, or it was posted.
    """
    return _resolve(connection, pending, "void", ())


def resolution(connection: Connection, pending: TransferId) -> Kind | None:
    """How a pending transfer ended; None while it waits."""
    return connection.execute(
        select(ledger_transfers.c.kind).where(ledger_transfers.c.pending_id == pending)
    ).scalar_one_or_none()


def waiting_of(connection: Connection, pending: TransferId) -> tuple[Transfer, ...]:
    """What waited, or still waits, in the journal of a pending transfer that is its first."""
    rows = _of_journal(connection, pending)
    accounts = _accounts_of(connection, rows)
    return tuple(
        Transfer(
            accounts[row["debit_account"]],
            accounts[row["credit_account"]],
            row["amount"],
            row["currency"],
        )
        for row in rows
        if row["kind"] == "pending"
    )


@dataclass(frozen=True, slots=True)
class _Event:
    """What a journal is named after."""

    source: str
    source_id: str
    kind: Kind

    def transfer_id(self, position: int) -> TransferId:
        """The id of the journal's transfer there; the first one's is the journal's own."""
        if position == 0:
            return transfer_id(self.source, self.source_id, self.kind)
        name = f"{self.kind}\x1f{self.source}\x1f{self.source_id}\x1f{position}"
        return TransferId(uuid.uuid5(_NAMESPACE, name))


def _transfer(entry: Entry) -> Transfer:
    return Transfer(entry.debit, entry.credit, entry.amount.minor, entry.amount.currency)


def _totals(moved: Iterable[tuple[Currency, int]]) -> dict[Currency, int]:
    totals: Counter[Currency] = Counter()
    for currency, units in moved:
        totals[currency] += units
    return dict(totals)


def _row(transfer: Transfer, kind: Kind) -> dict[str, Any]:
    return {
        "kind": kind,
        "pending_id": None,
        "debit_account": transfer.debit.name,
        "credit_account": transfer.credit.name,
        "amount": transfer.units,
        "currency": transfer.currency,
    }


def _open(connection: Connection, transfers: Sequence[Transfer]) -> None:
    """Open the accounts that are new; in one order, so that no two writers wait for each other."""
    sides = {
        (account.name, one.currency): account.normal_side
        for one in transfers
        for account in (one.debit, one.credit)
    }
    rows = [
        {"id": name, "currency": currency, "normal_side": side}
        for (name, currency), side in sorted(sides.items())
    ]
    if rows:
        connection.execute(insert(ledger_accounts).values(rows).on_conflict_do_nothing())


def _resolve(
    connection: Connection,
    pending: TransferId,
    kind: Literal["post", "void"],
    at_once: Sequence[Transfer],
) -> TransferId:
    row = _read(connection, pending)
    if row is None or row["kind"] != "pending":
        raise InvariantError(f"transfer {pending} is not pending: it cannot be resolved")
    if resolution(connection, pending) not in {None, kind}:
        raise InvariantError(f"transfer {pending} was resolved: a {kind} of it was refused")
    waiting = [
        one for one in _of_journal(connection, row["journal_id"]) if one["kind"] == "pending"
    ]
    rows = [{**_compared(one), "kind": kind, "pending_id": one["id"]} for one in waiting]
    rows += [_row(one, "single") for one in at_once]
    _open(connection, at_once)
    event = _Event(row["source"], row["source_id"], kind)
    _write(connection, event, rows)
    return event.transfer_id(row["position"])


def _write(connection: Connection, event: _Event, rows: Sequence[dict[str, Any]]) -> TransferId:
    """Write a journal, or check that the one already there is the same."""
    journal_id = event.transfer_id(0)
    totals = _totals((row["currency"], row["amount"]) for row in rows)
    named = {"source": event.source, "source_id": event.source_id}
    declared = {currency: str(units) for currency, units in totals.items()}
    is_new = connection.execute(
        insert(ledger_journals)
        .values(id=journal_id, kind=event.kind, transfers=len(rows), totals=declared, **named)
        .on_conflict_do_nothing()
        .returning(ledger_journals.c.id)
    ).first()
    if is_new is None:
        there = [_compared(row) for row in _of_journal(connection, journal_id)]
        if there != list(rows):
            raise _contradiction(event)
        return journal_id
    numbered = [
        {"id": event.transfer_id(position), "journal_id": journal_id, "position": position}
        | row
        | named
        for position, row in enumerate(rows)
    ]
    written = connection.execute(
        insert(ledger_transfers)
        .values(numbered)
        .on_conflict_do_nothing()  # a racing resolution of the same transfer was first
        .returning(ledger_transfers.c.id)
    ).all()
    if len(written) != len(numbered):
        raise _contradiction(event)
    return journal_id


def _contradiction(event: _Event) -> InvariantError:
    return InvariantError(
        f"{event.kind} of {event.source} {event.source_id} contradicts one already in the ledger: "
        "nothing was written; compare the two source events"
    )


def _read(connection: Connection, identifier: TransferId) -> RowMapping | None:
    query = select(ledger_transfers).where(ledger_transfers.c.id == identifier)
    return connection.execute(query).mappings().first()


def _of_journal(connection: Connection, journal_id: uuid.UUID) -> Sequence[RowMapping]:
    return (
        connection.execute(
            select(ledger_transfers)
            .where(ledger_transfers.c.journal_id == journal_id)
            .order_by(ledger_transfers.c.position)
        )
        .mappings()
        .all()
    )


def _accounts_of(connection: Connection, rows: Iterable[RowMapping]) -> dict[str, Account]:
    names = {row[side] for row in rows for side in ("debit_account", "credit_account")}
    found = connection.execute(
        select(ledger_accounts.c.id, ledger_accounts.c.normal_side).where(
            ledger_accounts.c.id.in_(names)
        )
    )
    return {row.id: Account(row.id, row.normal_side) for row in found}


def _compared(row: RowMapping) -> dict[str, Any]:
    return {name: row[name] for name in _COMPARED}
