"""One fake gateway a session; services over each test's own database."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import Engine

from indexer.db.base import ROLES, metadata
from indexer.db.session import open_engine
from offchain.gateways.crowdsplit.token import NAME
from offchain.http.app import create_app
from offchain.services import Services
from stack.postgres import EmbeddedPostgres
from stack.valkey import EmbeddedValkey
from tests.support.asgi import serving
from tests.support.crowdsplit import FakeCrowdSplit, running_fake
from tests.support.offchain import CHAINS, http_settings

TEMPLATE = "lastro_template"
IDLE = "offchain_idle"
SHARED = "offchain_shared"


@pytest.fixture(scope="session")
def offchain_database(postgres: EmbeddedPostgres) -> str:
    postgres.create_database(SHARED, template=TEMPLATE)
    return postgres.url(SHARED)


@pytest.fixture
def database_url(offchain_database: str) -> str:
    """One database for all these tests, emptied before each: far quicker than a clone.

    ``replica`` switches off, for this one connection, the triggers that refuse deletion.
    """
    with psycopg.connect(offchain_database) as connection:
        connection.execute("SET session_replication_role = replica")
        for table in metadata.sorted_tables:
            name = Identifier(*table.fullname.split("."))
            connection.execute(SQL("DELETE FROM {}").format(name))
    return offchain_database


@pytest.fixture(scope="session")
def running_crowdsplit(server_directory: Path) -> Iterator[FakeCrowdSplit]:
    with running_fake(server_directory) as fake:
        yield fake


@pytest.fixture
def crowdsplit(running_crowdsplit: FakeCrowdSplit) -> FakeCrowdSplit:
    """The session's fake, without the faults of the test before."""
    running_crowdsplit.calm()
    return running_crowdsplit


@pytest.fixture
def engine(engine_as: Callable[[str], Engine]) -> Engine:
    return engine_as("offchain")


@pytest.fixture
def services(engine: Engine, crowdsplit: FakeCrowdSplit) -> Services:
    return Services(engine=engine, gateways={NAME: crowdsplit.adapter()}, chains=CHAINS)


@pytest.fixture
def http(services: Services, database_url: str, valkey: EmbeddedValkey) -> Iterator[httpx.Client]:
    """The write API over real HTTP."""
    with serving(create_app(http_settings(database_url, valkey.url), services=services)) as client:
        yield client


@pytest.fixture(scope="session")
def idle_http(
    postgres: EmbeddedPostgres, valkey: EmbeddedValkey, running_crowdsplit: FakeCrowdSplit
) -> Iterator[httpx.Client]:
    """One write API for every test that must write nothing."""
    postgres.create_database(IDLE, template=TEMPLATE)
    engine = open_engine(postgres.url(IDLE), role=ROLES["offchain"])
    gateways = {NAME: running_crowdsplit.adapter()}
    services = Services(engine=engine, gateways=gateways, chains=CHAINS)
    settings = http_settings(postgres.url(IDLE), valkey.url)
    with serving(create_app(settings, services=services)) as client:
        yield client
    engine.dispose()
