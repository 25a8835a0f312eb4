"""``lastro indexer``: how an indexer stands, and what an operator asks of it.

Exit codes: 0 done, and all is as it should be; 1 something is not, or the outside did not answer;
2 the command line or a setting is wrong, or another process is the chain's writer.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from indexer.chain.networks import network_by_name
from indexer.chain.types import BlockNumber, address_from_hex, to_checksum, to_hex
from indexer.errors import ConfigurationError
from stack import indexer_work
from stack.answers import show
from stack.topology import NETWORKS

if TYPE_CHECKING:
    from indexer.audit import AuditReport

EXIT_FAILED = 1
FINDINGS_SHOWN = 20

app = typer.Typer(no_args_is_help=True, help="What is read from the chains, and how surely.")
app.add_typer(indexer_work.app)

Chain = Annotated[str, typer.Option("--chain", help="Network name, such as celo-local.")]
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
    as_json: Json = False,
) -> None:
    """Marks, ledger, holes, providers, lag, reorgs and the last audit, as ``/status`` does."""
    from indexer.health import readiness
    from indexer.status import as_json as status_as_json
    from indexer.status import read_status
    from stack.chain_access import opened

    networks = NETWORKS if chain is None else (network_by_name(chain),)
    shown: dict[str, dict[str, Any] | None] = {}
    with opened("api") as engine, engine.connect() as connection:
        for network in networks:
            found = read_status(connection, network)
            _, judged = readiness(found)
            about = {key: judged[key] for key in ("ready", "reason", "warnings")}
            shown[network.name] = None if found is None else about | status_as_json(found)
    if as_json:
        show(shown if chain is None else shown[chain], as_json=True)
    else:
        for name, one in shown.items():
            _print_status(name, one)


@app.command("providers")
def providers(*, chain: Chain, as_json: Json = False) -> None:
    """How far each provider's word goes, and what it was caught at last."""
    from indexer.providers import truth_scores
    from indexer.tables import provider_findings
    from stack.chain_access import opened

    network = network_by_name(chain)
    found = provider_findings.c
    with opened("api") as engine, engine.connect() as connection:
        scores = truth_scores(connection, network.chain_id)
        newest = connection.execute(
            select(found.provider, found.kind, found.low, found.high, found.detail, found.seen_at)
            .where(found.chain_id == network.chain_id)
            .order_by(found.id.desc())
            .limit(FINDINGS_SHOWN)
        )
        findings = [dict(row) for row in newest.mappings()]
    if as_json:
        show({"providers": [asdict(one) for one in scores], "findings": findings}, as_json=True)
        return
    table = Table("provider", "truth score", "findings", "last", title=chain)
    for one in scores:
        last = "" if one.last_at is None else f"{one.last_kind}, {one.last_at:%Y-%m-%d %H:%M} UTC"
        table.add_row(one.provider, f"{one.score:.2f}", str(one.findings), last)
    console.print(table)
    for row in findings:
        console.print(
            f"{row['seen_at']:%Y-%m-%d %H:%M} {row['provider']} {row['kind']}: {row['detail']}",
            markup=False,
        )


@app.command("checksum")
def checksum(
    *,
    chain: Chain,
    to: Annotated[
        int | None, typer.Option("--to", min=0, help="Last block; without it the finalized one.")
    ] = None,
    projections: Annotated[
        bool, typer.Option("--projections", help="Also of the projections, as of now.")
    ] = False,
    as_json: Json = False,
) -> None:
    """One SHA-256 of all facts up to a block: two databases with the same rows have the same."""
    from indexer.checksum import facts_checksum, projections_checksum
    from indexer.maintenance import allow_long_statements
    from stack.chain_access import indexed_marks, opened

    network = network_by_name(chain)
    with (
        opened("api") as engine,
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
    ):
        allow_long_statements(connection)
        indexed, final = indexed_marks(connection, network)
        last = final if to is None else BlockNumber(to)
        if last is None or last > indexed:
            raise ConfigurationError(
                f"{chain} is not indexed up to {'a final block' if last is None else last}"
            )
        facts = facts_checksum(connection, network.chain_id, last)
        projected = projections_checksum(connection, network.chain_id) if projections else None
    if as_json:
        answer = {"chain": chain, "to": last, "facts": to_hex(facts)}
        show(answer | ({} if projected is None else {"projections": projected}), as_json=True)
        return
    console.print(f"facts to {last}: {to_hex(facts)}")
    if projected is not None:
        console.print(f"projections: {to_hex(projected)}")


