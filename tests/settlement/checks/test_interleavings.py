"""Whatever happens between any two commits: nothing is ever broken, and all ends settled once."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.settlement.checks.interleaved import KINDS, Action, Case
from tests.settlement.world import World

CASES = 4
REPLACING_AT_ONCE = {"bump_after": timedelta(0), "bump_blocks": 0}
ACTIONS = st.lists(
    st.builds(Action, kind=st.sampled_from(KINDS), seed=st.integers(0, 2**32 - 1)),
    min_size=10,
    max_size=20,
)


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param({}, id="patient"),
        pytest.param(REPLACING_AT_ONCE, id="replacing-each-transaction"),
    ],
)
@settings(
    max_examples=CASES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink one would take minutes
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(actions=ACTIONS)
def test_nothing_is_broken_between_any_two_commits_and_all_ends_settled_once(
    begin_case: Callable[..., AbstractContextManager[World]],
    actions: list[Action],
    policy: dict[str, Any],
) -> None:
    with begin_case(**policy) as world:
        case = Case(world)
        for action in actions:
            case.perform(action)
        case.finish()
