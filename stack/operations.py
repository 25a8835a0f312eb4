"""Commands for auditors: what the chains say of one contribution."""

from contextlib import closing
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from indexer.chain.types import PaymentId, TxHash, address_from_hex, hash_from_hex
from indexer.errors import ConfigurationError
from stack.answers import show

EXIT_FAILED = 1

proof = typer.Typer(no_args_is_help=True, help="Check a contribution without trusting Lastro.")

Json = Annotated[bool, typer.Option("--json", help="Report as one JSON object on the last line.")]
console = Console(highlight=False, soft_wrap=True)


@proof.command("verify")
def proof_verify(
    *,
    rpc_url: Annotated[str, typer.Option("--rpc-url", help="Any node of the chain.")],
    tx: Annotated[list[str], typer.Option("--tx", help="Transaction hash; may be repeated.")],
    payment_id: Annotated[str, typer.Option("--payment-id", help="On-chain payment id.")],
    treasury: Annotated[
        str | None, typer.Option("--treasury", help="Contract that must have logged it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Recompute header, receipts root and event of each transaction from a node's raw answers."""
    from indexer.chain.rpc import ChainReader
    from indexer.proof import verify_transaction

    try:
        hashes = [TxHash(hash_from_hex(text)) for text in tx]
        wanted = PaymentId(hash_from_hex(payment_id))
        emitter = None if treasury is None else address_from_hex(treasury)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    with closing(ChainReader([rpc_url])) as reader:
        steps = [
            (text, step)
            for text, tx_hash in zip(tx, hashes, strict=True)
            for step in verify_transaction(reader, tx_hash, payment_id=wanted, treasury=emitter)
        ]
    proven = all(step.ok for _, step in steps)
    if as_json:
        show({"proven": proven, "steps": [{"tx": t, **asdict(s)} for t, s in steps]}, as_json=True)
    else:
        table = Table("", "transaction", "step", "what was found")
        for text, step in steps:
            table.add_row("✓" if step.ok else "✗", text[:10], step.name, step.detail)
        console.print(table)
        console.print("proven" if proven else "NOT PROVEN")
    if not proven:
        raise typer.Exit(EXIT_FAILED)
