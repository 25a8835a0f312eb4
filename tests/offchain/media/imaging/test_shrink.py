import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from indexer.errors import ConfigurationError
from offchain.media.imaging import process
from offchain.media.imaging.outcomes import Engine, Inspected, Kept, Shrunk, Stripped
from offchain.media.imaging.running import inspect, shrink
from tests.support import hostile_files, pictures
from tests.support.pictures import GIF, JPEG, PNG, SECRET, WEBP, difference, marked, photo, saved

ENGINES: list[Engine] = ["pillow", "pyvips"]
engines = pytest.mark.parametrize("engine", ENGINES)


class Workshop:
    """A directory in which one picture is shrunk at a time."""

    def __init__(self, directory: Path) -> None:
        self.source = directory / "source"
        self.target = directory / "target"

    def shrink(self, whole: bytes, kind: str, **options: Any) -> Shrunk | Stripped | Kept:
        self.source.write_bytes(whole)
        outcome = shrink(self.source, kind, self.target, **options)
        assert self.source.read_bytes() == whole
        return outcome

    def shrunk(self, whole: bytes, kind: str, **options: Any) -> Image.Image:
        outcome = self.shrink(whole, kind, **options)
        assert isinstance(outcome, Shrunk)
        assert outcome.bytes == self.target.stat().st_size < len(whole)
        with Image.open(self.target, formats=[kind.removeprefix("image/")]) as picture:
            picture.load()
            assert picture.size == (outcome.width, outcome.height)
            return picture


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@engines
@pytest.mark.parametrize("kind", [JPEG, PNG, WEBP])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_shrink_shows_the_same_picture_in_all_eight_orientations(
    orientation: int, kind: str, engine: Engine, workshop: Workshop
) -> None:
    stored = marked(1600, 1200)
    options = {"compress_level": 0} if kind == PNG else {}
    whole = saved(stored, kind, exif=pictures.exif(orientation), **options)
    with Image.open(io.BytesIO(whole)) as original:
        upright = ImageOps.exif_transpose(original)
    result = workshop.shrunk(whole, kind, engine=engine)
    assert result.size == ((1024, 1365) if orientation >= 5 else (1024, 768))
    assert pictures.ORIENTATION not in result.getexif()
    assert difference(result, upright.resize(result.size)) < 2


@engines
@pytest.mark.parametrize("kind", [JPEG, PNG, WEBP])
def test_shrink_leaves_no_metadata(kind: str, engine: Engine, workshop: Workshop) -> None:
    options: dict[str, Any] = {"exif": pictures.exif(3, gps=True)}
    if kind != PNG:
        options["xmp"] = SECRET
    if kind == JPEG:
        options["comment"] = SECRET
    whole = saved(photo(1300, 900), kind, **options)
    assert SECRET in whole
    result = workshop.shrunk(whole, kind, engine=engine)
    assert SECRET not in workshop.target.read_bytes()
    assert not result.getexif()
    assert not result.info.keys() & {"exif", "xmp", "comment", "icc_profile"}
    assert not inspect(workshop.target, kind).has_metadata


@engines
@pytest.mark.parametrize(
    ("size", "expected"), [((3000, 1000), (1024, 341)), ((1000, 3000), (1000, 3000))]
)
def test_shrink_bounds_the_width_alone_and_never_enlarges(
    size: tuple[int, int], expected: tuple[int, int], engine: Engine, workshop: Workshop
) -> None:
    whole = saved(photo(*size), JPEG, quality=98)
    assert workshop.shrunk(whole, JPEG, engine=engine).size == expected


@engines
def test_shrink_judges_the_width_after_orientation(engine: Engine, workshop: Workshop) -> None:
    lying = saved(photo(2000, 800), JPEG, quality=98, exif=pictures.exif(6))
    assert workshop.shrunk(lying, JPEG, engine=engine).size == (800, 2000)


@engines
@pytest.mark.parametrize("kind", [JPEG, PNG, WEBP])
def test_shrink_is_as_good_as_resizing_every_pixel(
    kind: str, engine: Engine, workshop: Workshop
) -> None:
    picture = photo(3300, 2500, noise=4)
    options = {} if kind == PNG else {"quality": 95}
    result = workshop.shrunk(saved(picture, kind, **options), kind, engine=engine)
    best = picture.resize(result.size, Image.Resampling.LANCZOS)
    error = np.asarray(result, np.float64) - np.asarray(best, np.float64)
    assert 10 * np.log10(255**2 / (error**2).mean()) > 38


