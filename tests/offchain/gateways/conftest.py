"""The fake gateways, one server a session each."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from offchain.gateways.types import PayoutGateway
from tests.support import crowdsplit as crowdsplit_support
from tests.support import paystack as paystack_support
from tests.support import stripe as stripe_support
from tests.support.gateway_sites import GatewaySite
from tests.support.paystack import PaystackSite

SITES: dict[str, Callable[[Path], AbstractContextManager[GatewaySite]]] = {
    "crowdsplit": crowdsplit_support.running_site,
    "paystack": paystack_support.running_site,
    "stripe": stripe_support.running_fake,
}
"""What the acceptance suites run against, by name."""


@pytest.fixture(scope="session", params=sorted(SITES))
def running_site(request: pytest.FixtureRequest, server_directory: Path) -> Iterator[GatewaySite]:
    with SITES[request.param](server_directory) as site:
        yield site


@pytest.fixture
def site(running_site: GatewaySite) -> GatewaySite:
    """The session's fake, without the faults of the test before."""
    running_site.calm()
    return running_site


@pytest.fixture
def gateway(site: GatewaySite) -> PayoutGateway:
    return site.adapter()


@pytest.fixture(scope="session")
def running_paystack(server_directory: Path) -> Iterator[PaystackSite]:
    with paystack_support.running_site(server_directory) as site:
        yield site


@pytest.fixture
def paystack(running_paystack: PaystackSite) -> PaystackSite:
    """The session's fake, without the faults of the test before."""
    running_paystack.calm()
    return running_paystack
