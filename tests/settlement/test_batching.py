from hypothesis import given
from hypothesis import strategies as st

from settlement.batching import Limits, first_cut, fitting_items, gas_limit, limits

BOUNDS = st.builds(
    Limits,
    items=st.integers(1, 300),
    gas=st.integers(1, 20_000_000),
    calldata_bytes=st.integers(1, 131_072),
)


@given(waiting=st.lists(st.integers(), max_size=400), bounds=BOUNDS, each=st.integers(1, 200_000))
def test_first_cut_takes_the_longest_front_part_within_bounds(
    waiting: list[int], bounds: Limits, each: int
) -> None:
    taken = first_cut(waiting, bounds, predicted_gas=lambda items: 21_000 + each * items)
    assert list(taken) == waiting[: len(taken)]
    assert len(taken) <= bounds.items
    assert bool(taken) == bool(waiting)
    if len(taken) > 1:
        assert gas_limit(21_000 + each * len(taken)) <= bounds.gas
    if len(taken) < min(len(waiting), bounds.items):
        assert gas_limit(21_000 + each * (len(taken) + 1)) > bounds.gas


@given(items=st.integers(1, 1000), bounds=BOUNDS, each=st.integers(1, 300_000))
def test_fitting_items_ends_at_what_fits_or_at_one(items: int, bounds: Limits, each: int) -> None:
    cuts = 0
    while True:
        estimate, size = 21_000 + each * items, 100 + 320 * items
        fitting = fitting_items(items, estimate=estimate, calldata_bytes=size, bounds=bounds)
        if fitting == items:
            break
        assert 1 <= fitting < items
        items, cuts = fitting, cuts + 1
    assert items == 1 or (gas_limit(estimate) <= bounds.gas and size <= bounds.calldata_bytes)
    assert cuts < 64


@given(payments=st.lists(st.integers(), unique=True, max_size=500), bounds=BOUNDS)
def test_cutting_again_and_again_is_a_permutation_of_all(
    payments: list[int], bounds: Limits
) -> None:
    left, batches = list(payments), list[int]()
    while left:
        taken = first_cut(left, bounds, predicted_gas=lambda items: 100_000 * items)
        batches.extend(taken)
        left = left[len(taken) :]
    assert batches == payments


def test_limits_take_the_tightest_of_block_share_and_network_cap() -> None:
    small = limits(items_max=50, block_gas_limit=30_000_000, gas_per_transaction_max=2**24)
    large = limits(items_max=50, block_gas_limit=140_000_000, gas_per_transaction_max=2**24)
    assert small.gas == 12_000_000
    assert large.gas == 2**24
    assert small.calldata_bytes < 131_072