@engines
@pytest.mark.parametrize("kind", [JPEG, PNG, WEBP])
def test_shrink_gives_the_same_bytes_each_time(
    kind: str, engine: Engine, workshop: Workshop
) -> None:
    whole = saved(photo(1300, 900), kind)
    results = []
    for _ in range(2):
        workshop.shrunk(whole, kind, engine=engine, siblings=["webp", "avif"])
        parts = [workshop.target, *sorted(workshop.target.parent.glob("target.*"))]
        results.append([part.read_bytes() for part in parts])
    assert results[0] == results[1]


@engines
def test_shrink_keeps_a_picture_that_would_not_get_smaller(
    engine: Engine, workshop: Workshop
) -> None:
    whole = saved(photo(900, 700), JPEG, quality=30)
    assert workshop.shrink(whole, JPEG, engine=engine, siblings=["webp"]) == Kept("not_smaller")
    assert [path.name for path in workshop.target.parent.iterdir()] == ["source"]


@engines
def test_shrink_writes_siblings_that_are_smaller_still(engine: Engine, workshop: Workshop) -> None:
    whole = saved(photo(1300, 900), JPEG, quality=95)
    outcome = workshop.shrink(whole, JPEG, engine=engine, siblings=["webp", "avif"])
    assert isinstance(outcome, Shrunk)
    assert [sibling.format for sibling in outcome.siblings] == ["webp", "avif"]
    for sibling in outcome.siblings:
        assert sibling.bytes == sibling.path.stat().st_size < outcome.bytes
        assert sibling.content_type == f"image/{sibling.format}"
        with Image.open(sibling.path, formats=[sibling.format]) as picture:
            assert picture.size == (outcome.width, outcome.height)
            with Image.open(workshop.target) as result:
                assert difference(picture, result) < 5


