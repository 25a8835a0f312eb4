"""Whatever chain, nodes and process do, the rows equal those of a fresh index of the same chain.

More of it, for as long as wanted: ``python -m benchmarks.reorg_soak``.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from tests.support.random_chain import KINDS, Action, run_case

CASES_PER_PART = 160
ACTIONS = st.lists(
    st.builds(Action, kind=st.sampled_from(KINDS), seed=st.integers(0, 2**32 - 1)),
    min_size=4,
    max_size=16,
)


@pytest.mark.parametrize("part", [1, 2])
@settings(
    max_examples=CASES_PER_PART,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(actions=ACTIONS)
def test_rows_equal_a_fresh_index_after_any_forks_lies_crashes_and_restarts(
    engine: Engine, actions: list[Action], part: int
) -> None:
    assert part  # two workers share the cases
    assert run_case(engine, actions).differences == []
