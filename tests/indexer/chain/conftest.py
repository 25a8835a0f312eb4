from collections.abc import Callable, Iterator

import pytest

from tests.indexer.chain.scripted import Script, Scripted, scripting


@pytest.fixture
def scripted() -> Iterator[Callable[[Script], Scripted]]:
    """Start nodes that answer by a script."""
    with scripting() as start:
        yield start
