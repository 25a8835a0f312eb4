from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine

from indexer.chain.deployments import Deployment
from stack.anvil import Anvil
from stack.postgres import EmbeddedPostgres
from tests.settlement.checks.interleaved import FINALITY_BLOCKS
from tests.settlement.checks.populated import PAYMENT_LIFE, WALLET, populate
from tests.settlement.checks.sites import (
    database,
    engines,
    unchanged,
    with_finality,
    world,
)
from tests.settlement.world import OAKS_KIND, World, deploy


@pytest.fixture(scope="session")
def populated(
    postgres: EmbeddedPostgres, deployed: tuple[Anvil, Deployment]
) -> Iterator[Callable[[str | None], Engine]]:
    """Engines on a database in which everything has happened; commit nothing."""
    bounds = {"tokens_of_admin": WALLET, "payment_life": PAYMENT_LIFE}
    with database(postgres) as name:
        # The chain goes back at once: the tests that follow in this process start from it too.
        with unchanged(deployed[0]), world(postgres, name, deployed, **bounds) as built:
            populate(built)
        with engines(postgres.url(name)) as engine_as:
            yield engine_as


@pytest.fixture
def begin_case(
    postgres: EmbeddedPostgres, anvil: Anvil
) -> Iterator[Callable[..., AbstractContextManager[World]]]:
    """Worlds with two live treasuries and bounds of their own, each as if it were the first.

    On a chain of their own: after some hundreds of blocks, anvil loses states that a reorg needs.
    """
    site = with_finality(anvil, FINALITY_BLOCKS), deploy(anvil)
    with database(postgres) as template:
        with world(postgres, template, site) as built:
            built.live_treasury("um")
            built.live_treasury("dois", kind=OAKS_KIND)

        @contextmanager
        def begin(**policy: Any) -> Iterator[World]:
            with (
                unchanged(anvil),
                database(postgres, template=template) as name,
                world(postgres, name, site, tokens_of_admin=0, **policy) as built,
            ):
                yield built

        yield begin
