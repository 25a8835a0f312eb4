"""``lastro payments``: what waits for a person, all about one payment, and what to do with it.

Exit codes: 0 done, and nothing waits; 1 something waits for a person, or the outside did not
answer; 2 the command line or a setting is wrong, or the payment does not allow it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.console import Console
from sqlalchemy import Connection

from indexer.errors import ConfigurationError, LastroError
from stack.answers import show

if TYPE_CHECKING:
    from offchain.payments.reviewing import Story
    from offchain.services import Chains

EXIT_FAILED = 1
HELD_SHOWN = 200
SENT_SOON = "it is sent to the gateway by the next sweep"

app = typer.Typer(no_args_is_help=True, help="Payments that wait for a person, and what is done.")

Json = Annotated[bool, typer.Option("--json", help="Report as one JSON object on the last line.")]
By = Annotated[str, typer.Option("--by", envvar="USER", help="Who you are; it is kept.")]
Payment = Annotated[
    str, typer.Argument(metavar="PAYMENT", help="The payment's id, or its gateway's id of it.")
]
console = Console(highlight=False, soft_wrap=True)


@app.command("held")
def held(
    *,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=100_000, help="How many to show, oldest first.")
    ] = HELD_SHOWN,
    as_json: Json = False,
) -> None:
    """What waits for a person: held money, disputes, failed refunds; exits with 1 if any does."""
    from offchain.payments.reviewing import read_held
    from stack.payments_view import show_held

    with _reading() as connection:
        found, total = read_held(connection, limit=limit)
    if as_json:
        show({"held": [asdict(one) for one in found], "total": total}, as_json=True)
    else:
        show_held(found, total, console)
    if total:
        raise typer.Exit(EXIT_FAILED)


@app.command("show")
def show_payment(payment: Payment, *, as_json: Json = False) -> None:
    """Tell all about one payment: statuses, refunds, disputes, evidence and ledger lines."""
    from stack.payments_view import show_story

    with _reading() as connection:
        story = _story(connection, payment)
    if as_json:
        show(asdict(story), as_json=True)
    else:
        show_story(story, console)


@app.command("accept")
def accept(payment: Payment, *, by: By = "operator", as_json: Json = False) -> None:
    """Accept late or differing money for its pledge; what was paid too much is owed back."""
    from offchain.payments import deciding
    from offchain.payments.accepting import Refused

    with _reading() as connection:
        story = _story(connection, payment)
    payment_id, chains = story.payment.payment_id, _chains(story.payment.chain_id)
    with _writing() as connection:
        decided = deciding.accept(
            connection, payment_id, decided_by=by, now=datetime.now(UTC), chains=chains
        )
    if isinstance(decided, Refused):
        raise _refusal(payment, decided.reason)
    _answer(payment_id, {}, "is accepted", as_json=as_json)


@app.command("return")
def give_back(payment: Payment, *, by: By = "operator", as_json: Json = False) -> None:
    """Give back money that was never accepted, all that is left of it."""
    from offchain.payments import deciding
    from offchain.payments.accepting import Refused

    payment_id = _payment_id(payment)
    with _writing() as connection:
        decided = deciding.give_back(connection, payment_id, decided_by=by)
    if isinstance(decided, Refused):
        raise _refusal(payment, decided.reason)
    _answer(payment_id, {"refund_id": decided}, f"goes back: {SENT_SOON}", as_json=as_json)


@app.command("refund")
def refund(
    payment: Payment,
    *,
    amount: Annotated[
        int | None,
        typer.Option("--amount", min=1, help="Minor units (centavos); without it all of it."),
    ] = None,
    by: By = "operator",
    as_json: Json = False,
) -> None:
    """Refund an accepted payment, or a part of it.

    What is not on its way to the chain never goes there; what was settled is undone there once all
    of it was given back, and stays there when a part was.
    """
    from offchain.money import MinorUnits
    from offchain.payments import deciding
    from offchain.payments.accepting import Refused

    payment_id = _payment_id(payment)
    minor = None if amount is None else MinorUnits(amount)
    with _writing() as connection:
        decided = deciding.refund(connection, payment_id, minor, decided_by=by)
    if isinstance(decided, Refused):
        raise _refusal(payment, decided.reason)
    _answer(payment_id, {"refund_id": decided}, f"is refunded: {SENT_SOON}", as_json=as_json)


@app.command("close")
def close(
    payment: Payment,
    *,
    note: Annotated[str, typer.Option("--note", help="Why nothing is left to do; it is kept.")],
    by: By = "operator",
    as_json: Json = False,
) -> None:
    """Say that you have looked at a payment that waits, and that nothing is left to do.

    Held money waits until it is accepted or returned; what settlement still reports comes back.
    """
    from offchain.payments import deciding
    from offchain.payments.accepting import Refused

    payment_id = _payment_id(payment)
    with _writing() as connection:
        decided = deciding.close_review(connection, payment_id, decided_by=by, note=note)
    if isinstance(decided, Refused):
        raise _refusal(payment, decided.reason)
    _answer(payment_id, {}, "waits for nobody any more", as_json=as_json)


def _story(connection: Connection, name: str) -> "Story":
    from offchain.payments.reviewing import find_payment, read_story

    payment_id = find_payment(connection, name)
    story = None if payment_id is None else read_story(connection, payment_id)
    if story is None:
        raise ConfigurationError(
            f"there is no one payment {name}: 'lastro payments held' lists those that wait"
        )
    return story


def _payment_id(name: str) -> UUID:
    with _reading() as connection:
        return _story(connection, name).payment.payment_id


def _refusal(payment: str, reason: str) -> ConfigurationError:
    return ConfigurationError(f"payment {payment} stays as it is: {reason}")


def _answer(payment_id: UUID, more: dict[str, UUID], words: str, *, as_json: bool) -> None:
    """Tell what was done, and how the payment stands now."""
    from offchain.payments.reviewing import read_story

    with _reading() as connection:
        story = read_story(connection, payment_id)
    if as_json:
        payment = None if story is None else asdict(story.payment)
        show({"payment": payment, **more}, as_json=True)
    else:
        console.print(f"{payment_id} {words}", markup=False)


def _chains(chain_id: int | None) -> "Chains | None":
    """What is deployed on a chain; None where that is not at hand: the sweep hands over then."""
    from indexer.chain.deployments import load_deployment
    from indexer.chain.networks import network_by_chain_id
    from indexer.chain.types import ChainId
    from indexer.settings import checked
    from offchain.services import Chains
    from stack.chain_access import NodeSettings
    from stack.local import running_topology
    from stack.settings import StackSettings

    if chain_id is None:
        return Chains({})
    try:
        directory = (
            checked(NodeSettings).deployments_dir
            or running_topology(StackSettings.from_environment()).deployments
        )
        network = network_by_chain_id(ChainId(chain_id))
        return Chains({network.chain_id: load_deployment(directory, network)})
    except LastroError:
        return None


@contextmanager
def _reading() -> Iterator[Connection]:
    """One snapshot of the service's database."""
    from stack.chain_access import opened

    with (
        opened("api") as engine,
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
    ):
        yield connection


@contextmanager
def _writing() -> Iterator[Connection]:
    """One transaction as the owner of schema ``offchain``."""
    from stack.chain_access import opened

    with opened("offchain") as engine, engine.begin() as connection:
        yield connection
