"""``lastro settlement``: how the settlement of each chain stands, and what an operator does to it.

Exit codes: 0 done, and all is well; 1 something needs a person, or the outside did not answer; 2
the command line or a setting is wrong, or there was nothing to do.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from indexer.chain.networks import Network, network_by_name
from indexer.chain.types import Address, Wei, hash_from_hex
from indexer.errors import ConfigurationError, RpcError, RpcUnavailable
from stack import settlement_actions, settlement_control
from stack.answers import show
from stack.topology import NETWORKS

if TYPE_CHECKING:
    from indexer.chain.deployments import Token
    from settlement.reporting.overview import Overview

EXIT_FAILED = 1
_SPANS = {"h": timedelta(hours=1), "d": timedelta(days=1)}

app = typer.Typer(no_args_is_help=True, help="What is owed to the chains.")
app.add_typer(settlement_control.app)
app.add_typer(settlement_actions.app)

Json = Annotated[bool, typer.Option("--json", help="Report as one JSON object on the last line.")]
RpcUrls = Annotated[
    list[str] | None,
    typer.Option("--rpc-url", help="A node to ask instead of LASTRO_RPC_URLS; may be repeated."),
]
console = Console(highlight=False, soft_wrap=True)


@app.command("status")
def status(
    *,
    chain: Annotated[
        str | None, typer.Option("--chain", help="Network name; without it the local stack's.")
    ] = None,
    rpc_url: RpcUrls = None,
    as_json: Json = False,
) -> None:
    """What waits, what stopped and who must act, nonces and gas; exits with 1 if a person must.

    Balances are told where a node answers.
    """
    from settlement.reporting.attention import needing_a_person
    from settlement.reporting.overview import read_overview
    from stack.settlement_view import show_overview

    if chain is None and rpc_url:
        raise ConfigurationError("--rpc-url names nodes of one chain: say which with --chain")
    networks = NETWORKS if chain is None else (network_by_name(chain),)
    with _reading() as connection:
        found = [read_overview(connection, network, whole=True) for network in networks]
    looked = [
        _with_balances(seen, network, rpc_url or ())
        for seen, network in zip(found, networks, strict=True)
    ]
    needs = {seen.network: needing_a_person(seen) for seen in looked}
    if as_json:
        told = {
            seen.network: {"well": not needs[seen.network], "needs": needs[seen.network]}
            | asdict(seen)
            for seen in looked
        }
        show(told if chain is None else told[chain], as_json=True)
    else:
        for seen, network in zip(looked, networks, strict=True):
            show_overview(seen, needs[seen.network], _tokens(network), console)
    if any(needs.values()):
        raise typer.Exit(EXIT_FAILED)


@app.command("why")
def why(payment: str, *, as_json: Json = False) -> None:
    """Tell one payment's whole story, with every transaction hash.

    PAYMENT is a payment's or request's id, its 32 bytes on-chain, or the hash of a transaction.
    """
    from settlement.reporting.story import PaymentStory
    from settlement.reporting.why import why as tell
    from stack.chain_access import name_at_settlement
    from stack.story_view import show_story, show_transaction

    name = _named(payment)
    if isinstance(name, UUID):
        name = name_at_settlement(name)
    with _reading() as connection:
        story = tell(connection, name)
    if story is None:
        raise ConfigurationError(
            f"settlement knows no payment and no transaction {payment}: give the request id, the "
            "payment id on-chain or a transaction hash"
        )
    if as_json:
        kind = "payment" if isinstance(story, PaymentStory) else "transaction"
        show({kind: asdict(story)}, as_json=True)
    elif isinstance(story, PaymentStory):
        show_story(story, console)
    else:
        show_transaction(story, console)


@app.command("report")
def report(
    *,
    by: Annotated[
        Literal["mode", "chain", "kind"], typer.Option("--by", help="What is compared.")
    ] = "mode",
    since: Annotated[
        str | None,
        typer.Option("--since", help="Captured since: 24h, 7d, or a date or time in UTC."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare modes, chains or treasury kinds: time to settled, failures, what blocks, cost."""
    from settlement.reporting.report import reliability
    from stack.settlement_report import reliability_by_mode
    from stack.settlement_view import show_report

    start = None if since is None else began(since, now=datetime.now(UTC))
    with _reading() as connection:
        groups = (
            reliability_by_mode(connection, since=start)
            if by == "mode"
            else reliability(connection, by, since=start)
        )
    if as_json:
        show({"by": by, "since": start, "groups": [asdict(one) for one in groups]}, as_json=True)
    else:
        show_report(groups, console)


