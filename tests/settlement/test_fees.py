from hypothesis import given
from hypothesis import strategies as st

from indexer.chain.types import Wei
from settlement.fees import Fees, WorthBound, offer, replacement, usual_tip

WEI = st.integers(0, 10**13).map(Wei)


@given(base=WEI, tips=st.lists(WEI, max_size=5), floor=WEI, cap=st.integers(1, 10**13).map(Wei))
def test_offer_never_exceeds_the_cap_nor_tips_more_than_it_pays(
    base: Wei, tips: list[Wei], floor: Wei, cap: Wei
) -> None:
    fees = offer(base, usual_tip(tips, floor_wei=floor), cap_wei=cap)
    assert fees.max_priority_fee_per_gas_wei <= fees.max_fee_per_gas_wei <= cap
    if cap >= 2 * base + max([floor, *tips]):
        assert fees.max_fee_per_gas_wei >= base + floor
        assert fees.max_priority_fee_per_gas_wei >= floor


@given(previous=st.builds(Fees, WEI, WEI), current=st.builds(Fees, WEI, WEI), cap=WEI)
def test_replacement_raises_both_fields_by_an_eighth_or_is_none(
    previous: Fees, current: Fees, cap: Wei
) -> None:
    fees = replacement(previous, current, cap_wei=cap)
    if fees is None:
        return
    for after, before in (
        (fees.max_fee_per_gas_wei, previous.max_fee_per_gas_wei),
        (fees.max_priority_fee_per_gas_wei, previous.max_priority_fee_per_gas_wei),
    ):
        assert 8 * after >= 9 * before
    assert fees.max_priority_fee_per_gas_wei <= fees.max_fee_per_gas_wei <= cap


def test_replacement_is_none_when_the_cap_leaves_no_room() -> None:
    fees = Fees(Wei(100), Wei(10))
    assert replacement(fees, fees, cap_wei=Wei(112)) is None
    assert replacement(fees, fees, cap_wei=Wei(113)) == Fees(Wei(113), Wei(12))


def test_offer_tips_the_middle_of_recent_tips_when_above_the_floor() -> None:
    tip = usual_tip([Wei(5), Wei(50), Wei(7)], floor_wei=Wei(2))
    assert offer(Wei(100), tip, cap_wei=Wei(10**9)) == Fees(Wei(207), Wei(7))


def test_fee_is_worth_it_up_to_the_bound_in_basis_points_of_the_value() -> None:
    bound = WorthBound(fee_bps_max=100, coin_price_minor=150)  # a coin costs 1.50
    value = 100 * 10**18  # 100.00 in a token of 18 decimals: 1.00 may be spent
    two_thirds_of_a_coin = 10**18 * 2 // 3
    assert bound.is_worth(Wei(two_thirds_of_a_coin), value_base_units=value, token_decimals=18)
    assert not bound.is_worth(
        Wei(two_thirds_of_a_coin + 10), value_base_units=value, token_decimals=18
    )
    assert bound.is_worth(Wei(two_thirds_of_a_coin), value_base_units=100 * 10**6, token_decimals=6)
