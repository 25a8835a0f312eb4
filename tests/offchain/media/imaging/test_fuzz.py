"""Damage anything anywhere: a result or a named failure comes out, never anything else."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from offchain.media.imaging.outcomes import Engine, ImageFailure, Inspected, Kept, Shrunk, Stripped
from offchain.media.imaging.running import inspect, shrink
from tests.support import pictures
from tests.support.hostile_files import mutated
from tests.support.pictures import GIF, JPEG, PNG, WEBP, animated, moving, photo, saved

SEEDS = 15


def profiled(kind: str) -> bytes:
    picture = photo(160, 120)
    profile = pictures.wide_gamut_profile()
    return saved(picture, kind, icc_profile=profile, exif=pictures.exif(6, gps=True))


SOUND: dict[str, tuple[str, Callable[[], bytes]]] = {
    "baseline jpeg": (JPEG, lambda: profiled(JPEG)),
    "progressive jpeg": (JPEG, lambda: saved(photo(160, 120), JPEG, progressive=True)),
    "jpeg of inks": (JPEG, lambda: saved(photo(160, 120).convert("CMYK"), JPEG)),
    "png": (PNG, lambda: profiled(PNG)),
    "png with palette": (PNG, lambda: saved(photo(160, 120).quantize(32), PNG)),
    "animated png": (PNG, lambda: animated(moving(80, 60, 4), PNG, duration=40)),
    "webp": (WEBP, lambda: profiled(WEBP)),
    "lossless webp": (WEBP, lambda: saved(photo(160, 120), WEBP, lossless=True)),
    "animated webp": (WEBP, lambda: animated(moving(80, 60, 4), WEBP, duration=40)),
    "gif": (GIF, lambda: animated(moving(80, 60, 4), GIF, duration=40)),
}


@pytest.mark.parametrize("engine", ["pillow", "pyvips"])
@pytest.mark.parametrize("name", SOUND)
def test_damaged_pictures_give_a_result_or_a_named_failure(
    name: str, engine: Engine, tmp_path: Path
) -> None:
    kind, make = SOUND[name]
    whole = make()
    source, target = tmp_path / "source", tmp_path / "target"
    for seed in range(SEEDS):
        damaged = mutated(whole, seed)
        source.write_bytes(damaged)
        try:
            found = inspect(source, kind)
            outcome = shrink(source, kind, target, engine=engine)
        except ImageFailure as failure:
            assert failure.code != "timed_out"  # noqa: PT017 - either outcome is right
            assert not target.exists()
        else:
            assert isinstance(found, Inspected)
            assert isinstance(outcome, Shrunk | Stripped | Kept)
            assert target.exists() == (not isinstance(outcome, Kept))
            if isinstance(outcome, Stripped):
                after = inspect(target, kind)
                assert after == replace(found, has_metadata=False)
            if not isinstance(outcome, Kept):
                with Image.open(io.BytesIO(target.read_bytes())) as picture:
                    picture.load()
        assert source.read_bytes() == damaged
        target.unlink(missing_ok=True)
