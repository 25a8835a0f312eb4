import threading

import pytest

from indexer.chain.limits import REST_MAX_S, REST_NAMED_MAX_S, Budget
from indexer.errors import RpcUnavailable


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_budget_grants_a_second_at_once_and_then_its_rate(clock: Clock) -> None:
    budget = Budget(10, clock=clock)
    assert [budget.reserve(1) for _ in range(10)] == [0] * 10
    assert budget.reserve(1) == pytest.approx(0.1)
    assert budget.reserve(20) == pytest.approx(2.1)
    clock.now += 60
    assert budget.reserve(10) == 0
    assert budget.reserve(5) == pytest.approx(0.5)


def test_budget_grants_everything_when_there_is_no_limit(clock: Clock) -> None:
    budget = Budget(0, clock=clock)
    assert budget.reserve(10**6) == 0
    budget.take(10**6)


def test_budget_rests_longer_each_time_until_the_provider_answers(clock: Clock) -> None:
    budget = Budget(0, clock=clock)
    assert [budget.rest(None) for _ in range(3)] == [0.25, 0.5, 1.0]
    assert budget.rest(None) == budget.rest(None) == REST_MAX_S
    assert budget.reserve(1) == budget.resting_s == REST_MAX_S
    budget.granted()
    assert budget.rest(None) == 0.25
    assert budget.rest(30) == 30
    assert budget.resting_s == 30
    assert budget.rest(10**9) == REST_NAMED_MAX_S


def test_budget_lets_nobody_wait_when_it_is_closed() -> None:
    budget = Budget(0)
    budget.rest(600)
    refused = threading.Event()

    def wait() -> None:
        with pytest.raises(RpcUnavailable, match="closed"):
            budget.take(1)
        refused.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    budget.close()
    waiting.join(5)
    assert refused.is_set()