@engines
@pytest.mark.parametrize("kind", [JPEG, PNG, WEBP])
def test_shrink_converts_to_srgb_and_drops_the_profile(
    kind: str, engine: Engine, workshop: Workshop
) -> None:
    profile = pictures.wide_gamut_profile()
    picture = photo(1300, 900)
    expected = ImageCms.profileToProfile(
        picture,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    assert expected is not None
    assert difference(expected, picture) > 10
    result = workshop.shrunk(saved(picture, kind, icc_profile=profile), kind, engine=engine)
    assert "icc_profile" not in result.info
    assert difference(result, expected.resize(result.size, Image.Resampling.LANCZOS)) < 6


def test_shrink_keeps_a_whole_profile_that_cannot_be_applied(workshop: Workshop) -> None:
    profile = pictures.wide_gamut_profile().replace(b"rXYZ", b"none", 1)
    whole = hostile_files.with_jpeg_profile(saved(photo(1300, 900), JPEG, quality=95), profile)
    assert workshop.shrunk(whole, JPEG).info["icc_profile"] == profile


@engines
@pytest.mark.parametrize("adobe", [True, False])
def test_shrink_turns_inks_into_light(engine: Engine, workshop: Workshop, *, adobe: bool) -> None:
    light = marked(1600, 1200)
    inks = light.convert("CMYK")
    whole = saved(inks, JPEG, quality=95)
    at = whole.index(b"\xff\xee")
    if not adobe:
        inverted = Image.eval(inks, lambda value: 255 - value)
        whole = saved(inverted, JPEG, quality=95)
        whole = whole[:at] + whole[at + 16 :]
    result = workshop.shrunk(whole, JPEG, engine=engine)
    assert result.mode == "RGB"
    assert difference(result, light.resize(result.size)) < 3


@engines
def test_shrink_keeps_grey_grey(engine: Engine, workshop: Workshop) -> None:
    grey = photo(1300, 900).convert("L")
    for kind in (JPEG, PNG):
        result = workshop.shrunk(saved(grey, kind), kind, engine=engine)
        assert result.mode == "L"
        assert difference(result, grey.resize(result.size)) < 4


@engines
def test_shrink_reads_sixteen_bits(engine: Engine, workshop: Workshop) -> None:
    grey = photo(1300, 900).convert("L")
    wide = Image.fromarray(np.asarray(grey, np.uint16) * 257)
    result = workshop.shrunk(saved(wide, PNG), PNG, engine=engine)
    assert difference(result.convert("L"), grey.resize(result.size)) < 4


@engines
@pytest.mark.parametrize("kind", [PNG, WEBP])
def test_shrink_keeps_transparency_without_a_fringe(
    kind: str, engine: Engine, workshop: Workshop
) -> None:
    picture = Image.new("RGBA", (1600, 1200), (255, 0, 255, 0))
    picture.paste(photo(800, 1200, noise=20).convert("RGBA"), (0, 0))
    result = workshop.shrunk(saved(picture, kind, lossless=True), kind, engine=engine)
    assert result.mode == "RGBA"
    pixels = np.asarray(result)
    assert (pixels[:, :508, 3] == 255).all()
    assert (pixels[:, 516:, 3] == 0).all()
    edge = pixels[:, 505:513][pixels[:, 505:513, 3] > 64].astype(int)
    magenta = np.minimum(edge[:, 0], edge[:, 2]) - edge[:, 1]
    assert magenta.mean() < 30


@engines
@pytest.mark.parametrize("size", [(1600, 1200), (900, 700)])
def test_shrink_keeps_a_palette_a_palette(
    size: tuple[int, int], engine: Engine, workshop: Workshop
) -> None:
    indexed = photo(*size).quantize(128)
    result = workshop.shrunk(saved(indexed, PNG, compress_level=0), PNG, engine=engine)
    assert result.mode == "P"
    assert difference(result, indexed.convert("RGB").resize(result.size)) < 8


@engines
def test_shrink_keeps_the_transparent_colour_of_a_palette(
    engine: Engine, workshop: Workshop
) -> None:
    for width in (1600, 900):
        indexed = marked(width, 600).quantize(8)
        whole = saved(indexed, PNG, compress_level=0, transparency=indexed.getpixel((5, 5)))
        alpha = workshop.shrunk(whole, PNG, engine=engine).convert("RGBA").getchannel("A")
        assert alpha.getpixel((5, 5)) == 0
        assert alpha.getpixel((alpha.width - 5, 5)) in range(250, 256)


def test_shrink_keeps_lossless_webp_lossless(workshop: Workshop) -> None:
    workshop.shrunk(saved(photo(1300, 900), WEBP, lossless=True), WEBP)
    assert b"VP8L" in workshop.target.read_bytes()[:200]
    workshop.shrunk(saved(photo(1300, 900), WEBP, quality=95), WEBP)
    assert b"VP8L" not in workshop.target.read_bytes()


def test_shrink_refuses_to_write_over_its_source(workshop: Workshop) -> None:
    whole = saved(photo(300, 200), JPEG)
    workshop.source.write_bytes(whole)
    workshop.target.hardlink_to(workshop.source)
    for target in (workshop.source, workshop.target):
        with pytest.raises(ValueError, match="another file"):
            shrink(workshop.source, JPEG, target)
    assert workshop.source.read_bytes() == whole


def test_shrink_says_which_setting_names_a_missing_engine(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = f"import sys; sys.modules['pyvips'] = None; {process.START}"
    monkeypatch.setattr(process, "START", without)
    with pytest.raises(ConfigurationError, match="LASTRO_MEDIA_ENGINE"):
        workshop.shrink(saved(photo(300, 200), JPEG), JPEG, engine="pyvips")


@pytest.mark.parametrize("kind", [JPEG, PNG, WEBP, GIF])
def test_inspect_tells_what_is_shown(kind: str, workshop: Workshop) -> None:
    options = {} if kind == GIF else {"exif": pictures.exif(8, gps=True)}
    workshop.source.write_bytes(saved(marked(640, 480), kind, **options))
    found = inspect(workshop.source, kind)
    turned = kind != GIF
    assert found == Inspected(
        width=480 if turned else 640,
        height=640 if turned else 480,
        frames=1,
        has_metadata=turned,
    )
