"""Run a plan: resume what a crash left, do what is missing, read it all back, write the record."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import record as records
from chain import Chain, RpcError
from check import compare
from faults import DeploymentError, ForeignRecordError
from journal import Book, Journal
from networks import Network
from plan import make_plan
from sender import LOCAL_PATIENCE, PUBLIC_PATIENCE, Sender
from view import MissingError, Terms, View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from accounts import Accounts
    from step import Step

    Say = Callable[[str], None]
    Choose = Callable[[Terms | None], Terms]

UNTRIED_GAS = 150_000  # a call that a fresh deployment does not make, such as an upgrade


@dataclass(frozen=True, slots=True)
class Target:
    """Where to deploy, and where to write it down; ``mint_centavos`` is None on public networks."""

    network: Network
    chain: Chain
    record: Path
    mint_centavos: int | None = None

    @property
    def draft(self) -> Path:
        """The journal of an unfinished deployment."""
        return self.record.with_name(self.record.name + ".partial")


def existing_record(target: Target, say: Say) -> records.Record | None:
    """Read the record of this chain; on a local chain, one of a chain that is gone is forgotten.

    Raises:
        ForeignRecordError: It is of another chain, and this one is public.
    """
    try:
        record = records.read(target.record)
        if record is not None:
            records.require_same_chain(record, target.chain)
    except ForeignRecordError as error:
        if not target.network.local:
            raise
        say(f"{error}; deploying again")
        return None
    return record


@contextmanager
def open_journal(target: Target, book: Book, say: Say) -> Iterator[Journal]:
    """Open the journal beside the record; on a local chain, one of a chain that is gone is dropped.

    Raises:
        DeploymentError: Another process is deploying, or the journal is of another public chain.
    """
    identity = {"chain_id": target.chain.chain_id, "genesis_hash": target.chain.genesis_hash()}
    try:
        journal = Journal(target.draft, book, identity)
    except ForeignRecordError as error:
        if not target.network.local:
            raise
        say(f"{error}; it is dropped")
        target.draft.unlink()
        journal = Journal(target.draft, book, identity)
    try:
        yield journal
    finally:
        journal.close()


def require_possible(plan: list[Step], view: View) -> None:
    """Refuse, before anything is sent, what no transaction can make true.

    Raises:
        DeploymentError: A value is not the wanted one, and cannot be changed from here.
    """
    for step in plan:
        if step.request is None and step.adopt is None:
            try:
                done = step.done(view)
            except (MissingError, RpcError):
                continue  # what it reads is yet to be made
            if not done:
                raise DeploymentError(wrong(step, view))


def wrong(step: Step, view: View) -> str:
    """Say what a step finds, and what the operator may do about it."""
    said = f"{step.name} is {step.found(view)}, not {step.wanted(view)}"
    return f"{said}: {step.hint}" if step.hint else said


def run_steps(plan: list[Step], view: View, sender: Sender, journal: Journal, say: Say) -> None:
    """Do what the chain does not show as done, and make sure that it shows then.

    Raises:
        DeploymentError: A step cannot be done, or did not do what it should.
    """
    for number, step in enumerate(plan, 1):
        head = f"{number}/{len(plan)} {step.name}"
        if step.done(view):
            say(f"{head}: as it should be")
            continue
        if step.adopt is not None:
            journal.adopt(step.adopt(view))
        elif step.request is None:
            raise DeploymentError(wrong(step, view))
        else:
            sender.send(step.name, step.request(view))
        if not step.done(view):
            raise DeploymentError(f"it went through, but {wrong(step, view)}")
        used = journal.book.gas.get(step.name)
        say(f"{head}: found" if used is None else f"{head}: done, {used:,} gas")


def gas_left(plan: list[Step], view: View, gas: dict[str, int]) -> dict[str, int]:
    """Add up the gas of the steps that are not done, by the role that pays it.

    Args:
        plan: The steps.
        view: The chain.
        gas: What each step of a fresh deployment used.
    """
    left: dict[str, int] = defaultdict(int)
    for step in plan:
        untried = UNTRIED_GAS if step.request else 0
        try:
            if step.done(view):
                continue
        except (MissingError, RpcError):
            untried = 0  # what it reads is yet to be made, as in a fresh deployment
        left[step.sender] += gas.get(step.name, untried)
    return left


def deploy(
    target: Target,
    *,
    accounts: Accounts,
    choose: Choose,
    say: Say,
    afford: Callable[[list[Step], View], None] = lambda _plan, _view: None,
) -> tuple[records.Record, Book]:
    """Deploy, or finish a deployment, or upgrade one; does nothing where nothing is to be done.

    Args:
        target: Where.
        accounts: Who signs, by role.
        choose: Makes the terms, given those of the record if there is one.
        say: Told each step.
        afford: Refuses, before anything is sent, what cannot be paid.

    Returns:
        The record, and the book with the gas that each step used in this deployment.

    Raises:
        DeploymentError: It cannot go on. What was done is journalled; running again goes on there.
    """
    existing = existing_record(target, say)
    book, old = records.restore(existing) if existing else (Book(), None)
    terms = choose(old)
    plan = make_plan(terms, target.mint_centavos)
    patience = LOCAL_PATIENCE if target.network.local else PUBLIC_PATIENCE
    with open_journal(target, book, say) as journal:
        view = View(target.chain, journal.book, terms)
        sender = Sender(target.chain, journal, accounts, patience)
        resumed = sender.resume()
        if resumed:
            say(f"{resumed}: was under way, and is done")
        require_possible(plan, view)
        afford(plan, view)
        run_steps(plan, view, sender, journal, say)
        record = records.describe(target.network, view)
        require_verified(record, target.chain, say)
        if existing is None or changed(existing, record):
            records.write(record, target.record)
        journal.finish()
    return record, journal.book


def changed(existing: records.Record, record: records.Record) -> bool:
    """Tell whether a deployment differs from its record, the hash of the whole build aside.

    That hash also covers what is not deployed here; it says what the deployment was made from.
    """
    aside = ("artifacts_hash", "compiler")
    return any(
        existing.get(key) != record.get(key)
        for key in existing.keys() | record.keys()
        if key not in aside
    )


def require_verified(record: records.Record, chain: Chain, say: Say) -> None:
    """Read everything back.

    Raises:
        DeploymentError: Something is not as it was meant.
    """
    items = list(compare(record, chain))
    differing = [item for item in items if not item.equal]
    for item in differing:
        say(item.line())
    if any(not item.fixed for item in differing):
        raise DeploymentError("the deployment is not as it was meant; no record was written")
    say(f"{len(items) - len(differing)} of {len(items)} values read back are as meant")
