"""A picture as large as a phone takes them, made of nothing: evening over a river."""

from io import BytesIO
from typing import Final

LONG_SIDE: Final = 4000
SHORT_SIDE: Final = 3000
QUALITY: Final = 93
_ORIENTATION_TAG: Final = 0x0112
_TURN_RIGHT: Final = 6
_GRAIN: Final = 45
_GRAIN_SHARE: Final = 0.3


def phone_picture() -> bytes:
    """A JPEG above five mebibytes that was taken upright and is stored lying on its side."""
    from PIL import Image, ImageOps

    half = (SHORT_SIDE, LONG_SIDE // 2)
    slope = Image.linear_gradient("L").resize(half)
    sky = ImageOps.colorize(slope, "#17324d", "#f7c873", mid="#c8683f")
    river = ImageOps.colorize(ImageOps.flip(slope), "#0c1f2e", "#e0a868", mid="#54586b")
    upright = Image.new("RGB", (SHORT_SIDE, LONG_SIDE))
    upright.paste(sky, (0, 0))
    upright.paste(river, (0, LONG_SIDE // 2))
    grain = Image.effect_noise(upright.size, _GRAIN).convert("RGB")
    picture = Image.blend(upright, grain, _GRAIN_SHARE).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[_ORIENTATION_TAG] = _TURN_RIGHT
    file = BytesIO()
    picture.save(file, "JPEG", quality=QUALITY, exif=exif)
    return file.getvalue()