@app.command("check")
def check(*, as_json: Json = False) -> None:
    """Check every invariant of settlement's rows; exits with 1 when one does not hold."""
    from settlement.invariants import check_all

    with _reading() as connection:
        findings = check_all(connection)
    holds = all(finding.ok for finding in findings)
    if as_json:
        told = [
            {"name": one.name, "ok": one.ok, "violations": one.violations, "detail": one.detail}
            for one in findings
        ]
        show({"ok": holds, "findings": told}, as_json=True)
    else:
        table = Table("", "invariant", "violations", "what was found")
        for one in findings:
            table.add_row("✓" if one.ok else "✗", one.name, str(one.violations), one.detail)
        console.print(table)
        console.print("all hold" if holds else "SOME DO NOT HOLD")
    if not holds:
        raise typer.Exit(EXIT_FAILED)


def began(text: str, *, now: datetime, option: str = "--since") -> datetime:
    """Read when a report is to begin: so long ago, or at a date or time. Pure.

    Args:
        text: ``24h``, ``7d``, or ISO 8601; UTC where it names no other zone.
        now: Aware UTC.
        option: What it was given to.

    Raises:
        ConfigurationError: It is neither.
    """
    span = re.fullmatch(r"(\d{1,5})([hd])", text)
    if span is not None:
        return now - int(span[1]) * _SPANS[span[2]]
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{option} {text!r} is neither 24h, 7d nor a date such as 2026-01-31"
        ) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


@contextmanager
def _reading() -> Iterator[Connection]:
    """One snapshot of the service's database."""
    from stack.chain_access import opened

    with (
        opened("api") as engine,
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
    ):
        yield connection


def _named(text: str) -> UUID | bytes:
    try:
        return hash_from_hex(text) if text.startswith("0x") else UUID(text)
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is neither a request id (a UUID) nor a payment id or transaction hash (0x "
            "and 64 digits)"
        ) from None


def _with_balances(seen: "Overview", network: Network, rpc_urls: Sequence[str]) -> "Overview":
    """Ask what the signers hold; nodes that were not named may be away."""
    from settlement.reporting.accounts import with_balance

    if not seen.signers:
        return seen
    try:
        balances = _balances(network, rpc_urls, [one.address for one in seen.signers])
    except (ConfigurationError, RpcUnavailable, RpcError):
        if rpc_urls:
            raise
        return seen
    signers = tuple(with_balance(one, balances[one.address]) for one in seen.signers)
    return replace(seen, signers=signers)


def _balances(
    network: Network, rpc_urls: Sequence[str], addresses: Sequence[Address]
) -> dict[Address, Wei]:
    from indexer.chain.rpc import ChainReader, check_chain_id
    from stack.chain_access import nodes_of

    with closing(ChainReader(nodes_of(network, rpc_urls).urls)) as reader:
        check_chain_id(reader, network, tries=1)
        return {address: reader.balance(address) for address in addresses}


def _tokens(network: Network) -> Mapping[Any, "Token"]:
    """The tokens of a chain by their addresses; none where its deployment record is not at hand."""
    from indexer.chain.deployments import load_deployment
    from stack.chain_access import nodes_of

    try:
        record = load_deployment(nodes_of(network).deployments_dir, network)
    except ConfigurationError:
        return {}
    return {token.address: token for token in record.tokens}
