"""Commands for operators and auditors: what settlement, the ledger and the chains hold now."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from indexer.chain.networks import network_by_name
from indexer.chain.types import PaymentId, TxHash, address_from_hex, hash_from_hex
from indexer.errors import ConfigurationError
from stack.answers import show
from stack.chain_access import opened
from stack.topology import NETWORKS

T = TypeVar("T")

EXIT_FAILED = 1
OWN_NETWORKS = tuple(network.name for network in NETWORKS)

settlement = typer.Typer(no_args_is_help=True, help="What is owed to the chains.")
ledger = typer.Typer(no_args_is_help=True, help="The double-entry ledger.")
proof = typer.Typer(no_args_is_help=True, help="Check a contribution without trusting Lastro.")

Json = Annotated[bool, typer.Option("--json", help="Report as one JSON object on the last line.")]
Reason = Annotated[str, typer.Option("--reason", help="What you found; it is kept.")]
Chain = Annotated[str, typer.Option("--chain", help="Network name, such as celo-local.")]
console = Console(highlight=False, soft_wrap=True)


@settlement.command("status")
def settlement_status(chain: Chain = OWN_NETWORKS[0], *, as_json: Json = False) -> None:
    """Count requests, campaigns and nonce slots per state."""
    from settlement.queries import overview

    with _reading() as connection:
        counted = overview(connection, network_by_name(chain).chain_id)
    show(counted, as_json=as_json)


@settlement.command("why")
def settlement_why(payment: str, *, as_json: Json = False) -> None:
    """Tell one payment's story, every transaction included; PAYMENT is a request or payment id."""
    from settlement.queries import explain

    with _reading() as connection:
        story = explain(connection, _payment_name(payment))
    if not story:
        raise ConfigurationError(f"settlement knows no payment {payment}")
    show({"story": story}, as_json=as_json)


@settlement.command("resume")
def settlement_resume(
    *,
    chain: Chain,
    signer: Annotated[str, typer.Option("--signer", help="Address of the quarantined signer.")],
    rpc_url: Annotated[str, typer.Option("--rpc-url", help="A node of that chain.")],
    reason: Reason,
) -> None:
    """Let a quarantined signer seal again, above every nonce its chain has seen."""
    from indexer.chain.rpc import ChainReader, check_chain_id
    from settlement.control import release_signer
    from settlement.types import Nonce

    network = network_by_name(chain)
    address = _parsed(address_from_hex, signer)
    with closing(ChainReader([rpc_url])) as reader:
        check_chain_id(reader, network)
        nonce = Nonce(reader.nonce(address, "pending"))
    with _writing("settlement") as connection:
        released = release_signer(connection, network.chain_id, address, reason, chain_nonce=nonce)
    _say_or_fail(released, f"{signer} seals again on {chain}", "no such signer is quarantined")


@settlement.command("retry")
def settlement_retry(request_id: str, *, reason: Reason) -> None:
    """Try a blocked or quarantined request again."""
    from settlement.control import retry_request

    with _writing("settlement") as connection:
        retried = retry_request(connection, _parsed(UUID, request_id), reason)
    _say_or_fail(retried, f"{request_id} is ready again", "no such request has stopped")


@ledger.command("trial-balance")
def ledger_trial_balance(*, as_json: Json = False) -> None:
    """Both sides of every account and of every currency; exits with 1 if they differ."""
    from offchain.ledger.balances import balances, trial_balance

    with _reading() as connection:
        accounts = balances(connection)
        totals = trial_balance(connection)
    balanced = all(total.is_balanced for total in totals)
    if as_json:
        show(
            {
                "balanced": balanced,
                "accounts": [asdict(account) for account in accounts],
                "totals": [asdict(total) for total in totals],
            },
            as_json=True,
        )
    else:
        table = Table("account", "currency", "posted", "pending", title="minor units")
        for account in accounts:
            table.add_row(
                account.account, account.currency, str(account.posted), str(account.pending)
            )
        console.print(table)
        console.print("the ledger balances" if balanced else "THE LEDGER DOES NOT BALANCE")
    if not balanced:
        raise typer.Exit(EXIT_FAILED)


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


@contextmanager
def _reading() -> Iterator[Connection]:
    """Read the service's database."""
    with opened("api") as engine, engine.connect() as connection:
        yield connection


@contextmanager
def _writing(owner: str) -> Iterator[Connection]:
    """One transaction as the owner of a schema."""
    with opened(owner) as engine, engine.begin() as connection:
        yield connection


def _parsed(parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def _say_or_fail(done: bool, said: str, refused: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not done:
        raise ConfigurationError(refused)
    console.print(said)


def _payment_name(text: str) -> UUID | bytes:
    try:
        return hash_from_hex(text) if text.startswith("0x") else UUID(text)
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is neither a request id (a UUID) nor a payment id (0x and 64 digits)"
        ) from None
