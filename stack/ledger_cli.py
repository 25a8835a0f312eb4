"""``lastro ledger``: what the double-entry ledger holds, for those who close its books.

Exit codes: 0 all is well; 1 the ledger does not balance, a check found something, or Postgres did
not answer; 2 the command line or a setting is wrong.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, text

from indexer.errors import ConfigurationError
from stack.answers import show, written_to
from stack.settlement_cli import began

if TYPE_CHECKING:
    from indexer.progress import Tell
    from offchain.ledger.balances import Balance, TrialBalance
    from offchain.ledger.checking import Waiting
    from offchain.ledger.export import Line, Span
    from settlement.checks.check import Finding

EXIT_FAILED = 1
LONG_EXPORT_LINES = 50_000
"""From here on, how far it is shows."""
WAITING_SHOWN = 100
STANDARD_OUTPUT = Path("-")

app = typer.Typer(no_args_is_help=True, help="The double-entry ledger.")

Json = Annotated[bool, typer.Option("--json", help="Report as one JSON object on the last line.")]
console = Console(highlight=False, soft_wrap=True)
notes = Console(stderr=True, highlight=False, soft_wrap=True)


@app.command("trial-balance")
def trial_balance(
    *,
    at: Annotated[
        str | None,
        typer.Option("--at", help="As it was 24h or 7d ago, or at a date or time in UTC."),
    ] = None,
    accounts: Annotated[bool, typer.Option("--accounts", help="Tell every account too.")] = False,
    as_json: Json = False,
) -> None:
    """Both sides of every currency and token; exits with 1 if they differ.

    Amounts in JSON are minor units of a currency and base units of a token, as integers.
    """
    from offchain.ledger.balances import balances, sum_up

    then = _moment(at, "--at")
    with _reading() as connection:
        found = balances(connection, at=then)
    totals = sum_up(found)
    balanced = all(total.is_balanced for total in totals)
    if as_json:
        told = {"balanced": balanced, "at": then, "totals": [asdict(total) for total in totals]}
        if accounts:
            told["accounts"] = [asdict(account) for account in found]
        show(told, as_json=True)
    else:
        _show_totals(totals)
        if accounts:
            _show_accounts(found)
        console.print("the ledger balances" if balanced else "THE LEDGER DOES NOT BALANCE")
    if not balanced:
        raise typer.Exit(EXIT_FAILED)


@app.command("export")
def export(
    *,
    since: Annotated[
        str | None,
        typer.Option("--since", help="Booked since: 24h, 7d, or a date or time in UTC."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Booked before then; written as --since is.")
    ] = None,
    after: Annotated[
        UUID | None, typer.Option("--after", help="Go on behind this transfer, by its id.")
    ] = None,
    form: Annotated[
        Literal["csv", "jsonl", "journal"],
        typer.Option("--format", help="journal is what hledger reads."),
    ] = "csv",
    out: Annotated[
        Path, typer.Option("--out", help="Where to; - is standard output.")
    ] = STANDARD_OUTPUT,
    as_json: Json = False,
) -> None:
    """Write every transfer out, in an order that never changes, so that it can be gone on with.

    What a transaction that still runs may stand before is left for the next export.
    """
    from offchain.ledger.export import WRITERS, Span, is_known, read_lines

    file = None if out == STANDARD_OUTPUT else out
    if as_json and file is None:
        raise ConfigurationError("--json reports on standard output: name a file with --out")
    span = Span(_moment(since, "--since"), _moment(until, "--until"), after)
    seen = _Seen()
    with _reading() as connection:
        if after is not None and not is_known(connection, after):
            raise ConfigurationError(f"--after {after}: the ledger holds no such transfer")
        with written_to(file) as target, _shown(connection, span) as tell:
            for part in WRITERS[form](seen.passing(read_lines(connection, span), tell)):
                target.write(part.encode())
    if as_json:
        show({"file": str(file), "transfers": seen.count, "last": seen.last}, as_json=True)
    elif file is not None:
        notes.print(f"{seen.count:,} transfers; the last is {seen.last}")


@app.command("check")
def check(
    *,
    older: Annotated[
        str, typer.Option("--pending-older-than", help="List what waits longer: 24h or 7d.")
    ] = "7d",
    as_json: Json = False,
) -> None:
    """Check all that must hold of the ledger, and list what has long been pending.

    Exits with 1 when something does not hold; what is pending is no fault by itself.
    """
    from offchain.ledger.checking import check_ledger, waiting_longer

    now = datetime.now(UTC)
    age = now - began(older, now=now, option="--pending-older-than")
    with _reading() as connection:
        findings = check_ledger(connection)
        waiting = waiting_longer(connection, age, limit=WAITING_SHOWN)
    holds = all(finding.ok for finding in findings)
    if as_json:
        told = {
            "ok": holds,
            "findings": [asdict(finding) for finding in findings],
            "pending": [asdict(one) for one in waiting],
        }
        show(told, as_json=True)
    else:
        _show_findings(findings)
        _show_waiting(waiting, age)
        console.print("all hold" if holds else "SOME DO NOT HOLD")
    if not holds:
        raise typer.Exit(EXIT_FAILED)


class _Seen:
    """What passed by on the way out."""

    def __init__(self) -> None:
        self.count = 0
        self.last: UUID | None = None

    def passing(self, lines: "Iterable[Line]", tell: "Tell") -> "Iterator[Line]":
        for line in lines:
            yield line
            self.count += 1
            self.last = line.id
            tell(self.count)


@contextmanager
def _shown(connection: Connection, span: "Span") -> "Iterator[Tell]":
    """Show how far an export is, if it is long."""
    from indexer.progress import progress
    from offchain.ledger.export import count_lines

    lines = count_lines(connection, span)
    if lines < LONG_EXPORT_LINES:
        yield lambda _: None
        return
    with progress("export", lines, unit="transfers") as tell:
        yield tell


@contextmanager
def _reading() -> Iterator[Connection]:
    """One snapshot of the service's database; an auditor waits as long as a statement takes."""
    from stack.chain_access import opened

    with (
        opened("api") as engine,
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
    ):
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        yield connection


