"""A picture that is better not shrunk loses what it says of places and people, and nothing else."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageSequence

from offchain.media.imaging.budget import RESIZED_FRAMES_MAX
from offchain.media.imaging.outcomes import Engine, Kept, KeptReason, Stripped
from offchain.media.imaging.running import inspect, shrink
from tests.support import pictures
from tests.support.pictures import GIF, GPS, JPEG, ORIENTATION, PNG, SECRET, WEBP, photo, saved

FRAMES = RESIZED_FRAMES_MAX + 1
"""One more than are resized."""
SIDE = 16
XMP = SECRET + b"<x:xmpmeta/>"
engines = pytest.mark.parametrize("engine", ["pillow", "pyvips"])


def stripped(
    directory: Path,
    whole: bytes,
    kind: str,
    reason: KeptReason = "not_smaller",
    engine: Engine = "pillow",
) -> bytes:
    """The copy without metadata, after all that is promised of every one."""
    source, target = directory / "source", directory / "target"
    source.write_bytes(whole)
    before = inspect(source, kind)
    outcome = shrink(source, kind, target, engine=engine, siblings=["webp"])
    result = target.read_bytes()
    assert outcome == Stripped(before.width, before.height, before.frames, len(result), reason)
    assert len(result) < len(whole)
    assert source.read_bytes() == whole
    assert sorted(path.name for path in directory.iterdir()) == ["source", "target"]
    after = inspect(target, kind)
    assert (after.width, after.height, after.frames) == (before.width, before.height, before.frames)
    assert not after.has_metadata
    assert SECRET not in result
    assert_same_pixels(whole, result)
    return result


def assert_same_pixels(whole: bytes, copy: bytes) -> None:
    """Every frame decodes to the same values, is shown as long, and all of it as often."""
    before, after = Image.open(io.BytesIO(whole)), Image.open(io.BytesIO(copy))
    assert (after.size, after.format) == (before.size, before.format)
    for key in ("loop", "icc_profile", "transparency", "gamma", "default_image"):
        assert after.info.get(key) == before.info.get(key), key
    pairs = zip(ImageSequence.Iterator(before), ImageSequence.Iterator(after), strict=True)
    for one, other in pairs:
        assert other.mode == one.mode
        assert np.array_equal(np.asarray(one), np.asarray(other))
        assert other.info.get("duration") == one.info.get("duration")


def small(kind: str, **options: Any) -> bytes:
    """A picture that does not get smaller, as its quality is low or its pixels are single bits."""
    picture = photo(900, 700)
    if kind == PNG:
        return saved(picture.convert("1"), PNG, **options)
    return saved(picture, kind, quality=20, **options)


def metadata(kind: str, orientation: int) -> dict[str, Any]:
    options: dict[str, Any] = {"exif": pictures.exif(orientation, gps=True)}
    if kind != PNG:
        options["xmp"] = XMP
    if kind == JPEG:
        options["comment"] = SECRET
    return options


@engines
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("kind", [JPEG, PNG, WEBP])
def test_picture_that_stays_loses_its_place_and_keeps_its_orientation(
    kind: str, orientation: int, engine: Engine, tmp_path: Path
) -> None:
    whole = small(kind, **metadata(kind, orientation))
    assert SECRET in whole
    assert GPS in Image.open(io.BytesIO(whole)).getexif()
    result = stripped(tmp_path, whole, kind, engine=engine)
    exif = Image.open(io.BytesIO(result)).getexif()
    assert dict(exif) == ({} if orientation == 1 else {ORIENTATION: orientation})
    source, again = tmp_path / "target", tmp_path / "again"
    assert shrink(source, kind, again, engine=engine) == Kept("not_smaller")
    assert not again.exists()


@pytest.mark.parametrize("kind", [JPEG, PNG, WEBP])
def test_picture_that_stays_keeps_its_colour_profile(kind: str, tmp_path: Path) -> None:
    profile = pictures.wide_gamut_profile()
    whole = small(kind, icc_profile=profile, **metadata(kind, 3))
    result = stripped(tmp_path, whole, kind)
    assert Image.open(io.BytesIO(result)).info["icc_profile"] == profile


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_loses_what_stands_between_its_scans_and_after_its_end(
    tmp_path: Path, *, progressive: bool
) -> None:
    bare = small(JPEG, progressive=progressive)
    second = saved(photo(64, 48), JPEG, exif=pictures.exif(gps=True))
    last = bare.rindex(b"\xff\xda")
    comment = pictures.jpeg_segment(0xFE, SECRET)
    inner = bare[:last] + comment + bare[last:] if progressive else bare
    assert stripped(tmp_path, inner + second, JPEG) == bare


def test_jpeg_whose_last_comment_has_no_end_still_has_one(tmp_path: Path) -> None:
    bare = small(JPEG)
    whole = bare[:-2] + pictures.jpeg_segment(0xFE, SECRET)[:-3]
    assert stripped(tmp_path, whole, JPEG) == bare


def test_jpeg_loses_every_segment_that_a_viewer_does_not_need(tmp_path: Path) -> None:
    adobe = pictures.jpeg_segment(0xEE, b"Adobe" + bytes((0, 100, 0, 0, 0, 0, 1)))
    bare = pictures.with_jpeg_segments(small(JPEG), adobe)
    segments = [
        pictures.jpeg_segment(0xE1, pictures.exif(gps=True).tobytes()),
        pictures.jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + SECRET),
        pictures.jpeg_segment(0xED, b"Photoshop 3.0\0" + SECRET),
        pictures.jpeg_segment(0xE2, b"FPXR\0" + SECRET),
        pictures.jpeg_segment(0xE0, b"JFXX\0" + SECRET),
        pictures.jpeg_segment(0xEB, SECRET),
    ]
    whole = pictures.with_jpeg_segments(bare, *segments)
    assert stripped(tmp_path, whole, JPEG) == bare


def test_png_loses_texts_and_unknown_chunks_and_keeps_what_colours_it(tmp_path: Path) -> None:
    shown = [
        pictures.png_chunk(b"gAMA", (45_455).to_bytes(4, "big")),
        pictures.png_chunk(b"pHYs", (2_835).to_bytes(4, "big") * 2 + b"\1"),
    ]
    bare = pictures.with_png_chunks(small(PNG), *shown)
    lost = [
        pictures.png_chunk(b"tEXt", b"Comment\0" + SECRET),
        pictures.png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + SECRET),
        pictures.png_chunk(b"tIME", bytes(7)),
        pictures.png_chunk(b"prVt", SECRET),
    ]
    whole = pictures.with_png_chunks(bare, *lost) + SECRET
    assert stripped(tmp_path, whole, PNG) == bare


def ticking() -> list[Image.Image]:
    """More frames than are resized, no two alike in a row, with pixels that are missing."""
    frames = []
    for number in range(FRAMES):
        frame = Image.new("RGBA", (SIDE, SIDE))
        box = (number % 8, number // 8 % 8, number % 8 + 6, number // 8 % 8 + 6)
        ImageDraw.Draw(frame).rectangle(box, (250, 240, number % 2 * 200, 255))
        frames.append(frame)
    return frames


def animation(kind: str, loop: int) -> bytes:
    """An animation over the budget, with metadata of every sort that it may hold."""
    durations = [40 + 20 * (number % 3) for number in range(FRAMES)]
    options: dict[str, Any] = {"duration": durations, "loop": loop}
    match kind:
        case "image/gif":
            options |= {"comment": SECRET, "disposal": 2}
        case "image/webp":
            options |= {"exif": pictures.exif(6, gps=True), "xmp": XMP, "lossless": True}
        case _:
            options |= {"exif": pictures.exif(6, gps=True)}
    return pictures.animated(ticking(), kind, **options)


@pytest.mark.parametrize("kind", [GIF, PNG, WEBP])
@pytest.mark.parametrize("loop", [0, 3])
def test_animation_over_the_budget_loses_its_metadata_alone(
    kind: str, loop: int, tmp_path: Path
) -> None:
    whole = animation(kind, loop)
    assert SECRET in whole
    result = stripped(tmp_path, whole, kind, "animation_over_budget")
    shown = Image.open(io.BytesIO(result))
    assert shown.info["loop"] == loop
    assert shown.getexif().get(ORIENTATION) == (None if kind == GIF else 6)
    assert GPS not in shown.getexif()


def test_gif_loses_every_extension_that_a_viewer_does_not_need(tmp_path: Path) -> None:
    bare = pictures.animated(ticking(), GIF, duration=40, loop=2)
    start = 13 + (3 << (bare[10] & 7) + 1)
    block = bytes([len(SECRET)]) + SECRET + b"\0"
    profile = b"\x21\xff\x0bICCRGBG1012\x04prof\0"
    lost = b"\x21\xff\x0bXMP DataXMP" + block + b"\x21\xfe" + block + b"\x21\xe0" + block
    whole = bare[:start] + lost + profile + bare[start:] + SECRET
    expected = bare[:start] + profile + bare[start:]
    assert stripped(tmp_path, whole, GIF, "animation_over_budget") == expected


@pytest.mark.parametrize("kind", [JPEG, PNG, WEBP])
def test_picture_that_stays_and_holds_nothing_is_not_copied(kind: str, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(small(kind))
    assert shrink(source, kind, target) == Kept("not_smaller")
    assert not target.exists()
