"""Compare a live deployment with its record and with the committed build, item by item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import artifact
from chain import RpcError
from plan import make_plan
from record import restore
from view import CURRENCY, MissingError, View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chain import Chain
    from record import Record
    from step import Step


@dataclass(frozen=True, slots=True)
class Item:
    """One value compared. A ``fixed`` one cannot be mended by deploying again."""

    name: str
    wanted: Any
    found: Any
    fixed: bool = False

    @property
    def equal(self) -> bool:
        """Tell whether the chain has what it should."""
        return bool(self.wanted == self.found)

    def line(self) -> str:
        """Say it in one line."""
        if self.equal:
            return f"ok      {self.name}: {self.found}"
        return f"DIFFERS {self.name}: {self.found}, not {self.wanted}"


def compare(record: Record, chain: Chain) -> Iterator[Item]:
    """Read the whole deployment back, and compare it.

    Raises:
        UnreachableError: The node stopped answering.
    """
    book, terms = restore(record)
    view = View(chain, book, terms)
    yield Item("chain id", record["chain_id"], chain.chain_id)
    yield Item("genesis", record["genesis_hash"], chain.genesis_hash())
    for entry in record["deployed"]:
        found = artifact.code_hash(chain.code(entry["address"]))
        yield Item(f"code of {entry['name']} as recorded", entry["code_hash"], found)
    for step in make_plan(terms, 0 if terms.token is None else None):
        if step.lasting:
            yield compare_step(step, view)
    yield Item(
        "tokens for BRL",
        sorted(token["address"] for token in record["tokens"]),
        tolerant(lambda: sorted(view.read("GlobalParams", "getTokensForCurrency", CURRENCY))),
    )
    for implementation in record["implementations"]:
        number = implementation["id"]
        found = tolerant(view.registered, number)
        yield Item(f"implementation {number}", implementation["address"], found)
    yield Item("adapter", record["adapter"], tolerant(view.adapter))
    for name, address in record["contracts"].items():
        yield Item(f"address of {name}", book_address(view, name), address)


def book_address(view: View, name: str) -> str | None:
    """Find the contract that the record's ``contracts`` call by another name."""
    wanted = name.replace("_", "")
    found = [entry for entry in view.book.contracts.values() if entry.name.lower() == wanted]
    return found[0].address if found else None


def compare_step(step: Step, view: View) -> Item:
    """Compare what a step wants with what the chain has."""
    wanted = tolerant(step.wanted, view)
    return Item(step.name, wanted, tolerant(step.found, view), step.fixed)


@dataclass(frozen=True, slots=True, eq=False)
class Unreadable:
    """A value that cannot be read, and so equals none."""

    why: str

    def __str__(self) -> str:
        """Say why, in place of the value."""
        return self.why


def tolerant(read: Callable[..., Any], *arguments: object) -> object:
    """Read a value, or say why it cannot be read."""
    try:
        return read(*arguments)
    except MissingError as error:
        return Unreadable(f"nothing, for want of {error}")
    except RpcError as error:
        return Unreadable(f"unreadable ({error})")
