"""What the local stack tells its user: where to look, and how the demo ended."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from indexer.chain.networks import network_by_name
from stack.demo import Outcome, Picture
from stack.topology import Topology

_MINOR_PER_MAJOR = 100
_KIB = 1024


def show_addresses(topology: Topology, console: Console) -> None:
    """List the URLs of a running stack."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("campaigns", f"{topology.api_url}/v1/campaigns")
    table.add_row("pages", f"{topology.api_url}/campaigns/<slug>")
    table.add_row("status", f"{topology.api_url}/v1/status")
    table.add_row("API description", f"{topology.api_url}/openapi.json")
    table.add_row("webhooks, checkout", f"{topology.http_url}/v1/payments")
    for place in topology.gateways:
        table.add_row(place.title, place.url)
    if not topology.objects.is_own:
        table.add_row("S3, SQS", topology.objects.url)
    table.add_row("data, logs, keys", str(topology.directory))
    console.print(table)


def show_outcome(outcome: Outcome, topology: Topology, console: Console) -> None:
    """Print the reconciliation, the states, and how anyone can check one contribution."""
    table = Table(
        "", "", "gateway", "held", "ledger", "chain", "Postgres", "equal", box=None, pad_edge=False
    )
    for name, row in outcome.reconciled.items():
        table.add_row(
            name,
            row.currency.upper(),
            _major(row.gateway_minor),
            _major(row.held_minor),
            _major(row.ledger_minor),
            _major(row.chain_minor),
            _major(row.postgres_minor),
            "yes" if row.balances else "NO",
        )
    console.print(table)
    states = ", ".join(f"{count} {state}" for state, count in sorted(outcome.states.items()))
    console.print(f"{states}, in {outcome.seconds} s; one contribution proven: {outcome.is_proven}")
    if outcome.picture is not None:
        console.print(_shown(outcome.picture))
        console.print(f"  {outcome.picture.page}")
    console.print("Check one contribution yourself, trusting nothing but a node of your choice:")
    console.print(f"  {verify_command(outcome, topology)}", markup=False)
    console.print(f"  {topology.api_url}/v1/contributions/{outcome.sample['payment_id']}")


def verify_command(outcome: Outcome, topology: Topology) -> str:
    """The command that proves the sample contribution against a node."""
    onchain = outcome.sample["onchain"]
    network = network_by_name(onchain["network"])
    transactions = dict.fromkeys((onchain["created_tx"], onchain["tx_hash"]))
    return (
        f".venv/bin/lastro proof verify --rpc-url {topology.rpc_url(network)} "
        f"{' '.join(f'--tx {one}' for one in transactions)} "
        f"--payment-id {outcome.sample['payment_id']} --treasury {onchain['treasury']}"
    )


def outcome_as_json(outcome: Outcome) -> dict[str, Any]:
    """The demo's report for machines."""
    return {
        "ok": outcome.is_good,
        "proven": outcome.is_proven,
        "states": outcome.states,
        "picture": None if outcome.picture is None else asdict(outcome.picture),
        "reconciliation": {name: row.as_json() for name, row in outcome.reconciled.items()},
        "seconds": outcome.seconds,
    }


def _shown(picture: Picture) -> str:
    sent, shown = picture.sent_bytes / _KIB, picture.shown_bytes / _KIB
    size = f"{picture.width} by {picture.height}, {shown:,.0f} KiB"
    return f"A picture of {sent:,.0f} KiB is shown as {size}, on its campaign's page:"


def _major(minor: int | None) -> str:
    if minor is None:
        return "-"
    major, rest = divmod(minor, _MINOR_PER_MAJOR)
    return f"{major:,}.{rest:02d}"
