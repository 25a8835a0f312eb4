"""Databases and chains that many tests or cases start from."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
from sqlalchemy import Engine

from indexer.chain.deployments import Deployment
from indexer.chain.networks import Finality
from indexer.db.base import ROLES
from indexer.db.session import open_engine
from stack.anvil import Anvil
from stack.postgres import EmbeddedPostgres
from tests.conftest import TEMPLATE
from tests.settlement.world import World, build


@contextmanager
def unchanged(anvil: Anvil) -> Iterator[None]:
    """Put the chain back to where it stood, whatever happens to it."""
    snapshot = anvil.call("evm_snapshot")
    try:
        yield
    finally:
        anvil.call("anvil_dropAllTransactions")
        assert anvil.call("evm_revert", snapshot)
        anvil.call("evm_setAutomine", True)


@contextmanager
def database(postgres: EmbeddedPostgres, *, template: str = TEMPLATE) -> Iterator[str]:
    """A database of its own; yields its name."""
    name = f"site_{uuid.uuid4().hex}"
    postgres.create_database(name, template=template)
    try:
        yield name
    finally:
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            name_ = psycopg.sql.Identifier(name)
            connection.execute(psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name_))


@contextmanager
def engines(url: str) -> Iterator[Callable[[str | None], Engine]]:
    """Open engines on a database, as a schema's owner, ``api``, or the login role."""
    opened: list[Engine] = []

    def open_as(owner: str | None) -> Engine:
        opened.append(open_engine(url, role=None if owner is None else ROLES[owner]))
        return opened[-1]

    try:
        yield open_as
    finally:
        for engine in opened:
            engine.dispose()


@contextmanager
def world(
    postgres: EmbeddedPostgres, name: str, site: tuple[Anvil, Deployment], **changes: Any
) -> Iterator[World]:
    """A world on a database, as far as its chain and that have come."""
    with engines(postgres.url(name)) as engine_as:
        built = build(*site, engine_as, **changes)
        try:
            yield built
        finally:
            built.close()


def with_finality(anvil: Anvil, blocks: int) -> Anvil:
    """The same chain, where that many blocks must follow one before it is final."""
    finality = Finality(depth_blocks=blocks)
    return replace(anvil, network=replace(anvil.network, finality=finality))
