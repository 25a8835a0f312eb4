"""``lastro audit``: the sealed record of settlement, for those who check it.

Exit codes: 0 all is as it was sealed; 1 something is not, or Postgres did not answer; 2 the command
line or a setting is wrong.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from sqlalchemy import Connection

from indexer.errors import ConfigurationError
from stack.answers import show, written_to

if TYPE_CHECKING:
    from settlement.audit.verify import Verdict

EXIT_FAILED = 1

app = typer.Typer(no_args_is_help=True, help="What settlement did, sealed against changes.")

Json = Annotated[bool, typer.Option("--json", help="Report as one JSON object on the last line.")]
console = Console(highlight=False, soft_wrap=True)


@app.command("head")
def head(*, as_json: Json = False) -> None:
    """Tell the hash that stands for the whole record: keep it where nobody can change it."""
    from settlement.audit.rows import read_state
    from settlement.audit.verify import write_head

    with _reading() as connection:
        state = read_state(connection)
    written = write_head(state.head)
    if as_json:
        told = {
            "head": written,
            "blocks": state.head.number,
            "rows": state.head.position,
            "sealed_at": state.sealed_at,
            "unsealed": state.unsealed,
            "oldest_unsealed_at": state.oldest_unsealed_at,
        }
        show(told, as_json=True)
        return
    console.print(written)
    if state.sealed_at is not None:
        console.print(f"{state.head.position:,} rows, sealed at {state.sealed_at:%F %T} UTC")
    if state.oldest_unsealed_at is not None:
        console.print(f"{state.unsealed:,} more wait, since {state.oldest_unsealed_at:%F %T} UTC")


@app.command("export")
def export(
    file: Annotated[
        Path | None, typer.Argument(help="Where to; without it, standard output.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Write all sealed rows and their blocks, as JSON lines; equal records give equal bytes."""
    from settlement.audit.export import export_record

    if as_json and file is None:
        raise ConfigurationError("--json reports on standard output: name a FILE to export to")
    written = 0
    with _reading() as connection, written_to(file) as target:
        for line in export_record(connection):
            written += target.write(line + b"\n")
    if as_json:
        show({"file": str(file), "bytes": written}, as_json=True)


@app.command("verify")
def verify(
    file: Annotated[
        Path | None, typer.Argument(help="An export; without it, the database is read.")
    ] = None,
    *,
    heads: Annotated[
        list[str] | None,
        typer.Option("--head", help="One that 'head' told before; may be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Hash the record anew; names the first block that is not as it was sealed, and exits with 1.

    A FILE is checked without database and network.
    """
    from settlement.audit.verify import NotARecordError, parse_heads
    from settlement.audit.verify import verify as check

    try:
        remembered = parse_heads(heads or ())
    except ValueError as error:
        raise ConfigurationError(f"--head: {error}") from None
    with _lines(file) as lines:
        try:
            verdict = check(lines, remembered)
        except NotARecordError as error:
            raise ConfigurationError(f"{file}: {error}") from None
    _tell(verdict, as_json=as_json)
    if verdict.fault is not None:
        raise typer.Exit(EXIT_FAILED)


def _tell(verdict: "Verdict", *, as_json: bool) -> None:
    from settlement.audit.verify import write_head

    fault, good, written = verdict.fault, verdict.head, write_head(verdict.head)
    if as_json:
        told = {
            "ok": fault is None,
            "head": written,
            "blocks": good.number,
            "rows": good.position,
            "fault": None if fault is None else asdict(fault),
        }
        show(told, as_json=True)
        return
    if fault is not None:
        console.print(f"BLOCK {fault.block} IS BAD: {fault.detail}", markup=False)
    console.print(f"{good.position:,} rows in {good.number:,} blocks are as they were sealed")
    console.print(f"head {written}")


@contextmanager
def _reading() -> Iterator[Connection]:
    """One snapshot of the service's database."""
    from stack.chain_access import opened

    with (
        opened("api") as engine,
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
    ):
        yield connection


@contextmanager
def _lines(file: Path | None) -> Iterator[Iterator[bytes]]:
    """The lines of an export, or of what would be exported now."""
    if file is None:
        from settlement.audit.export import export_record

        with _reading() as connection:
            yield export_record(connection)
        return
    try:
        with file.open("rb") as source:
            yield (line.rstrip(b"\n") for line in source)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from None
