"""The read role beside the owner, over the same database."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine


@pytest.fixture
def api_engine(engine_as: Callable[[str], Engine]) -> Engine:
    return engine_as("api")
