from hypothesis import given
from hypothesis import strategies as st

from indexer.chain.types import TokenAmount
from settlement.funding import plan_funding
from tests.settlement.builders import due

AMOUNT = st.integers(1, 1000)
MONEY = st.integers(0, 5000).map(TokenAmount)


@given(amounts=st.lists(AMOUNT, max_size=20), headroom=st.integers(-500, 5000), wallet=MONEY)
def test_plan_funding_moves_just_what_the_covered_need_and_never_more_than_there_is(
    amounts: list[int], headroom: int, wallet: TokenAmount
) -> None:
    waiting = [due(amount_base_units=TokenAmount(amount)) for amount in amounts]
    plan = plan_funding(waiting, headroom=TokenAmount(headroom), wallet=wallet)
    value = {request.request_id: request.amount_base_units for request in waiting}
    covered = sum(value[one] for one in plan.covered)
    assert sorted([*plan.covered, *plan.short]) == sorted(value)
    assert 0 <= plan.amount <= wallet
    if plan.covered:
        assert plan.amount == max(0, covered - headroom)
    assert (plan.shortfall > 0) == bool(plan.short)


def test_plan_funding_covers_the_oldest_first_and_says_what_is_missing() -> None:
    first, second = due(), due()
    plan = plan_funding([first, second], headroom=TokenAmount(30), wallet=TokenAmount(100))
    assert plan.covered == (first.request_id,)
    assert plan.short == (second.request_id,)
    assert plan.amount == 70
    assert plan.shortfall == 70