def _moment(written: str | None, option: str) -> datetime | None:
    return None if written is None else began(written, now=datetime.now(UTC), option=option)


def _amount(units: int, currency: str) -> str:
    from offchain.ledger.export import decimal_of

    return decimal_of(units, currency) or str(units)


def _show_totals(totals: "Iterable[TrialBalance]") -> None:
    table = Table("", "currency", "debits", "credits", "pending debits", "pending credits")
    for one in totals:
        sides = (one.debits_posted, one.credits_posted, one.debits_pending, one.credits_pending)
        written = (_amount(side, one.currency) for side in sides)
        table.add_row("✓" if one.is_balanced else "✗", one.currency, *written)
    console.print(table)


def _show_accounts(balances: "Iterable[Balance]") -> None:
    table = Table("account", "currency", "posted", "pending")
    for one in balances:
        written = (_amount(units, one.currency) for units in (one.posted, one.pending))
        table.add_row(one.account, one.currency, *written)
    console.print(table)


def _show_findings(findings: "Iterable[Finding]") -> None:
    table = Table("", "what must hold", "violations", "what was found")
    for one in findings:
        table.add_row("✓" if one.ok else "✗", one.title, str(one.violations), one.detail)
    console.print(table)


def _show_waiting(waiting: "list[Waiting]", age: timedelta) -> None:
    if not waiting:
        console.print(f"nothing has been pending for more than {age}")
        return
    table = Table("pending", "id", "since", "amount", "currency", "debit", "credit")
    for one in waiting:
        table.add_row(
            f"{one.source} {one.source_id}",
            str(one.id),
            f"{one.since:%F %T}",
            _amount(one.amount, one.currency),
            one.currency,
            one.debit_account,
            one.credit_account,
        )
    console.print(table)
