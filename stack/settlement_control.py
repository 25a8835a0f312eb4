"""The half of ``lastro settlement`` that stops things and lets them go on.

All of it is a row in Postgres that the settlement process reads before it seals: nothing need be
restarted, and what was sealed before is sent until it is mined.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from sqlalchemy import Connection, select

from indexer.chain.networks import Network, network_by_name
from indexer.chain.types import Address, address_from_hex, to_checksum
from indexer.errors import ConfigurationError
from stack.answers import show

if TYPE_CHECKING:
    from settlement.switches import Scope
    from settlement.types import Nonce

T = TypeVar("T")

app = typer.Typer()

Json = Annotated[bool, typer.Option("--json", help="Report as one JSON object on the last line.")]
Reason = Annotated[str, typer.Option("--reason", help="What you found; it is kept.")]
By = Annotated[str, typer.Option("--by", envvar="USER", help="Who you are; it is kept.")]
RpcUrls = Annotated[
    list[str] | None,
    typer.Option("--rpc-url", help="A node to ask instead of LASTRO_RPC_URLS; may be repeated."),
]
Everything = Annotated[bool, typer.Option("--everything", help="All chains, all campaigns.")]
Chain = Annotated[str | None, typer.Option("--chain", help="Network name, such as celo-local.")]
Signer = Annotated[
    str | None, typer.Option("--signer", help="One account that sends, with --chain.")
]
Treasury = Annotated[str | None, typer.Option("--treasury", help="One campaign's, with --chain.")]
Gateway = Annotated[
    str | None, typer.Option("--gateway", help="Payments captured there, on every chain.")
]
console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Target:
    """What a command stops, or lets go on."""

    scope: "Scope"
    key: str
    words: str
    network: Network | None = None
    address: Address | None = None


@app.command("pause")
def pause(  # noqa: PLR0913 - one option for each scope
    *,
    everything: Everything = False,
    chain: Chain = None,
    signer: Signer = None,
    treasury: Treasury = None,
    gateway: Gateway = None,
    reason: Reason,
    by: By = "operator",
    as_json: Json = False,
) -> None:
    """Stop sealing in one scope; once this returns, nothing new is sealed there."""
    from settlement.switches import set_switch

    target = chosen(
        everything=everything, chain=chain, signer=signer, treasury=treasury, gateway=gateway
    )
    with _writing() as connection:
        _require_known(connection, target)
        changed = set_switch(
            connection, target.scope, target.key, stopped=True, reason=reason, set_by=by
        )
    if as_json:
        answer = {"scope": target.scope, "key": target.key, "stopped": True, "changed": changed}
        show(answer, as_json=True)
    else:
        console.print(f"{target.words} {'is' if changed else 'was already'} stopped", markup=False)


@app.command("resume")
def resume(  # noqa: PLR0913 - one option for each scope
    *,
    everything: Everything = False,
    chain: Chain = None,
    signer: Signer = None,
    treasury: Treasury = None,
    gateway: Gateway = None,
    rpc_url: RpcUrls = None,
    reason: Reason,
    by: By = "operator",
    as_json: Json = False,
) -> None:
    """Let a scope go on that was paused or that a rule stopped, or a signer that is quarantined.

    A quarantined signer seals again above every nonce its chain has seen: a node is asked.
    """
    from settlement.switches import set_switch

    target = chosen(
        everything=everything, chain=chain, signer=signer, treasury=treasury, gateway=gateway
    )
    chain_nonce = _nonce_if_quarantined(target, rpc_url or ())
    with _writing() as connection:
        let_go = set_switch(
            connection, target.scope, target.key, stopped=False, reason=reason, set_by=by
        )
        released = _release(connection, target, reason, chain_nonce)
    if not let_go and not released:
        raise ConfigurationError(
            f"{target.words} is not stopped: 'lastro settlement status' lists what is"
        )
    if as_json:
        answer = {
            "scope": target.scope,
            "key": target.key,
            "switch": let_go,
            "quarantine": released,
        }
        show(answer, as_json=True)
    else:
        console.print(f"{target.words} goes on", markup=False)


@app.command("quarantine")
def quarantine(request_id: str, *, reason: Reason, as_json: Json = False) -> None:
    """Take one payment that is under way in no transaction out, until it is retried."""
    from settlement.control import quarantine_request

    name = _name(request_id)
    with _writing() as connection:
        refusal = quarantine_request(connection, name, reason)
    if refusal is not None:
        raise ConfigurationError(refusal)
    _say(f"{request_id} is quarantined", {"request_id": request_id}, as_json=as_json)


@app.command("retry")
def retry(name: str, *, reason: Reason, as_json: Json = False) -> None:
    """Try a blocked or quarantined payment, or action, again; NAME is its id."""
    from settlement.control import retry_request

    known = _name(name)
    with _writing() as connection:
        retried = retry_request(connection, known, reason)
    if not retried:
        raise ConfigurationError(f"no payment and no action {name} is blocked or quarantined")
    _say(f"{name} is tried again", {"id": name}, as_json=as_json)


def chosen(
    *,
    everything: bool,
    chain: str | None,
    signer: str | None,
    treasury: str | None,
    gateway: str | None,
) -> Target:
    """What the options name together.

    Raises:
        ConfigurationError: Nothing, or more than one thing; or a name is wrong.
    """
    from settlement.switches import GLOBAL_KEY, account_key, chain_key

    match (everything, chain, signer, treasury, gateway):
        case (True, None, None, None, None):
            return Target("global", GLOBAL_KEY, "everything")
        case (False, None, None, None, str(name)):
            return Target("gateway", name, f"gateway {name}")
        case (False, str(name), None, None, None):
            network = network_by_name(name)
            return Target("chain", chain_key(network.chain_id), network.name, network)
        case (False, str(name), str(text), None, None):
            network, address = network_by_name(name), _parsed(address_from_hex, text)
            words = f"signer {to_checksum(address)} on {name}"
            key = account_key(network.chain_id, address)
            return Target("signer", key, words, network, address)
        case (False, str(name), None, str(text), None):
            network, address = network_by_name(name), _parsed(address_from_hex, text)
            words = f"treasury {to_checksum(address)} on {name}"
            key = account_key(network.chain_id, address)
            return Target("treasury", key, words, network, address)
        case _:
            raise ConfigurationError(
                "name one thing: --everything, --gateway NAME, or --chain NAME, which --signer "
                "ADDRESS or --treasury ADDRESS narrows"
            )


def _require_known(connection: Connection, target: Target) -> None:
    """Refuse to stop what is not there: a slip of the pen would look like safety.

    Raises:
        ConfigurationError: Nobody has this address.
    """
    from settlement.tables import campaigns, signers

    if target.network is None or target.address is None:
        return
    table, column = (
        (signers, signers.c.address)
        if target.scope == "signer"
        else (campaigns, campaigns.c.treasury)
    )
    known = connection.execute(
        select(column)
        .where(table.c.chain_id == target.network.chain_id, column == target.address)
        .limit(1)
    ).one_or_none()
    if known is None:
        raise ConfigurationError(f"settlement knows no {target.words}: nothing was stopped")


def _nonce_if_quarantined(target: Target, rpc_urls: Sequence[str]) -> "Nonce | None":
    """The account's transaction count, pool included, where it is needed to release a signer."""
    from indexer.chain.rpc import ChainReader, check_chain_id
    from settlement.tables import signers
    from settlement.types import Nonce
    from stack.chain_access import nodes_of, opened

    network, address = target.network, target.address
    if target.scope != "signer" or network is None or address is None:
        return None
    with opened("api") as engine, engine.connect() as connection:
        mode = connection.execute(
            select(signers.c.mode).where(
                signers.c.chain_id == network.chain_id, signers.c.address == address
            )
        ).scalar()
    if mode != "quarantine":
        return None
    with closing(ChainReader(nodes_of(network, rpc_urls).urls)) as reader:
        check_chain_id(reader, network)
        return Nonce(reader.nonce(address, "pending"))


def _release(
    connection: Connection, target: Target, reason: str, chain_nonce: "Nonce | None"
) -> bool:
    from settlement.control import release_signer

    if chain_nonce is None or target.network is None or target.address is None:
        return False
    return release_signer(
        connection, target.network.chain_id, target.address, reason, chain_nonce=chain_nonce
    )


@contextmanager
def _writing() -> Iterator[Connection]:
    """One transaction as the owner of schema ``settlement``."""
    from stack.chain_access import opened

    with opened("settlement") as engine, engine.begin() as connection:
        yield connection


def _name(text: str) -> UUID:
    """What settlement has a payment or an action as."""
    from stack.chain_access import name_at_settlement

    return name_at_settlement(_parsed(UUID, text))


def _parsed(parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def _say(words: str, answer: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        show(answer, as_json=True)
    else:
        console.print(words, markup=False)
