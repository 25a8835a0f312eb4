"""What the ledger is told as: whole, in an order that never changes, in three forms."""

import csv
import io
import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from offchain.ledger.export import (
    COLUMNS,
    WRITERS,
    Format,
    Line,
    Span,
    count_lines,
    decimal_of,
    is_known,
    read_lines,
)
from offchain.ledger.transfers import Journal, post, post_journal
from offchain.money import Currency
from tests.support.ledger_rows import BRL, FEES, OTHER, OWED, RECEIVABLE, moving, tamper

TOKEN = Currency("token:celo:0x" + "ab" * 20)
LINE = Line(
    id=uuid.UUID(int=1),
    journal_id=uuid.UUID(int=9),
    at=datetime(2026, 1, 31, 23, 59, tzinfo=UTC),
    source="capture",
    source_id="a",
    kind="single",
    pending_id=None,
    debit_account=RECEIVABLE.name,
    credit_account=OWED.name,
    currency=BRL,
    amount=5,
)


def write(engine: Engine, name: str) -> None:
    """A capture split in two, and posted: four transfers in two journals."""
    parts = (moving(3000), moving(2000, credit=OTHER))
    with engine.begin() as connection:
        post(connection, post_journal(connection, Journal("capture", name, pending=parts)))


def told(engine: Engine, span: Span | None = None) -> list[Line]:
    with engine.connect() as connection:
        lines = list(read_lines(connection, span or Span()))
        assert count_lines(connection, span or Span()) == len(lines)
    return lines


@pytest.fixture
def reader(engine_as: Callable[[str], Engine]) -> Engine:
    return engine_as("api")


def test_lines_keep_their_order_and_stand_together_by_journal(
    engine: Engine, reader: Engine
) -> None:
    for name in ("b", "a"):
        write(engine, name)
    lines = told(reader)
    assert [(line.source_id, line.kind, line.amount) for line in lines] == [
        (name, kind, amount)
        for name in ("b", "a")
        for kind in ("pending", "post")
        for amount in (3000, 2000)
    ]
    assert lines[2].pending_id == lines[0].id
    write(engine, "c")
    assert told(reader)[:8] == lines


def test_export_goes_on_behind_any_line(engine: Engine, reader: Engine) -> None:
    for name in ("a", "b"):
        write(engine, name)
    lines = told(reader)
    for place, line in enumerate(lines):
        assert told(reader, Span(after=line.id)) == lines[place + 1 :]
    with reader.connect() as connection:
        assert is_known(connection, lines[0].id)
        assert not is_known(connection, uuid.uuid4())


def test_export_misses_nothing_when_an_older_transaction_commits_later(
    engine: Engine, reader: Engine
) -> None:
    """Survives: a capture that was begun before one that is exported, and committed after it."""
    write(engine, "first")
    known = told(reader)
    with engine.begin() as slow:
        post_journal(slow, Journal("capture", "slow", at_once=(moving(1),)))
        write(engine, "quick")
        assert told(reader) == known  # the quick one stands behind one that may still commit
    rest = told(reader, Span(after=known[-1].id))
    assert [line.source_id for line in rest] == ["slow", *["quick"] * 4]


def test_export_tells_a_span_without_its_end(
    engine: Engine, reader: Engine, login_engine: Engine
) -> None:
    write(engine, "a")
    write(engine, "b")
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    tamper(
        login_engine,
        "UPDATE offchain.ledger_journals SET at = '2026-01-01 12:00Z' WHERE source_id = 'a'",
    )
    second = timedelta(seconds=1)
    assert {one.source_id for one in told(reader, Span(since=noon, until=noon + second))} == {"a"}
    assert {one.source_id for one in told(reader, Span(since=noon + second))} == {"b"}
    assert told(reader, Span(until=noon)) == []


def parsed(form: Format, *lines: Line) -> list[dict[str, str]]:
    text = "".join(WRITERS[form](lines))
    if form == "csv":
        return list(csv.DictReader(io.StringIO(text, newline="")))
    return [json.loads(line) for line in text.splitlines()]


def test_csv_and_json_lines_tell_the_same_in_the_same_columns() -> None:
    token = replace(LINE, currency=TOKEN, amount=2**255, kind="post", pending_id=LINE.id)
    assert COLUMNS[-2:] == ("amount", "decimal")
    for form in ("csv", "jsonl"):
        fiat, big = parsed(form, LINE, token)
        assert tuple(fiat) == COLUMNS
        assert (fiat["at"], fiat["decimal"]) == ("2026-01-31T23:59:00+00:00", "0.05")
        assert (int(big["amount"]), big["decimal"], big["kind"]) == (2**255, "", "post")
        assert big["pending_id"] == str(LINE.id)
        assert not fiat["pending_id"]


def test_an_empty_export_still_has_its_heading() -> None:
    assert "".join(WRITERS["csv"]([])) == ",".join(COLUMNS) + "\r\n"
    assert not parsed("jsonl")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t"])
def test_csv_runs_no_formula_when_a_name_begins_like_one(start: str) -> None:
    (row,) = parsed("csv", replace(LINE, source_id=f'{start}HYPERLINK("x"),\n'))
    assert row["source_id"] == f'\'{start}HYPERLINK("x"),\n'


def test_csv_is_written_in_parts_when_it_is_long() -> None:
    parts = list(WRITERS["csv"](LINE for _ in range(2000)))
    assert len(parts) > 2
    assert len(list(csv.DictReader(io.StringIO("".join(parts), newline="")))) == 2000


def test_journal_tells_what_counts_when_it_is_read_by_hledger() -> None:
    fee = replace(LINE, debit_account=FEES.name, amount=12345)
    waits = replace(LINE, kind="pending", journal_id=uuid.UUID(int=2))
    tokens = replace(LINE, kind="post", journal_id=uuid.UUID(int=3), currency=TOKEN, amount=7)
    assert "".join(WRITERS["journal"]([LINE, fee, waits, tokens])) == (
        "2026-01-31 * (00000000-0000-0000-0000-000000000009) capture a\n"
        "    gateway_receivable:crowdsplit  0.05 BRL\n"
        f"    {OWED.name}  -0.05 BRL\n"
        "    gateway_fees:crowdsplit  123.45 BRL\n"
        f"    {OWED.name}  -123.45 BRL\n"
        "\n"
        "2026-01-31 * (00000000-0000-0000-0000-000000000003) capture a\n"
        f'    gateway_receivable:crowdsplit  7 "{TOKEN}"\n'
        f'    {OWED.name}  -7 "{TOKEN}"\n'
        "\n"
    )


@pytest.mark.parametrize(
    ("units", "currency", "written"),
    [
        (0, "brl", "0.00"),
        (5, "brl", "0.05"),
        (-5, "brl", "-0.05"),
        (-12345, "usd", "-123.45"),
        (10**30, "brl", "1" + "0" * 28 + ".00"),
        (5, TOKEN, ""),
    ],
)
def test_decimals_are_exact(units: int, currency: str, written: str) -> None:
    assert decimal_of(units, currency) == written