@app.command("audit")
def audit(
    *,
    chain: Chain,
    treasury: Annotated[str | None, typer.Option("--treasury", help="Show this one alone.")] = None,
    rpc_url: RpcUrls = None,
    as_json: Json = False,
) -> None:
    """Compare indexed totals with the contracts' own getters; exits with 1 on a difference.

    Where a node does not tell the state of a treasury, it says so and exits with 1 as well.
    """
    from indexer.audit import AuditPostponed, audit_treasuries
    from stack.chain_access import asking, opened, require_indexed

    network = network_by_name(chain)
    try:
        wanted = None if treasury is None else address_from_hex(treasury)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    with opened("chain") as engine:
        require_indexed(engine, network)
        with asking(network, rpc_url or ()) as (reader, _):
            try:
                report = audit_treasuries(engine, reader, network)
            except AuditPostponed as postponed:
                _print_audit(postponed.report.only(wanted), as_json=as_json, is_whole=False)
                raise
    shown = report.only(wanted)
    if wanted is not None and not shown.findings:
        raise ConfigurationError(f"{treasury} is no treasury known at block {report.at.number}")
    _print_audit(shown, as_json=as_json)
    if shown.mismatches:
        raise typer.Exit(EXIT_FAILED)


def _print_audit(report: "AuditReport", *, as_json: bool, is_whole: bool = True) -> None:
    """How every figure stands, and how many of them say anything."""
    findings, different = report.findings, len(report.mismatches)
    unknown = len(report.of("not_comparable"))
    if as_json:
        answer = {
            "block": report.at.number,
            "ok": is_whole and not different,
            "different": different,
            "not_comparable": unknown,
            "findings": [asdict(one) for one in findings],
        }
        show(answer, as_json=True)
        return
    table = Table("treasury", "getter", "verdict", "indexed", "on chain", "why")
    for one in findings:
        figures = ("" if n is None else str(n) for n in (one.indexed, one.onchain))
        table.add_row(
            to_checksum(one.treasury), one.getter, one.verdict, *figures, one.reason or ""
        )
    console.print(table)
    verdict = f"{different} DIFFER" if different else "none differs"
    console.print(
        f"{len(findings)} totals at block {report.at.number}: {verdict}, {unknown} not comparable"
    )


@app.command("resume")
def resume(*, chain: Chain, as_json: Json = False) -> None:
    """Let a halted indexer start again, once its finalized block was checked with other nodes."""
    from indexer.cursor import clear_degraded
    from stack.chain_access import opened

    with opened("chain") as engine, engine.begin() as connection:
        was = clear_degraded(connection, network_by_name(chain).chain_id)
    if was is None:
        raise ConfigurationError("it had not halted")
    if as_json:
        show({"chain": chain, "was": was}, as_json=True)
    else:
        console.print(f"{chain} may go on; it had halted: {was}", markup=False)


def _print_status(name: str, one: dict[str, Any] | None) -> None:
    """For a person: one small table, then what is wrong."""
    if one is None:
        console.print(f"{name}: nothing indexed yet")
        return
    table = Table(show_header=False, title=name)
    for mark in ("head", "safe", "fetched", "indexed", "finalized"):
        stands = one[mark]
        number = stands["number"] if isinstance(stands, dict) else stands
        table.add_row(mark, "-" if number is None else f"{number:,}")
    table.add_row("proven up to", str(one["ledger"]["proven_up_to"] or "-"))
    for state, blocks in one["ledger"]["blocks"].items():
        table.add_row(f"  {state}", f"{blocks:,} blocks")
    holes = one["ledger"]["holes"]
    table.add_row("holes", f"{holes['count']} ({holes['blocks']:,} blocks)")
    eta = "" if one["eta_s"] is None else f", about {one['eta_s']} s to go"
    table.add_row("lag", f"{one['lag_blocks']:,} blocks, {one['lag_s']} s{eta}")
    for provider in one["providers"]:
        table.add_row(provider["provider"], f"truth score {provider['score']:.2f}")
    for reorg in one["reorgs"]:
        table.add_row("reorg", f"{reorg['seen_at']}: {reorg['ancestor']} to {reorg['tip']}")
    if one["audit"] is not None:
        verdicts = ", ".join(f"{n} {kind}" for kind, n in sorted(one["audit"]["verdicts"].items()))
        table.add_row("audit", f"at block {one['audit']['block']}: {verdicts}")
    console.print(table)
    console.print("ready" if one["ready"] else f"NOT READY: {one['reason']}", markup=False)
    for warning in one["warnings"]:
        console.print(f"warning: {warning}", markup=False)
