from hypothesis import given
from hypothesis import strategies as st

from indexer.chain.types import BlockNumber
from indexer.ranges import LOGS_PER_ANSWER, RangeSize

SIZES = st.builds(RangeSize, blocks=st.integers(1, 10_000), blocks_max=st.just(10_000))


@given(size=SIZES, logs=st.integers(0, 10**7))
def test_next_size_stays_within_half_and_four_times(size: RangeSize, logs: int) -> None:
    after = size.after_answer(logs, size.blocks)
    assert 1 <= after.blocks <= size.blocks_max
    assert max(size.blocks // 2, 1) <= after.blocks <= size.blocks * 4


@given(size=SIZES)
def test_size_grows_when_empty_and_keeps_when_right(size: RangeSize) -> None:
    assert size.after_answer(0, size.blocks).blocks == min(size.blocks * 4, size.blocks_max)
    assert size.after_answer(LOGS_PER_ANSWER, size.blocks) == size


@given(size=SIZES)
def test_refusals_end_at_one_block(size: RangeSize) -> None:
    shrinking: RangeSize | None = size
    for _ in range(20):
        if shrinking is None:
            return
        shrinking = shrinking.after_refusal()
    raise AssertionError("never gave up")


@given(size=SIZES, low=st.integers(0, 10**6), more=st.integers(0, 10**5))
def test_spans_cover_everything_without_overlap(size: RangeSize, low: int, more: int) -> None:
    target = BlockNumber(low + more)
    high = size.span(BlockNumber(low), target)
    assert low <= high <= target
    assert high - low + 1 <= size.blocks
