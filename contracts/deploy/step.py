"""A step of a deployment: what it wants to find on the chain, and the transaction that makes it so.

A step reads the chain first and sends only when it finds something else, so a plan may be run any
number of times, and reading it without sending is a check of the whole deployment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import artifact
from journal import Contract
from sender import Request
from view import NONE_THERE, View

DEPLOYER = "deployer"
PLATFORM = "platform admin"
Read = Callable[[View], Any]
Arguments = Callable[[View], list[Any]]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that must be true of a deployment.

    ``request`` makes it true, sent by the role ``sender``; ``adopt`` finds a contract that another
    one created. Without either nothing can be done, and ``hint`` says what the operator may do. A
    ``fixed`` contract is never replaced. ``lasting`` is false for what matters only meanwhile.
    """

    name: str
    wanted: Read
    found: Read
    request: Callable[[View], Request] | None = None
    sender: str = DEPLOYER
    adopt: Callable[[View], Contract] | None = None
    hint: str = ""
    fixed: bool = False
    lasting: bool = True

    def done(self, view: View) -> bool:
        """Tell whether there is nothing left to do."""
        found = self.found(view)
        if self.fixed:
            return bool(found != NONE_THERE)
        return bool(found == self.wanted(view))


def create(
    name: str, arguments: Arguments = lambda _: [], *, of: str | None = None, fixed: bool = False
) -> Step:
    """Create a contract, or a new one when the build or its arguments changed.

    Args:
        name: Its name in the book.
        arguments: The constructor's arguments.
        of: Its artifact, when the name is another.
        fixed: It is created once, and what it was created with does not matter later.
    """
    built_from = of or name

    def wanted(view: View) -> str:
        made_with = "" if fixed else f", made with {arguments(view)}"
        return view.built(built_from) + made_with

    def found(view: View) -> str:
        standing = view.standing(name)
        if standing == NONE_THERE or fixed:
            return standing
        return f"{standing}, made with {view.contract(name).arguments}"

    def request(view: View) -> Request:
        libraries = {of: view.address(of) for of in artifact.libraries_of(built_from)}
        given = arguments(view)
        data = artifact.creation_code(built_from, libraries, given)
        made = Contract(name, built_from, "", given, libraries)
        return Request(DEPLOYER, None, data, creates=made)

    return Step(f"contract {name}", wanted, found, request, fixed=fixed)


def adopt(name: str, *, of: str, getter: str) -> Step:
    """Find a contract that another one created when it was initialised.

    Args:
        name: Its name in the book, and its artifact.
        of: The contract that created it.
        getter: The creator's view that names it.
    """

    def found(view: View) -> str:
        standing = view.standing(name)
        return standing if standing == NONE_THERE else f"{standing} at {view.address(name)}"

    def enter(view: View) -> Contract:
        creator = view.contract(of)
        return Contract(
            name,
            name,
            view.read(of, getter),
            [],
            {},
            transaction=creator.transaction,
            block=creator.block,
            creator=creator.address,
        )

    return Step(
        f"contract {name}",
        wanted=lambda view: f"{view.built(name)} at {view.read(of, getter)}",
        found=found,
        adopt=enter,
        fixed=True,
    )


def send(
    name: str, *, sender: str, call: Callable[[View], tuple[Any, ...]], wanted: Read, found: Read
) -> Step:
    """Call a contract of the deployment when a value is not the wanted one.

    Args:
        name: What the call does.
        sender: The role that sends it.
        call: The contract's name, the function, and its arguments.
        wanted: The value as it should be.
        found: The value as the chain has it.
    """

    def request(view: View) -> Request:
        contract, function, *arguments = call(view)
        data = artifact.encode_call(contract, function, tuple(arguments))
        return Request(sender, view.address(contract), data)

    return Step(name, wanted, found, request, sender=sender)


def implementation_of(name: str) -> str:
    """Name the implementation behind a proxy."""
    return f"{name} implementation"


def proxied(name: str, initialise: Arguments) -> list[Step]:
    """Create an implementation and its proxy; later on, upgrade the proxy to a new one."""
    behind = implementation_of(name)

    def arguments(view: View) -> list[Any]:
        data = artifact.encode_call(name, "initialize", tuple(initialise(view)))
        return [view.address(behind), "0x" + data.hex()]

    return [
        create(behind, of=name),
        create(name, arguments, of="ERC1967Proxy", fixed=True),
        send(
            f"code behind {name}",
            sender=DEPLOYER,
            call=lambda view: (name, "upgradeToAndCall", view.address(behind), b""),
            wanted=lambda view: view.address(behind),
            found=lambda view: view.implementation(name),
        ),
    ]
