"""Real servers for every test: one Postgres and one Valkey a session, a fresh database a test.

A template database is migrated once; each test clones it, so tests commit for real.
"""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine

from indexer.chain.networks import network_by_name
from indexer.db.base import ROLES
from indexer.db.session import open_engine
from migrations.run import migrate
from stack.anvil import Anvil
from stack.ports import free_port
from stack.postgres import EmbeddedPostgres
from stack.valkey import EmbeddedValkey
from tests.support.servers import running

TEMPLATE = "lastro_template"
FAST_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@pytest.fixture(scope="session")
def server_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def postgres(server_directory: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(server_directory / "postgres", free_port())
    server.initialize()
    with running(
        server.command(FAST_NOT_DURABLE),
        answers=server.answers,
        log=server_directory / "postgres.log",
    ):
        server.create_database(TEMPLATE)
        migrate(server.url(TEMPLATE))
        yield server


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    postgres.create_database(name, template=TEMPLATE)
    yield postgres.url(name)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(
            psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)").format(psycopg.sql.Identifier(name))
        )


@pytest.fixture
def engine_as(database_url: str) -> Iterator[Callable[[str], Engine]]:
    """Open engines on this test's database as the owner of a schema (or ``api``)."""
    opened: list[Engine] = []

    def open_as(owner: str) -> Engine:
        engine = open_engine(database_url, role=ROLES[owner])
        opened.append(engine)
        return engine

    yield open_as
    for engine in opened:
        engine.dispose()


@pytest.fixture
def login_engine(database_url: str) -> Iterator[Engine]:
    """The login role, which may do anything: for arranging rows of several owners."""
    engine = open_engine(database_url, role=None)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def valkey(server_directory: Path) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(server_directory / "valkey", free_port())
    with running(server.command(), answers=server.answers, log=server_directory / "valkey.log"):
        yield server


@pytest.fixture
def anvil(tmp_path: Path) -> Iterator[Anvil]:
    """A fresh chain that mines each transaction at once."""
    chain = Anvil(network_by_name("celo-local"), free_port())
    with running(chain.command(), answers=chain.answers, log=tmp_path / "anvil.log"):
        yield chain
