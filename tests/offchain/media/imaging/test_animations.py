import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageSequence

from offchain.media.imaging.outcomes import Kept, Shrunk
from offchain.media.imaging.running import inspect, shrink
from tests.support import hostile_files, pictures
from tests.support.pictures import GIF, PNG, SECRET, WEBP, animated, difference, moving

FRAMES = 5
DURATIONS_MS = [40, 80, 120, 200, 60]
LEEWAY = bytes(800_000)
"""Ballast: the result is to be smaller in any case."""


def shrunk(directory: Path, whole: bytes, kind: str) -> Image.Image:
    source, target = directory / "source", directory / "target"
    source.write_bytes(whole)
    outcome = shrink(source, kind, target)
    assert isinstance(outcome, Shrunk)
    assert outcome.frames == inspect(target, kind).frames == FRAMES
    assert outcome.bytes == target.stat().st_size < len(whole)
    assert source.read_bytes() == whole
    assert outcome.siblings == ()
    result = Image.open(io.BytesIO(target.read_bytes()), formats=[kind.removeprefix("image/")])
    assert result.size == (outcome.width, outcome.height)
    return result


def shown(picture: Image.Image) -> tuple[list[Image.Image], list[float]]:
    """Every frame as a viewer shows it, and for how long."""
    frames, durations = [], []
    for frame in ImageSequence.Iterator(picture):
        frames.append(frame.convert("RGBA"))
        durations.append(frame.info.get("duration", 0))
    return frames, durations


@pytest.mark.parametrize("kind", [GIF, PNG, WEBP])
@pytest.mark.parametrize("loop", [0, 3])
def test_shrink_keeps_frames_durations_and_loops(kind: str, loop: int, tmp_path: Path) -> None:
    frames = moving(1300, 400, FRAMES)
    options: dict[str, Any] = {"quality": 95} if kind == WEBP else {}
    whole = animated(frames, kind, duration=DURATIONS_MS, loop=loop, **options)
    result = shrunk(tmp_path, whole, kind)
    seen, durations = shown(result)
    assert result.size == (1024, 315)
    assert durations == DURATIONS_MS
    assert result.info["loop"] == loop
    for frame, original in zip(seen, frames, strict=True):
        assert difference(frame, original.resize(result.size)) < 16


def test_shrink_leaves_a_gif_that_does_not_repeat_without_a_loop(tmp_path: Path) -> None:
    whole = animated(moving(1300, 400, FRAMES), GIF, duration=40)
    assert "loop" not in shrunk(tmp_path, whole, GIF).info


@pytest.mark.parametrize("kind", [GIF, PNG, WEBP])
@pytest.mark.parametrize("disposal", [1, 2])
def test_shrink_shows_what_was_shown_where_pixels_are_missing(
    kind: str, disposal: int, tmp_path: Path
) -> None:
    frames = []
    for number in range(FRAMES):
        frame = Image.new("RGBA", (1300, 400))
        frame.paste(pictures.photo(200, 300, noise=30).convert("RGBA"), (number * 250, 50))
        frames.append(frame)
    options: dict[str, Any] = {"lossless": True} if kind == WEBP else {"disposal": disposal}
    if kind == PNG:
        options["disposal"] = disposal - 1
    if kind == GIF:
        options["comment"] = LEEWAY
    whole = animated(frames, kind, duration=DURATIONS_MS, loop=0, **options)
    expected, _ = shown(Image.open(io.BytesIO(whole)))
    seen, durations = shown(shrunk(tmp_path, whole, kind))
    assert durations == DURATIONS_MS
    for frame, original in zip(seen, expected, strict=True):
        small = original.resize(frame.size)
        alpha, wanted = frame.getchannel("A"), small.getchannel("A")
        assert difference(alpha, wanted) < 2
        ground = Image.new("RGBA", frame.size, (128, 128, 128))
        assert (
            difference(Image.alpha_composite(ground, frame), Image.alpha_composite(ground, small))
            < 8
        )


def test_shrink_keeps_the_picture_for_viewers_that_do_not_animate(tmp_path: Path) -> None:
    still = pictures.photo(1300, 400, seed=9)
    frames = [still, *moving(1300, 400, FRAMES - 1)]
    whole = animated(frames, PNG, duration=DURATIONS_MS[1:], default_image=True)
    result = shrunk(tmp_path, whole, PNG)
    assert result.info["default_image"]
    assert difference(result, still.resize(result.size)) < 6
    seen, _ = shown(result)
    assert difference(seen[-1], frames[-1].resize(result.size)) < 16


def test_shrink_resizes_a_gif_of_one_frame(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    picture = pictures.photo(1600, 1200)
    source.write_bytes(pictures.saved(picture, GIF, comment=SECRET))
    outcome = shrink(source, GIF, target)
    assert isinstance(outcome, Shrunk)
    assert SECRET not in target.read_bytes()
    with Image.open(target) as result:
        assert result.size == (1024, 768)
        assert "duration" not in result.info
        assert difference(result, picture.resize(result.size)) < 8


def test_shrink_removes_a_gifs_comments(tmp_path: Path) -> None:
    whole = animated(moving(1300, 400, FRAMES), GIF, duration=40, comment=SECRET)
    assert SECRET in whole
    shrunk(tmp_path, whole, GIF)
    assert SECRET not in (tmp_path / "target").read_bytes()


def test_shrink_gives_the_same_animation_each_time(tmp_path: Path) -> None:
    for kind in (GIF, PNG, WEBP):
        whole = animated(moving(1300, 400, FRAMES), kind, duration=40, loop=0)
        results = []
        for _ in range(2):
            shrunk(tmp_path, whole, kind)
            results.append((tmp_path / "target").read_bytes())
        assert results[0] == results[1]


@pytest.mark.parametrize(("frames", "side"), [(30, 1500), (60, 1000)])
def test_shrink_keeps_an_animation_over_the_budget(frames: int, side: int, tmp_path: Path) -> None:
    source = tmp_path / "source"
    whole = hostile_files.gif_of(frames, side)
    source.write_bytes(whole)
    assert shrink(source, GIF, tmp_path / "target") == Kept("animation_over_budget")
    assert not (tmp_path / "target").exists()
    assert inspect(source, GIF).frames == frames
    assert source.read_bytes() == whole


def test_shrink_grows_the_screen_for_a_frame_that_exceeds_it(tmp_path: Path) -> None:
    small = pictures.saved(pictures.photo(1200, 500).quantize(64), GIF, comment=LEEWAY)
    large = pictures.saved(pictures.photo(1300, 600, seed=2).quantize(64), GIF)
    start = 13 + 3 * 64
    assert small[10] & 7 == large[10] & 7 == 5
    local = large[large.index(b",", start) :]
    table = large[13:start]
    frame = local[:9] + bytes([0x80 | 5]) + table + local[10:]
    source = tmp_path / "source"
    source.write_bytes(small[:-1] + frame)
    outcome = shrink(source, GIF, tmp_path / "target")
    assert isinstance(outcome, Shrunk)
    assert (outcome.width, outcome.height, outcome.frames) == (1024, 473, 2)
