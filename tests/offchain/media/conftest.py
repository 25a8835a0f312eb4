"""One store a session, emptied of faults for each test; the write API and a runtime on it."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Engine

from offchain.http.app import create_app
from offchain.jobs import runtime as jobs_runtime
from offchain.jobs.runtime import Runtime
from offchain.media.opening import Media
from offchain.services import Services
from offchain.settings import HttpSettings
from stack.valkey import EmbeddedValkey
from tests.support.asgi import serving
from tests.support.jobs import make_runtime
from tests.support.media import SLUG, big_picture, media_environment, media_of
from tests.support.offchain import CHAINS, add_campaign, environment
from tests.support.s3 import S3Site, running_s3

PAGE = "https://pages.example"


@pytest.fixture(scope="session")
def running_store(server_directory: Path) -> Iterator[S3Site]:
    with running_s3(server_directory / "s3") as site:
        yield site


@pytest.fixture
def site(running_store: S3Site) -> S3Site:
    """The session's store, without the faults of the test before."""
    running_store.heal()
    return running_store


@pytest.fixture
def media(site: S3Site) -> Iterator[Media]:
    opened = media_of(site)
    yield opened
    opened.close()


@pytest.fixture
def services(engine: Engine, media: Media) -> Services:
    """No gateway is needed for files."""
    return Services(engine=engine, gateways={}, chains=CHAINS, media=media)


@pytest.fixture
def runtime(services: Services) -> Iterator[Runtime]:
    made = make_runtime(services)
    jobs_runtime.install(made)
    yield made
    jobs_runtime.install(None)


@pytest.fixture
def http_settings(database_url: str, valkey: EmbeddedValkey, site: S3Site) -> HttpSettings:
    more = media_environment(site, LASTRO_PAGE_ORIGINS=PAGE, LASTRO_PAGES_URL=PAGE)
    return HttpSettings.model_validate(environment(database_url, valkey.url, **more))


@pytest.fixture
def http(services: Services, http_settings: HttpSettings) -> Iterator[httpx.Client]:
    with serving(create_app(http_settings, services=services)) as client:
        yield client


@pytest.fixture(scope="session")
def big_jpeg() -> bytes:
    return big_picture()


@pytest.fixture
def campaign_id(engine: Engine) -> UUID:
    return add_campaign(engine, slug=SLUG, creator="Ana")
