from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from indexer.chain.deployments import Deployment
from indexer.chain.networks import network_by_name
from stack.anvil import Anvil
from stack.ports import free_port
from tests.settlement.stored import Store
from tests.settlement.world import World, build, deploy
from tests.support.servers import running


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Anvil, Deployment]]:
    """One chain with the protocol on it; each test sees it as new."""
    chain = Anvil(network_by_name("celo-local"), free_port())
    log = tmp_path_factory.mktemp("settlement") / "anvil.log"
    with running(chain.command(), answers=chain.answers, log=log):
        yield chain, deploy(chain)


@pytest.fixture
def chain(deployed: tuple[Anvil, Deployment]) -> Iterator[Anvil]:
    anvil, _ = deployed
    snapshot = anvil.call("evm_snapshot")
    yield anvil
    anvil.call("anvil_dropAllTransactions")
    assert anvil.call("evm_revert", snapshot)
    anvil.call("evm_setAutomine", True)


@pytest.fixture
def build_world(
    deployed: tuple[Anvil, Deployment], chain: Anvil, engine_as: Callable[[str], Engine]
) -> Iterator[Callable[..., World]]:
    """Build a world with other bounds, nodes or tokens; closed when the test ends."""
    built: list[World] = []

    def build_one(**changes: Any) -> World:
        built.append(build(chain, deployed[1], engine_as, **changes))
        return built[-1]

    yield build_one
    for world in built:
        world.close()


@pytest.fixture
def world(build_world: Callable[..., World]) -> World:
    return build_world()


@pytest.fixture
def store(engine_as: Callable[[str], Engine]) -> Store:
    return Store(engine_as("settlement"))
