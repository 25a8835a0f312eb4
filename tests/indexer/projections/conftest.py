from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, Engine


@pytest.fixture
def connection(engine_as: Callable[[str], Engine]) -> Iterator[Connection]:
    """As the indexer; nothing is committed."""
    with engine_as("chain").connect() as opened:
        yield opened
        opened.rollback()
