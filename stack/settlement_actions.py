"""The part of ``lastro settlement`` that asks treasuries and wallets for something, once."""

from contextlib import AbstractContextManager
from typing import Annotated
from uuid import UUID, uuid4, uuid5

import typer
from rich.console import Console
from sqlalchemy import Connection, Engine

from indexer.chain.networks import network_by_name
from indexer.chain.types import Address, address_from_hex
from indexer.errors import ConfigurationError
from stack.answers import show
from stack.chain_access import name_at_settlement, opened

app = typer.Typer()

Json = Annotated[bool, typer.Option("--json", help="Report as one JSON object on the last line.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept.")]
By = Annotated[str, typer.Option("--by", envvar="USER", help="Who you are; it is kept.")]
Chain = Annotated[str, typer.Option("--chain", help="Network name, such as celo-local.")]
Treasury = Annotated[str, typer.Option("--treasury", help="The campaign's treasury.")]
console = Console(highlight=False, soft_wrap=True)


@app.command("refund")
def refund(
    payment: str,
    *,
    to: Annotated[
        str | None, typer.Option("--to", help="Who gets the tokens; else the platform's wallet.")
    ] = None,
    reason: Reason,
    by: By = "operator",
    as_json: Json = False,
) -> None:
    """Undo a payment on-chain, wherever it stands; PAYMENT is its own or its request's id."""
    from settlement.action_intake import request_refund

    try:
        name = name_at_settlement(UUID(payment))
    except ValueError:
        raise ConfigurationError(f"{payment!r} is no request id (a UUID)") from None
    action_id = uuid5(name, "refund")
    recipient = None if to is None else _address(to)
    with _settlement() as engine, engine.begin() as connection:
        try:
            is_new = request_refund(
                connection,
                action_id=action_id,
                request_id=name,
                recipient=recipient,
                requested_by=f"{by}: {reason}",
            )
        except LookupError as unknown:
            raise ConfigurationError(str(unknown)) from None
    _tell(action_id, is_new, "its refund was asked for before", as_json=as_json)


@app.command("withdraw")
def withdraw(
    *,
    chain: Chain,
    treasury: Treasury,
    payout_to: Annotated[
        str | None,
        typer.Option("--payout-to", help="Where the creator's wallet, if kept, passes it on to."),
    ] = None,
    reason: Reason,
    by: By = "operator",
    as_json: Json = False,
) -> None:
    """Send what a treasury has available to its campaign's owner."""
    from settlement.action_intake import request_withdrawal

    action_id = uuid4()
    with _settlement() as engine, engine.begin() as connection:
        home = _home(connection, chain, treasury)
        is_new = request_withdrawal(
            connection,
            action_id=action_id,
            chain_id=network_by_name(chain).chain_id,
            treasury=home,
            payout_to=None if payout_to is None else _address(payout_to),
            requested_by=f"{by}: {reason}",
        )
    _tell(action_id, is_new, "a withdrawal of it is open", as_json=as_json)


@app.command("disburse")
def disburse(
    *, chain: Chain, treasury: Treasury, reason: Reason, by: By = "operator", as_json: Json = False
) -> None:
    """Pay out the fees that a treasury has set aside."""
    from settlement.action_intake import request_disbursement

    action_id = uuid4()
    with _settlement() as engine, engine.begin() as connection:
        is_new = request_disbursement(
            connection,
            action_id=action_id,
            chain_id=network_by_name(chain).chain_id,
            treasury=_home(connection, chain, treasury),
            requested_by=f"{by}: {reason}",
        )
    _tell(action_id, is_new, "a disbursement of it is open", as_json=as_json)


def _settlement() -> AbstractContextManager[Engine]:
    return opened("settlement")


def _home(connection: Connection, chain: str, treasury: str) -> Address:
    """A treasury that settlement created.

    Raises:
        ConfigurationError: No live campaign has it.
    """
    from sqlalchemy import select

    from settlement.tables import campaigns

    address = _address(treasury)
    known = connection.execute(
        select(campaigns.c.request_id).where(
            campaigns.c.chain_id == network_by_name(chain).chain_id,
            campaigns.c.treasury == address,
            campaigns.c.state == "live",
        )
    ).one_or_none()
    if known is None:
        raise ConfigurationError(f"no live campaign on {chain} has treasury {treasury}")
    return address


def _address(text: str) -> Address:
    try:
        return address_from_hex(text)
    except ValueError as fault:
        raise ConfigurationError(str(fault)) from None


def _tell(action_id: UUID, is_new: bool, otherwise: str, *, as_json: bool) -> None:  # noqa: FBT001 - reads as a sentence
    if as_json:
        show({"action_id": str(action_id) if is_new else None, "asked": is_new}, as_json=True)
    else:
        console.print(f"asked for, as action {action_id}" if is_new else otherwise)
