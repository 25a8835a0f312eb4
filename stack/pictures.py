"""A picture as large as a phone takes them, made of nothing."""

from io import BytesIO
from typing import Final

LONG_SIDE: Final = 4000
SHORT_SIDE: Final = 3000
QUALITY: Final = 92
_ORIENTATION_TAG: Final = 0x0112
_TURNED_RIGHT: Final = 6
_GRAIN: Final = 40


def phone_picture() -> bytes:
    """A JPEG of some six megabytes that was taken upright and is stored lying on its side."""
    from PIL import Image, ImageChops

    size = (LONG_SIDE, SHORT_SIDE)
    slope = Image.linear_gradient("L").resize(size)
    grain = Image.effect_noise(size, _GRAIN)
    picture = Image.merge(
        "RGB",
        (
            ImageChops.overlay(slope, grain),
            ImageChops.overlay(slope.rotate(180), grain),
            ImageChops.multiply(slope, grain),
        ),
    )
    exif = Image.Exif()
    exif[_ORIENTATION_TAG] = _TURNED_RIGHT
    file = BytesIO()
    picture.save(file, "JPEG", quality=QUALITY, exif=exif)
    return file.getvalue()
