"""One fake gateway a session; services over each test's own database."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from indexer.db.base import ROLES
from indexer.db.session import open_engine
from offchain.gateways.crowdsplit_session import NAME
from offchain.http.app import create_app
from offchain.services import Services
from stack.postgres import EmbeddedPostgres
from stack.valkey import EmbeddedValkey
from tests.support.asgi import serving
from tests.support.crowdsplit import FakeCrowdSplit, running_fake
from tests.support.offchain import CHAINS, http_settings

TEMPLATE = "lastro_template"
IDLE = "offchain_idle"


@pytest.fixture(scope="session")
def crowdsplit(server_directory: Path) -> Iterator[FakeCrowdSplit]:
    with running_fake(server_directory) as fake:
        yield fake


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
    postgres: EmbeddedPostgres, valkey: EmbeddedValkey, crowdsplit: FakeCrowdSplit
) -> Iterator[httpx.Client]:
    """One write API for every test that must write nothing."""
    postgres.create_database(IDLE, template=TEMPLATE)
    engine = open_engine(postgres.url(IDLE), role=ROLES["offchain"])
    services = Services(engine=engine, gateways={NAME: crowdsplit.adapter()}, chains=CHAINS)
    settings = http_settings(postgres.url(IDLE), valkey.url)
    with serving(create_app(settings, services=services)) as client:
        yield client
    engine.dispose()
