"""The ``lastro`` command: the local stack, and every process and report of Lastro.

Exit codes: 0 done, 1 the work failed, 2 a setting or the command line is wrong, 130 interrupted by
Ctrl-C, 143 by SIGTERM.
"""

import json
import os
import signal
import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from indexer.errors import ConfigurationError, LastroError
from indexer.telemetry import configure_logging
from stack import (
    audit_cli,
    indexer_cli,
    ledger_cli,
    media_cli,
    operations,
    payments_cli,
    settlement_cli,
)
from stack.settings import StackSettings

EXIT_FAILED = 1
EXIT_MISCONFIGURED = 2
EXIT_TERMINATED = 143

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    name="lastro",
    help="Lastro: crowdfunding payments, verifiable on-chain.",
)
notes = Console(stderr=True, highlight=False, soft_wrap=True)
"""Progress and prose go to standard error; reports go to standard output."""

config = typer.Typer(no_args_is_help=True, help="Settings of every process.")
app.add_typer(config, name="config")
app.add_typer(indexer_cli.app, name="indexer")
app.add_typer(settlement_cli.app, name="settlement")
app.add_typer(audit_cli.app, name="audit")
app.add_typer(ledger_cli.app, name="ledger")
app.add_typer(payments_cli.app, name="payments")
app.add_typer(media_cli.app, name="media")
app.add_typer(operations.proof, name="proof")

Json = Annotated[bool, typer.Option("--json", help="Report as one JSON object on the last line.")]


class Terminated(BaseException):
    """SIGTERM, raised where the main thread is so that every ``finally`` runs."""


def narrate(step: str) -> None:
    """Tell the user what is being done."""
    notes.print(f"[bold]·[/bold] {step}")


def report(value: object) -> None:
    """Print one JSON object on one line of standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


@app.command()
def up() -> None:
    """Run the local stack until Ctrl-C; its data is kept for the next time."""
    from stack.local import running_stack
    from stack.report import show_addresses

    def sink(name: str, line: str) -> None:
        notes.print(f"[cyan]{name:>24}[/cyan] │ {escape(line)}")

    with running_stack(StackSettings.from_environment(), name="up", narrate=narrate, sink=sink) as (
        topology,
        supervisor,
    ):
        show_addresses(topology, notes)
        supervisor.watch_forever()


def crashes_only(name: str, line: str) -> None:
    """Let only the supervisor's own words through; the rest is in the log files."""
    if name == "supervisor":
        narrate(line)


@app.command()
def demo(
    *,
    once: Annotated[
        bool, typer.Option("--once", envvar="ONCE", help="Exit when the last payment is final.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run the main job on an empty stack and show it; a terminal keeps the stack up."""
    from stack.demo import DEMO_TUNING, Demo
    from stack.local import running_stack
    from stack.report import outcome_as_json, show_addresses, show_outcome

    settings = StackSettings.from_environment()
    with running_stack(
        settings, name="demo", narrate=narrate, tuning=DEMO_TUNING, sink=crashes_only
    ) as (
        topology,
        supervisor,
    ):
        run = "" if settings.database_url is None else os.urandom(3).hex()
        outcome = Demo(topology, supervisor, narrate, run).play()
        show_outcome(outcome, topology, notes)
        stays = not once and not as_json and sys.stdout.isatty()
        if stays:
            show_addresses(topology, notes)
            narrate("the stack stays up until Ctrl-C")
            supervisor.watch_forever()
    if as_json:
        report(outcome_as_json(outcome))
    if not outcome.is_good:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def doctor(*, as_json: Json = False) -> None:
    """Say what this machine lacks or has wrong, and how to mend it."""
    from stack.doctor import examine

    findings = examine(StackSettings.from_environment())
    healthy = all(finding.is_well for finding in findings)
    if as_json:
        report(
            {
                "healthy": healthy,
                "findings": [
                    {"subject": f.subject, "is_well": f.is_well, "detail": f.detail}
                    for f in findings
                ],
            }
        )
    else:
        table = Table("", "what", "found")
        for finding in findings:
            table.add_row("✓" if finding.is_well else "✗", finding.subject, finding.detail)
        Console().print(table)
    if not healthy:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def migrate(*, as_json: Json = False) -> None:
    """Bring the database to this code's revision; several at once wait for one another."""
    from migrations.run import migrate as run_migrations
    from stack.local import service_database_url

    before, after = run_migrations(service_database_url(StackSettings.from_environment()))
    if as_json:
        report({"before": before, "after": after})
    else:
        narrate(f"the database was at {before or 'nothing'} and is now at {after}")


@app.command()
def seed() -> None:
    """Register the demo's campaigns with the running stack; twice makes the same rows."""
    from stack.client import DemoClient
    from stack.local import running_topology
    from stack.scenario import CAMPAIGNS

    client = DemoClient(running_topology(StackSettings.from_environment()), "")
    for plan in CAMPAIGNS:
        made = client.ensure_campaign(plan)
        narrate(f"{plan.slug}: {'registered' if made else 'already there'}")
    client.close()


@app.command()
def deploy() -> None:
    """Deploy the contracts with Ape to the running stack's chains; twice changes nothing."""
    from stack.local import deploy as run_deploy
    from stack.local import running_topology

    topology = running_topology(StackSettings.from_environment())
    run_deploy(topology)
    narrate(f"the deployment records are in {topology.deployments}")


@config.command("readme")
def config_readme() -> None:
    """Print the settings table of the README."""
    from stack.settings_reference import readme_table

    sys.stdout.write(readme_table() + "\n")


@config.command("env")
def config_env() -> None:
    """Print .env.example."""
    from stack.settings_reference import env_example

    sys.stdout.write(env_example())


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise Terminated


def main() -> None:
    """Run the command line; every failure ends in one message and a meaning exit code."""
    configure_logging(
        process="lastro",
        log_format="console" if sys.stderr.isatty() else "json",
        level=os.environ.get("LASTRO_LOG_LEVEL") or "INFO",
    )
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        app(prog_name="lastro")
    except ConfigurationError as error:
        _fail(str(error), EXIT_MISCONFIGURED)
    except LastroError as error:
        _fail(str(error), EXIT_FAILED)
    except Terminated:
        _fail("terminated", EXIT_TERMINATED)


def _fail(message: str, code: int) -> NoReturn:
    notes.print(f"lastro: {message}", markup=False, style="bold red")
    sys.exit(code)
