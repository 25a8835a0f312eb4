"""The write API in front of all three gateways."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from offchain.http.app import create_app
from offchain.services import Services
from stack.valkey import EmbeddedValkey
from tests.support import paystack as paystack_support
from tests.support import stripe as stripe_support
from tests.support.asgi import serving
from tests.support.offchain import add_campaign, http_settings
from tests.support.paystack import PaystackSite
from tests.support.stripe import FakeStripe


@pytest.fixture(scope="session")
def running_stripe(server_directory: Path) -> Iterator[FakeStripe]:
    with stripe_support.running_fake(server_directory) as fake:
        yield fake


@pytest.fixture(scope="session")
def running_paystack(server_directory: Path) -> Iterator[PaystackSite]:
    with paystack_support.running_site(server_directory) as site:
        yield site


@pytest.fixture
def stripe(running_stripe: FakeStripe) -> FakeStripe:
    """The session's fake, without the faults of the test before."""
    running_stripe.calm()
    return running_stripe


@pytest.fixture
def paystack(running_paystack: PaystackSite) -> PaystackSite:
    """The session's fake, without the faults of the test before."""
    running_paystack.calm()
    return running_paystack


@pytest.fixture
def all_services(services: Services, stripe: FakeStripe, paystack: PaystackSite) -> Services:
    """Three enabled gateways, in no telling order."""
    gateways = {
        "paystack": paystack.adapter(),
        "stripe": stripe.adapter(),
        **services.gateways,
    }
    return replace(services, gateways=gateways)


@pytest.fixture
def shop(
    all_services: Services, engine: Engine, database_url: str, valkey: EmbeddedValkey
) -> Iterator[httpx.Client]:
    """The write API with an open campaign in each of three currencies."""
    for currency in ("brl", "usd", "ngn"):
        add_campaign(engine, slug=f"open-{currency}", currency=currency)
    settings = http_settings(database_url, valkey.url)
    with serving(create_app(settings, services=all_services)) as client:
        yield client
