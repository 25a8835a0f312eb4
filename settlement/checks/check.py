"""A check: a promise in words, and the statement that finds what breaks it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Text, column, func, select, text

EXAMPLES_MAX = 5
"""Of what breaks a promise, so many are named; all are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    name: str
    """The invariant and the part of it, e.g. ``I4.dense``."""
    title: str
    """The promise, in one sentence."""
    ok: bool
    violations: int
    detail: str
    """Examples by id or hash; empty where there is nothing to tell."""


@dataclass(frozen=True, slots=True)
class Check:
    """A promise and its proof."""

    name: str
    title: str
    violations: str = field(repr=False)
    """SQL with one text column, ``example``, and a row for each violation. ``:chain_id`` is null
    where all chains are asked about."""
    is_promise: bool = True
    """False: rows are worth knowing, but break nothing."""


def ask(connection: Connection, check: Check, parameters: Mapping[str, Any]) -> Finding:
    """Count what breaks a promise, and name a few; one statement, so one snapshot.

    Args:
        connection: May read schemas ``settlement`` and ``chain``.
        check: The promise.
        parameters: Values of the statement's parameters; others are passed over.
    """
    found = text(check.violations).columns(column("example", Text)).cte("found")
    rows = connection.execute(
        select(found.c.example, func.count().over().label("found"))
        .order_by(found.c.example)
        .limit(EXAMPLES_MAX),
        parameters,
    ).all()
    violations = rows[0].found if rows else 0
    if not check.is_promise:
        detail = in_words([row.example for row in rows], violations)
        return Finding(check.name, check.title, ok=True, violations=0, detail=detail)
    return found_broken(check.name, check.title, [row.example for row in rows], violations)


def found_broken(name: str, title: str, examples: Sequence[str], violations: int) -> Finding:
    """Tell what broke a promise, if anything did.

    Args:
        name: The check's name.
        title: The promise.
        examples: Some of what broke it.
        violations: How many there are.
    """
    detail = in_words(examples, violations)
    return Finding(name, title, ok=not violations, violations=violations, detail=detail)


def in_words(examples: Sequence[str], found: int) -> str:
    """A few examples, and how many more there are."""
    named = ", ".join(examples)
    return named if found <= len(examples) else f"{named} and {found - len(examples)} more"
