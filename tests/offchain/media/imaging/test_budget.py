import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.media.imaging import budget
from offchain.media.imaging.budget import Size
from offchain.media.imaging.refusal import Refusal, StaysAsItIs

sides = st.integers(1, 70_000)
sizes = st.builds(Size, sides, sides)


@pytest.mark.parametrize(
    ("width", "height", "frames", "code"),
    [
        (10_000, 5_001, 1, "too_many_pixels"),
        (2**31 - 1, 2**31 - 1, 1, "too_many_pixels"),
        (1_500, 1_500, 400, "too_many_frames"),
        (1, 1, 10_001, "too_many_frames"),
        (0, 100, 1, "corrupt"),
        (100, 0, 7, "corrupt"),
    ],
)
def test_check_picture_refuses_what_is_too_much(
    width: int, height: int, frames: int, code: str
) -> None:
    with pytest.raises(Refusal) as caught:
        budget.check_picture(Size(width, height), frames)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("width", "height", "frames"), [(10_000, 5_000, 1), (1_920, 1_080, 240), (1, 1, 10_000)]
)
def test_check_picture_lets_the_largest_fair_pictures_pass(
    width: int, height: int, frames: int
) -> None:
    budget.check_picture(Size(width, height), frames)


@pytest.mark.parametrize(("side", "fair", "too_many"), [(1_000, 50, 51), (1, 2_000, 2_001)])
def test_check_resizable_leaves_an_animation_alone_above_50_megapixels_or_2000_frames(
    side: int, fair: int, too_many: int
) -> None:
    budget.check_resizable(Size(side, side), fair)
    with pytest.raises(StaysAsItIs) as caught:
        budget.check_resizable(Size(side, side), too_many)
    assert caught.value.reason == "animation_over_budget"


@given(sizes)
def test_shrunk_is_at_most_1024_wide_and_never_larger(picture: Size) -> None:
    result = budget.shrunk(picture)
    assert 1 <= result.width <= budget.WIDTH_MAX
    assert 1 <= result.height <= picture.height
    if picture.width <= budget.WIDTH_MAX:
        assert result == picture


@given(sizes)
def test_shrunk_keeps_the_proportions_to_half_a_pixel(picture: Size) -> None:
    result = budget.shrunk(picture)
    exact = picture.height * result.width / picture.width
    assert abs(result.height - exact) <= max(0.5, 1 - exact)


@given(sizes, st.integers(1, 8))
def test_shown_swaps_the_sides_of_turned_pictures_only(stored: Size, orientation: int) -> None:
    turned = orientation >= 5
    assert budget.shown(stored, orientation) == (stored[::-1] if turned else stored)
    assert budget.shown(budget.shown(stored, orientation), orientation) == stored


@given(sizes)
def test_reduction_leaves_at_least_one_and_a_half_times_the_result(source: Size) -> None:
    result = budget.shrunk(source)
    factor = budget.reduction(source, result)
    assert factor >= 1
    if factor > 1:
        assert source.width / factor >= budget.REDUCE_GAP * result.width
        assert source.height / factor >= budget.REDUCE_GAP * result.height


@pytest.mark.parametrize(
    ("size", "frames", "allowed"),
    [
        (Size(1_024, 1_365), 1, True),
        (Size(1_024, 1_365), 2, False),
        (Size(1_024, 4_000), 1, False),
        (Size(10, 20_000), 1, False),
    ],
)
def test_may_have_siblings_of_stills_of_a_bounded_size(
    size: Size, frames: int, *, allowed: bool
) -> None:
    assert budget.may_have_siblings(size, frames) is allowed
