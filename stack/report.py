"""What the local stack tells its user: where to look, and how the demo ended."""

from typing import Any

from rich.console import Console
from rich.table import Table

from indexer.chain.networks import network_by_name
from stack.demo import Outcome
from stack.topology import Topology

_CENTAVOS_PER_REAL = 100


def show_addresses(topology: Topology, console: Console) -> None:
    """List the URLs of a running stack."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("campaigns", f"{topology.api_url}/v1/campaigns")
    table.add_row("status", f"{topology.api_url}/v1/status")
    table.add_row("API description", f"{topology.api_url}/openapi.json")
    table.add_row("webhooks, checkout", f"{topology.http_url}/v1/payments")
    table.add_row("gateway", topology.crowdsplit_url)
    table.add_row("data, logs, keys", str(topology.directory))
    console.print(table)


def show_outcome(outcome: Outcome, topology: Topology, console: Console) -> None:
    """Print the reconciliation, the states, and how anyone can check one contribution."""
    table = Table("", "gateway", "held", "ledger", "chain", "Postgres", "equal", title="R$")
    for name, row in outcome.reconciled.items():
        table.add_row(
            name,
            _reais(row.gateway_centavos),
            _reais(row.held_centavos),
            _reais(row.ledger_centavos),
            _reais(row.chain_centavos),
            _reais(row.postgres_centavos),
            "yes" if row.balances else "NO",
        )
    console.print(table)
    states = ", ".join(f"{count} {state}" for state, count in sorted(outcome.states.items()))
    console.print(f"{states}, in {outcome.seconds} s; one contribution proven: {outcome.is_proven}")
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
        "reconciliation": {name: row.as_json() for name, row in outcome.reconciled.items()},
        "seconds": outcome.seconds,
    }


def _reais(centavos: int | None) -> str:
    if centavos is None:
        return "-"
    reais, rest = divmod(centavos, _CENTAVOS_PER_REAL)
    return f"{reais:,}.{rest:02d}"
