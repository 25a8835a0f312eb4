from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from tests.support.fake_chain import FakeChain


@pytest.fixture
def engine(engine_as: Callable[[str], Engine]) -> Engine:
    return engine_as("chain")


@pytest.fixture
def chain() -> FakeChain:
    return FakeChain()
