"""Bring pixels to sRGB, so that no colour profile has to travel with them."""

import io
from typing import NamedTuple

from PIL import Image

KEPT_PROFILE_BYTES_MAX = 64 * 1024
"""A profile that cannot be applied stays only if it is small."""
SIZE_FIELD = 4
"""A profile begins with its size (ICC.1, 7.2.2)."""
SPACES = {"L": "GRAY", "LA": "GRAY", "RGB": "RGB ", "RGBA": "RGB ", "CMYK": "CMYK"}
"""Signature of the colour space that a profile must have to describe such pixels (ICC.1, 7.2.6)."""


class Coloured(NamedTuple):
    """Pixels, and the profile that has to be embedded with them, if any."""

    picture: Image.Image
    profile: bytes | None


def to_srgb(picture: Image.Image, profile: bytes | None) -> Coloured:
    """Convert a picture to sRGB.

    A profile that is cut off, cannot be parsed, or describes another kind of pixels is dropped:
    viewers ignore it too, and it is a place to hide things in. One that is sound but cannot be
    applied stays with its pixels, whose colours would change without it.

    Args:
        picture: Of mode L, LA, RGB, RGBA or CMYK.
        profile: The ICC profile that describes it, as found in the file.
    """
    if profile is None:
        return Coloured(_without_inks(picture), None)
    from PIL import ImageCms  # noqa: PLC0415 - most pictures need none of it

    try:
        described = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        whole = int.from_bytes(profile[:SIZE_FIELD], "big") <= len(profile)
        fits = whole and described.profile.xcolor_space == SPACES.get(picture.mode)
    except (OSError, ImageCms.PyCMSError, ValueError, TypeError):
        return Coloured(_without_inks(picture), None)
    if not fits:
        return Coloured(_without_inks(picture), None)
    try:
        return Coloured(_applied(picture, described), None)
    except (OSError, ImageCms.PyCMSError, ValueError, TypeError):
        if picture.mode == "CMYK" or len(profile) > KEPT_PROFILE_BYTES_MAX:
            return Coloured(_without_inks(picture), None)
        return Coloured(picture, profile)


def _applied(picture: Image.Image, described: object) -> Image.Image:
    """Convert by a profile; greys stay greys."""
    from PIL import ImageCms  # noqa: PLC0415

    grey = picture.mode in {"L", "LA"}
    alpha = picture.getchannel("A") if picture.mode == "LA" else None
    source = picture.getchannel("L") if alpha is not None else picture
    converted = ImageCms.profileToProfile(
        source,
        described,  # type: ignore[arg-type]
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGBA" if picture.mode == "RGBA" else "RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if converted is None:
        raise ValueError("the conversion gave no picture")
    converted.info.pop("icc_profile", None)
    if not grey:
        return converted
    lightness = converted.convert("L")
    return lightness if alpha is None else Image.merge("LA", (lightness, alpha))


def _without_inks(picture: Image.Image) -> Image.Image:
    """Turn inks that no profile describes into light, by the plain formula."""
    return picture.convert("RGB") if picture.mode == "CMYK" else picture
