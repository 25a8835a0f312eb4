"""Whatever a file is, it ends in a named failure or a clean picture, within bounds, unchanged."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from offchain.media.imaging import running
from offchain.media.imaging.outcomes import Engine, Shrunk
from offchain.media.imaging.running import ImageFailure, inspect, shrink
from tests.support import hostile_files, pictures
from tests.support.confined import account
from tests.support.hostile_files import REFUSED, SCRIPT
from tests.support.pictures import JPEG, PNG, WEBP

PEAK_MIB_MAX = 512
WALL_S_MAX = 20
ENGINES: list[Engine] = ["pillow", "pyvips"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


@pytest.mark.parametrize("name", REFUSED)
def test_inspect_and_shrink_refuse_a_hostile_file_by_name(
    name: str, source: Path, target: Path
) -> None:
    kind, make, codes = REFUSED[name]
    whole = make()
    source.write_bytes(whole)
    for refuse in (lambda: inspect(source, kind), lambda: shrink(source, kind, target)):
        with pytest.raises(ImageFailure) as caught:
            refuse()
        assert caught.value.code in codes
        assert caught.value.is_certain
    assert source.read_bytes() == whole
    assert not target.exists()


@pytest.mark.parametrize("operation", ["inspect", "shrink"])
@pytest.mark.parametrize("name", REFUSED)
def test_hostile_file_takes_little_memory_and_time(
    name: str, operation: str, source: Path, target: Path
) -> None:
    kind, make, codes = REFUSED[name]
    source.write_bytes(make())
    arguments: list[str | Path] = [target, "pillow", ""] if operation == "shrink" else []
    used = account(operation, source, kind, *arguments)
    assert used.verdict["code"] in codes
    assert used.peak_mib <= PEAK_MIB_MAX // 8
    assert used.wall_s <= WALL_S_MAX


@pytest.mark.parametrize("engine", ENGINES)
def test_shrink_refuses_pictures_that_end_in_their_middle(
    engine: Engine, source: Path, target: Path
) -> None:
    for kind, half in hostile_files.cut_pictures():
        source.write_bytes(half)
        with pytest.raises(ImageFailure) as caught:
            shrink(source, kind, target, engine=engine)
        assert caught.value.code == "truncated"
        assert source.read_bytes() == half
        assert not target.exists()


def still(kind: str) -> bytes:
    return pictures.saved(pictures.photo(1300, 900, noise=20), kind)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("kind", "make"),
    [
        (JPEG, lambda: hostile_files.polyglot(still(JPEG))),
        (PNG, lambda: hostile_files.polyglot(still(PNG))),
        (PNG, lambda: hostile_files.text_bombs(still(PNG))),
        (PNG, lambda: hostile_files.profile_bomb(still(PNG))),
        (JPEG, lambda: hostile_files.with_jpeg_profile(still(JPEG), SCRIPT * 99)),
        (JPEG, lambda: hostile_files.with_jpeg_profile(still(JPEG), broken_profile())),
        *(
            (JPEG, lambda value=value: oriented(hostile_files.orientation_block(value)))
            for value in (0, 9, 65_535)
        ),
        (JPEG, lambda: oriented(b"II*\0\xff\xff\xff\xff" + SCRIPT)),
        (JPEG, lambda: oriented(SCRIPT * 9)),
    ],
)
def test_shrink_makes_a_clean_picture_of_a_sound_one_with_harm_in_it(
    kind: str, make: Callable[[], bytes], engine: Engine, source: Path, target: Path
) -> None:
    whole = make()
    source.write_bytes(whole)
    outcome = shrink(source, kind, target, engine=engine)
    assert isinstance(outcome, Shrunk)
    assert (outcome.width, outcome.height) == (1024, 709)
    result = target.read_bytes()
    assert outcome.bytes == len(result) < len(whole)
    for harm in (b"<script", b"PK\x03\x04", b"ICC_PROFILE", b"iCCP", b"zTXt", b"iTXt", b"Exif"):
        assert harm not in result
    assert source.read_bytes() == whole


def broken_profile() -> bytes:
    return pictures.wide_gamut_profile()[:300]


def oriented(block: bytes) -> bytes:
    return hostile_files.with_jpeg_exif(still(JPEG), block)


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        (PNG, lambda: hostile_files.text_bombs(still(PNG))),
        (PNG, lambda: hostile_files.profile_bomb(still(PNG))),
        (PNG, lambda: hostile_files.blank_png(7_000, 7_000, bits=16, colour_type=6)),
        (PNG, lambda: hostile_files.blank_png(1_020, 49_000, bits=8, colour_type=6)),
        (WEBP, lambda: hostile_files.lossless_webp_of(7_000)),
    ],
)
@pytest.mark.parametrize("engine", ENGINES)
def test_shrink_stays_within_its_memory_and_time_at_the_edge_of_the_budget(
    kind: str, make: Callable[[], bytes], engine: Engine, source: Path, target: Path
) -> None:
    source.write_bytes(make())
    used = account("shrink", source, kind, target, engine, "webp,avif")
    assert used.verdict.keys() & {"width", "code", "kept"}
    assert used.peak_mib <= PEAK_MIB_MAX
    assert used.wall_s <= WALL_S_MAX


def test_shrink_names_a_picture_that_does_not_fit_into_memory(source: Path, target: Path) -> None:
    flat = Image.new("RGB", (7_000, 7_000), (9, 99, 199))
    source.write_bytes(pictures.saved(flat, WEBP, lossless=True, method=0, quality=0))
    with pytest.raises(ImageFailure) as caught:
        shrink(source, WEBP, target)
    assert caught.value.code == "out_of_memory"
    assert caught.value.is_certain
    assert running.inspect(source, WEBP).width == 7_000


@pytest.mark.parametrize("kind", [JPEG, PNG])
def test_inspect_passes_a_large_fair_picture(kind: str, source: Path) -> None:
    source.write_bytes(pictures.saved(Image.new("L", (9_000, 5_000), 7), kind))
    found = inspect(source, kind)
    assert (found.width, found.height) == (9_000, 5_000)
