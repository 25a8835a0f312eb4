"""The half of ``lastro indexer`` that works on a chain's rows: read, prove, mend, undo, rebuild.

All but ``follow`` and ``verify`` hold the chain's writer lock: its indexer must be stopped. Each
may be killed at any moment; whole transactions stand.
"""

import os
import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from indexer.chain.networks import network_by_name
from indexer.chain.types import BlockNumber, to_hex
from indexer.errors import ConfigurationError
from stack.answers import show

EXIT_FAILED = 1

app = typer.Typer()

ChainName = Annotated[str, typer.Option("--chain", help="Network name, such as celo-local.")]
Json = Annotated[bool, typer.Option("--json", help="Report as one JSON object on the last line.")]
RpcUrls = Annotated[
    list[str] | None,
    typer.Option("--rpc-url", help="A node to ask instead of LASTRO_RPC_URLS; may be repeated."),
]
From = Annotated[int | None, typer.Option("--from", min=0, help="First block.")]
To = Annotated[int | None, typer.Option("--to", min=0, help="Last block.")]
console = Console(highlight=False, soft_wrap=True)


@app.command("follow")
def follow(*, chain: ChainName, rpc_url: RpcUrls = None, as_json: Json = False) -> NoReturn:
    """Be the chain's indexer, in the foreground, until Ctrl-C: what ``python -m indexer`` does."""
    from stack.chain_access import nodes_of
    from stack.local import service_database_url
    from stack.settings import CHECKOUT, StackSettings

    network = network_by_name(chain)
    nodes = nodes_of(network, rpc_url or ())
    people = sys.stderr.isatty() and not as_json
    environment = {"LASTRO_LOG_FORMAT": "console" if people else "json"} | dict(os.environ)
    environment |= {
        "DATABASE_URL": service_database_url(StackSettings.from_environment()),
        "LASTRO_CHAIN": network.name,
        "LASTRO_RPC_URLS": ",".join(nodes.urls),
        "LASTRO_DEPLOYMENTS_DIR": str(nodes.deployments_dir),
        "PYTHONPATH": str(CHECKOUT),
    }
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "indexer"], environment)  # noqa: S606 - ours


@app.command("backfill")
def backfill(
    *,
    chain: ChainName,
    low: From = None,
    high: To = None,
    rpc_url: RpcUrls = None,
    as_json: Json = False,
) -> None:
    """Read now what is missing: holes in what was read, then on from the cursor.

    Without --to it ends at the node's finalized block; without --from it begins with the first.
    """
    from stack.chain_access import asking, nodes_of, opened, sole_writer
    from stack.history import read_on
    from stack.mending import Chain, answer, open_holes, repaired, span_of

    network = network_by_name(chain)
    if low is not None and high is not None:
        span_of(low, high)
    with (
        opened("chain") as engine,
        sole_writer(engine, network),
        asking(network, rpc_url or ()) as (reader, deployment),
    ):
        place = Chain(engine, reader, network, deployment)
        spans, outcomes = repaired(place, open_holes(engine, network, low, high), reason="backfill")
        first, last = read_on(place, high, depth=nodes_of(network, rpc_url or ()).history)
    read = [] if last < first else [first, last]
    answer(outcomes, spans, console, as_json=as_json, more={"read": read})
    if not as_json:
        console.print(f"read on from {first} to {last}" if read else "the cursor was there already")


@app.command("verify")
def verify(
    *,
    chain: ChainName,
    low: Annotated[int, typer.Option("--from", min=0, help="First block.")],
    high: Annotated[int, typer.Option("--to", min=0, help="Last block; final.")],
    rpc_url: RpcUrls = None,
    as_json: Json = False,
) -> None:
    """Prove blocks from their receipts again and compare with the stored facts; changes nothing.

    Exits with 1 when a row is missing or false, or a block cannot be proven.
    """
    from stack.chain_access import asking, opened, require_indexed
    from stack.mending import Chain, answer, examined, span_of

    network, span = network_by_name(chain), span_of(low, high)
    with opened("chain") as engine:
        require_indexed(engine, network)
        with asking(network, rpc_url or ()) as (reader, deployment):
            outcomes = examined(Chain(engine, reader, network, deployment), span)
    answer(outcomes, [span], console, as_json=as_json)
    if any(one.is_change or not one.proven for one in outcomes):
        raise typer.Exit(EXIT_FAILED)


