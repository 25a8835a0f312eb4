"""A real chain, and databases in which the command line has indexed it."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Engine

from indexer.db.locks import try_session_lock
from indexer.db.session import open_engine
from indexer.loop import lock_name
from stack.postgres import EmbeddedPostgres
from tests.support.indexed_site import (
    CHAIN,
    TIP,
    Chain,
    Site,
    mined,
)
from tests.support.s3 import S3Site, running_s3

TEMPLATE = "lastro_template"
"""Migrated, and empty."""


@pytest.fixture(scope="package")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """Shared by all tests but the one that mines."""
    with mined(tmp_path_factory.mktemp("chain")) as made:
        yield made


@pytest.fixture(scope="package")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Site]:
    """Shared: every test writes keys of its own, and leaves the clock alone."""
    with running_s3(tmp_path_factory.mktemp("s3") / "objects") as site:
        yield site


@pytest.fixture(scope="package")
def template(postgres: EmbeddedPostgres, chain: Chain) -> str:
    """Name of a database in which ``backfill`` has indexed the chain."""
    name = f"indexed_{uuid.uuid4().hex}"
    postgres.create_database(name, template=TEMPLATE)
    code, answer = Site(chain, postgres.url(name)).run("backfill")
    assert (code, answer["read"], answer["ranges"]) == (0, [1, TIP], [])
    return name


@pytest.fixture
def site(chain: Chain, database_url: str) -> Site:
    """Nothing is indexed yet."""
    return Site(chain, database_url)


@pytest.fixture
def indexed(chain: Chain, template: str, postgres: EmbeddedPostgres) -> Iterator[Site]:
    """All is indexed."""
    name = f"test_{uuid.uuid4().hex}"
    postgres.create_database(name, template=template)
    yield Site(chain, postgres.url(name))
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(
            psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)").format(psycopg.sql.Identifier(name))
        )


@pytest.fixture
def rows(indexed: Site) -> Iterator[Engine]:
    """The indexed database, where a test may spoil anything."""
    engine = open_engine(indexed.database_url, role=None)
    yield engine
    engine.dispose()


@pytest.fixture
def other_writer(login_engine: Engine) -> Iterator[None]:
    """An indexer's lock, held by somebody else."""
    with login_engine.connect() as connection:
        assert try_session_lock(connection, lock_name(CHAIN))
        yield
