"""Write the ledger out, a line for each transfer, in an order that never changes.

Journals stand in the order of their transactions' numbers, and none is told while a transaction
before it may still commit: whoever goes on after the last line it has misses none.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import groupby
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select, tuple_

from indexer.plain import plain
from offchain.ledger.tables import ledger_journals, ledger_transfers
from offchain.ledger.tokens import TOKEN
from offchain.ledger.transfers import Kind
from offchain.money import MINOR_DIGITS, Currency

Format = Literal["csv", "jsonl", "journal"]

ROWS_AT_ONCE = 2000
_CHUNK = 64 * 1024
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would run a text that begins so."""
_COUNTING: frozenset[Kind] = frozenset({"single", "post"})


@dataclass(frozen=True, slots=True)
class Line:
    """One transfer, as it is told. The fields' order is that of the columns."""

    id: UUID
    journal_id: UUID
    at: datetime
    source: str
    source_id: str
    kind: Kind
    pending_id: UUID | None
    """Of a post or void: the transfer it resolves."""
    debit_account: str
    credit_account: str
    currency: Currency
    amount: int
    """Minor units of a fiat currency, base units of a token."""

    @property
    def decimal(self) -> str:
        """The amount as people write it; empty for a token, whose scale the ledger knows not."""
        return decimal_of(self.amount, self.currency)


COLUMNS = (*(one.name for one in fields(Line)), "decimal")


@dataclass(frozen=True, slots=True)
class Span:
    """Which transfers are told."""

    since: datetime | None = None
    until: datetime | None = None
    """Not at this time itself."""
    after: UUID | None = None
    """The last transfer that is known already."""


def decimal_of(units: int, currency: str) -> str:
    """Write minor units as a decimal number; nothing for a token."""
    if currency.startswith(TOKEN):
        return ""
    whole, part = divmod(abs(units), 10**MINOR_DIGITS)
    return f"{'-' if units < 0 else ''}{whole}.{part:0{MINOR_DIGITS}d}"


def is_known(connection: Connection, transfer: UUID) -> bool:
    """Whether the ledger holds a transfer."""
    query = select(ledger_transfers.c.id).where(ledger_transfers.c.id == transfer)
    return connection.execute(query).first() is not None


def count_lines(connection: Connection, span: Span) -> int:
    """How many transfers a span tells."""
    told = _transfers(connection, span).order_by(None).subquery()
    return connection.execute(select(func.count()).select_from(told)).scalar_one()


def read_lines(connection: Connection, span: Span) -> Iterator[Line]:
    """Read the transfers of a span, some at a time, through a cursor of the server.

    Args:
        connection: One snapshot (REPEATABLE READ) that may read the ledger.
        span: Which.
    """
    query = _transfers(connection, span)
    streaming = query.execution_options(yield_per=ROWS_AT_ONCE)
    for row in connection.execute(streaming):
        yield Line(*row)


def _transfers(connection: Connection, span: Span) -> Select[Any]:
    journals, transfers = ledger_journals.c, ledger_transfers.c
    oldest_running = func.settlement.xact_number(func.pg_snapshot_xmin(func.pg_current_snapshot()))
    wanted: list[ColumnElement[bool]] = [journals.xact < oldest_running]
    if span.since is not None:
        wanted.append(journals.at >= span.since)
    if span.until is not None:
        wanted.append(journals.at < span.until)
    if span.after is not None:
        wanted.append(_behind(connection, span.after))
    return (
        select(
            transfers.id,
            transfers.journal_id,
            journals.at,
            transfers.source,
            transfers.source_id,
            transfers.kind,
            transfers.pending_id,
            transfers.debit_account,
            transfers.credit_account,
            transfers.currency,
            transfers.amount,
        )
        .join(ledger_journals, journals.id == transfers.journal_id)
        .where(*wanted)
        .order_by(journals.xact, journals.number, transfers.position)
    )


def _behind(connection: Connection, transfer: UUID) -> ColumnElement[bool]:
    """Later in the order than a transfer that is there."""
    journals, transfers = ledger_journals.c, ledger_transfers.c
    xact, number, position = connection.execute(
        select(journals.xact, journals.number, transfers.position)
        .join(ledger_transfers, transfers.journal_id == journals.id)
        .where(transfers.id == transfer)
    ).one()
    return and_(
        tuple_(journals.xact, journals.number)
        >= tuple_(xact, number),  # finds its way by the index
        tuple_(journals.xact, journals.number, transfers.position) > tuple_(xact, number, position),
    )


def write_csv(lines: Iterable[Line]) -> Iterator[str]:
    """RFC 4180, with a heading; a text that a spreadsheet would run has an apostrophe before it."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for line in lines:
        writer.writerow(_inert(value) for value in _fields(line).values())
        if buffer.tell() > _CHUNK:
            yield _emptied(buffer)
    yield _emptied(buffer)


def write_jsonl(lines: Iterable[Line]) -> Iterator[str]:
    """A JSON object a line; amounts are integers of any size, never floats."""
    for line in lines:
        yield json.dumps(_fields(line), default=plain) + "\n"


def write_journal(lines: Iterable[Line]) -> Iterator[str]:
    """What hledger reads: one transaction per journal, of what counts in the end.

    Pending transfers and voids move nothing, and are left out.
    """
    counting = (line for line in lines if line.kind in _COUNTING)
    for _, journal in groupby(counting, key=lambda line: line.journal_id):
        parts = list(journal)
        first = parts[0]
        yield f"{first.at:%Y-%m-%d} * ({first.journal_id}) {first.source} {first.source_id}\n"
        for one in parts:
            yield f"    {one.debit_account}  {_commodity(one.amount, one.currency)}\n"
            yield f"    {one.credit_account}  {_commodity(-one.amount, one.currency)}\n"
        yield "\n"


WRITERS: Mapping[Format, Callable[[Iterable[Line]], Iterator[str]]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "journal": write_journal,
}


def _fields(line: Line) -> dict[str, Any]:
    return {name: getattr(line, name) for name in COLUMNS}


def _inert(value: object) -> object:
    if value is None or isinstance(value, int):
        return value
    text = plain(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _emptied(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _commodity(units: int, currency: Currency) -> str:
    decimal = decimal_of(units, currency)
    return f"{decimal} {currency.upper()}" if decimal else f'{units} "{currency}"'
