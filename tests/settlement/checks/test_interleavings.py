"""Whatever happens between any two commits: nothing is ever broken, and all ends settled once."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.settlement.checks.interleaved import KINDS, Action, Case
from tests.settlement.world import World

CASES_PER_PART = 4
ACTIONS = st.lists(
    st.builds(Action, kind=st.sampled_from(KINDS), seed=st.integers(0, 2**32 - 1)),
    min_size=10,
    max_size=20,
)


@pytest.mark.parametrize("part", [1, 2])
@settings(
    max_examples=CASES_PER_PART,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a smaller one would take minutes
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(actions=ACTIONS)
def test_nothing_is_broken_between_any_two_commits_and_all_ends_settled_once(
    begin_case: Callable[[], AbstractContextManager[World]], actions: list[Action], part: int
) -> None:
    assert part  # two workers share the cases, and each has a chain of its own
    with begin_case() as world:
        case = Case(world)
        for action in actions:
            case.perform(action)
        case.finish()