@app.command("repair")
def repair(
    *,
    chain: ChainName,
    low: From = None,
    high: To = None,
    holes: Annotated[bool, typer.Option("--holes", help="What was never read.")] = False,
    rpc_url: RpcUrls = None,
    as_json: Json = False,
) -> None:
    """Read final blocks anew, with proof, and mend what differs."""
    from stack.chain_access import asking, opened, require_indexed, sole_writer
    from stack.mending import Chain, answer, open_holes, repaired, span_of

    if holes == (low is not None and high is not None):
        raise ConfigurationError("give --from and --to, or --holes")
    network = network_by_name(chain)
    with (
        opened("chain") as engine,
        sole_writer(engine, network),
        asking(network, rpc_url or ()) as (reader, deployment),
    ):
        require_indexed(engine, network)
        spans = open_holes(engine, network) if holes else [span_of(low or 0, high or 0)]
        place = Chain(engine, reader, network, deployment)
        spans, outcomes = repaired(place, spans, reason="operator")
    answer(outcomes, spans, console, as_json=as_json)


@app.command("rewind")
def rewind(
    *,
    chain: ChainName,
    to: Annotated[int, typer.Option("--to", min=0, help="The highest block that stays.")],
    below_finalized: Annotated[
        bool, typer.Option("--below-finalized", help="Undo even what counts as final.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="You mean it.")] = False,
    as_json: Json = False,
) -> None:
    """Undo all blocks above one; the indexer reads them again from there."""
    from indexer import maintenance
    from stack.chain_access import opened, sole_writer

    network = network_by_name(chain)
    with opened("chain") as engine, sole_writer(engine, network), engine.begin() as connection:
        done = maintenance.rewind(
            connection,
            network.chain_id,
            BlockNumber(to),
            below_finalized=below_finalized and yes,
        )
    stands = None if done.to is None else done.to.number
    if as_json:
        answer = {
            "from": done.tip.number,
            "asked": to,
            "to": stands,
            "lowered_finalized": done.lowered_finalized,
        }
        show(answer, as_json=True)
        return
    console.print(
        f"{chain} stood at block {done.tip.number} and stands at {_where(stands, asked=to)}; "
        "start its indexer again"
    )


def _where(stands: int | None, *, asked: int) -> str:
    """Where a rewind ended; final blocks without events of ours are not kept to stand on."""
    if stands is None:
        return f"its start, as no block up to {asked} is stored"
    return str(stands) if stands == asked else f"{stands}, the highest stored block up to {asked}"


@app.command("refill")
def refill(*, chain: ChainName, as_json: Json = False) -> None:
    """Look again for details that no node could tell, as with a node that keeps history.

    The indexer looks for them once it runs again.
    """
    from indexer.details.fill import forget_unavailable
    from stack.chain_access import opened, sole_writer

    network = network_by_name(chain)
    with opened("chain") as engine, sole_writer(engine, network), engine.begin() as connection:
        forgotten = forget_unavailable(connection, network.chain_id)
    if as_json:
        show({"chain": chain, "wanted": forgotten}, as_json=True)
    else:
        console.print(f"{forgotten} details are wanted again; start the indexer of {chain}")


@app.command("rebuild")
def rebuild(
    *,
    chain: ChainName,
    accept: Annotated[
        bool, typer.Option("--accept", help="Keep the new projections even if they differ.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make all projections anew from the stored facts, and compare them with the old ones.

    When they differ the old ones stay, and it exits with 1; with --accept the new ones do.
    """
    from indexer.maintenance import rebuild_and_compare, stored_span
    from indexer.progress import progress
    from stack.chain_access import opened, sole_writer

    network = network_by_name(chain)
    with (
        opened("chain") as engine,
        sole_writer(engine, network),
        engine.connect() as connection,
        connection.begin() as transaction,
    ):
        first, last = stored_span(connection, network.chain_id)
        with progress("rebuild", last - first + 1) as tell:
            done = rebuild_and_compare(
                connection, network.chain_id, lambda at, _: tell(at - first + 1)
            )
        kept = done.is_same or accept
        if not kept:
            transaction.rollback()
    answer = {"before": to_hex(done.before), "after": to_hex(done.after), "same": done.is_same}
    if as_json:
        show(answer | {"kept": kept}, as_json=True)
    else:
        console.print(f"before {answer['before']}\nafter  {answer['after']}")
        console.print("the same" if done.is_same else f"THEY DIFFER; {_which(kept=kept)}")
    if not kept:
        raise typer.Exit(EXIT_FAILED)


def _which(*, kept: bool) -> str:
    return "the new ones were kept" if kept else "the old ones were kept: see --accept"
