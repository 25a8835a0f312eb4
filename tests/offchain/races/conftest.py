"""A site of their own for the races: a fresh database each, whose guards may be taken away."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import Engine

from indexer.chain.deployments import Deployment
from indexer.chain.networks import network_by_name
from offchain.services import Services
from stack.anvil import Anvil
from stack.ports import free_port
from stack.postgres import EmbeddedPostgres
from tests.offchain.races.site import Site
from tests.settlement.world import World, build, deploy
from tests.support import stripe as stripe_support
from tests.support.crowdsplit import FakeCrowdSplit, running_fake
from tests.support.jobs import make_runtime
from tests.support.servers import running
from tests.support.stripe import FakeStripe

TEMPLATE = "lastro_template"


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    name = f"race_{uuid.uuid4().hex}"
    postgres.create_database(name, template=TEMPLATE)
    yield postgres.url(name)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture(scope="session")
def racing_crowdsplit(server_directory: Path) -> Iterator[FakeCrowdSplit]:
    with running_fake(server_directory) as fake:
        yield fake


@pytest.fixture
def crowdsplit(racing_crowdsplit: FakeCrowdSplit) -> FakeCrowdSplit:
    """A fake that lists the races' payments only, without the faults of the race before."""
    racing_crowdsplit.calm()
    return racing_crowdsplit


@pytest.fixture(scope="session")
def racing_stripe(server_directory: Path) -> Iterator[FakeStripe]:
    with stripe_support.running_fake(server_directory) as fake:
        yield fake


@pytest.fixture
def stripe(racing_stripe: FakeStripe) -> FakeStripe:
    racing_stripe.calm()
    return racing_stripe


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Anvil, Deployment]]:
    """One chain with the protocol on it; each race sees it as new."""
    chain = Anvil(network_by_name("celo-local"), free_port())
    log = tmp_path_factory.mktemp("races") / "anvil.log"
    with running(chain.command(), answers=chain.answers, log=log):
        yield chain, deploy(chain)


@pytest.fixture
def chain_world(
    deployed: tuple[Anvil, Deployment], engine_as: Callable[[str], Engine]
) -> Iterator[World]:
    anvil, deployment = deployed
    snapshot = anvil.call("evm_snapshot")
    world = build(anvil, deployment, engine_as)
    yield world
    world.close()
    anvil.call("anvil_dropAllTransactions")
    assert anvil.call("evm_revert", snapshot)
    anvil.call("evm_setAutomine", True)


@pytest.fixture
def site(
    request: pytest.FixtureRequest,
    services: Services,
    login_engine: Engine,
    crowdsplit: FakeCrowdSplit,
) -> Site:
    return Site(make_runtime(services), login_engine, crowdsplit, request)
