from collections.abc import Iterator

import pytest

from offchain.jobs import runtime as jobs_runtime
from offchain.jobs.runtime import Runtime
from offchain.services import Services
from tests.support.jobs import make_runtime


@pytest.fixture
def runtime(services: Services) -> Iterator[Runtime]:
    made = make_runtime(services)
    jobs_runtime.install(made)
    yield made
    jobs_runtime.install(None)
