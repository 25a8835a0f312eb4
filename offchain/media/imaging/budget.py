"""How many pixels are too many, and how large a result becomes: decided from headers alone."""

from typing import NamedTuple

from offchain.media.imaging.refusal import Refusal, StaysAsItIs

PIXELS_MAX = 50_000_000
"""Decoded pixels of one job, over all frames (imgproxy's default): 200 MB at 4 bytes."""
ANIMATION_PIXELS_MAX = 500_000_000
"""An animation between the two bounds is sound, but not ours to resize; above, it is a bomb: a fair
one (1080p, 10 s at 24 a second) stays below, 400 frames of 1500 x 1500 do not."""
FRAMES_MAX = 10_000
"""A file of 20 MB holds a million frames of one pixel, each of which costs time."""
RESIZED_FRAMES_MAX = 2_000
"""A frame takes a millisecond or two even if it is tiny."""
WIDTH_MAX = 1024
"""Pixels across of a result, as shown."""
SIBLING_PIXELS_MAX = 4_000_000
"""Larger results get no siblings: AVIF takes about 0.1 s a megapixel, WebP 16,383 px at most."""
SIBLING_SIDE_MAX = 16_383
REDUCE_GAP = 1.5
"""A picture is first averaged down by a whole number, to at least 1.5 times the result: what JPEG's
own scaling does, and three times as fast as Lanczos over every pixel."""
TURNED = frozenset({5, 6, 7, 8})
"""EXIF orientations that swap width and height (CIPA DC-008, tag 0x0112)."""


class Size(NamedTuple):
    """Pixels across and down."""

    width: int
    height: int


def shown(stored: Size, orientation: int) -> Size:
    """The size a viewer shows: after EXIF orientation."""
    return Size(stored.height, stored.width) if orientation in TURNED else stored


def check_picture(stored: Size, frames: int) -> None:
    """Refuse bombs.

    Args:
        stored: Size of one frame, before orientation.
        frames: 1 for a still picture.

    Raises:
        Refusal: ``corrupt`` without pixels, ``too_many_pixels`` in one frame, or
            ``too_many_frames``.
    """
    pixels = stored.width * stored.height
    if pixels <= 0:
        raise Refusal("corrupt", f"a picture of {stored.width} x {stored.height} pixels")
    if pixels > PIXELS_MAX:
        raise Refusal(
            "too_many_pixels",
            f"{stored.width} x {stored.height} pixels are more than {PIXELS_MAX:,}",
        )
    if frames > FRAMES_MAX or (frames > 1 and pixels * frames > ANIMATION_PIXELS_MAX):
        raise Refusal(
            "too_many_frames",
            f"{frames} frames of {stored.width} x {stored.height} pixels; {FRAMES_MAX:,} frames"
            f" and {ANIMATION_PIXELS_MAX:,} pixels in all are the most",
        )


def check_resizable(stored: Size, frames: int) -> None:
    """Leave a sound animation alone that is too much to decode.

    Raises:
        StaysAsItIs: ``animation_over_budget``.
    """
    if frames > RESIZED_FRAMES_MAX or stored.width * stored.height * frames > PIXELS_MAX:
        raise StaysAsItIs("animation_over_budget")


def shrunk(picture: Size) -> Size:
    """The size of the result: at most ``WIDTH_MAX`` across, never larger than before.

    Args:
        picture: As shown.
    """
    if picture.width <= WIDTH_MAX:
        return picture
    height = round(picture.height * WIDTH_MAX / picture.width)
    return Size(WIDTH_MAX, max(1, height))


def reduction(source: Size, result: Size) -> int:
    """By which whole number to average a picture down before it is resized; 1 for not at all."""
    ratio = min(source.width / result.width, source.height / result.height)
    return max(1, int(ratio / REDUCE_GAP))


def may_have_siblings(result: Size, frames: int) -> bool:
    """Whether a result is also written in other formats: stills of a bounded size."""
    return (
        frames == 1
        and result.width * result.height <= SIBLING_PIXELS_MAX
        and max(result) <= SIBLING_SIDE_MAX
    )
