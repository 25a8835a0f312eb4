"""Write small pictures: the same pixels give the same bytes, and nothing but pixels is written."""

import io
from collections.abc import Sequence

from PIL import Image

from offchain.media.imaging.decoding import named
from offchain.media.imaging.refusal import Refusal
from offchain.media.imaging.stills import PALETTE_COLOURS, Still

JPEG_QUALITY = 82
WEBP_QUALITY = 80
WEBP_METHOD = 4
AVIF_QUALITY = 63
AVIF_SPEED = 8
"""Slower ones take six times as long for 7 % fewer bytes."""
PNG_LEVEL = 3
"""Of photographs: level 6 takes three times as long for 9 % fewer bytes."""
PNG_INDEXED_LEVEL = 9
THOROUGH_PIXELS_MAX = 5_000_000
ALPHA = ("LA", "RGBA")


def encoded(still: Still, content_type: str, *, lossless: bool) -> bytes:
    """Encode a picture in its own format.

    Args:
        still: What to write.
        content_type: JPEG, PNG or WebP.
        lossless: Of WebP: whether the source was.
    """
    match content_type:
        case "image/jpeg":
            return jpeg(still)
        case "image/png":
            return png(still)
        case _:
            return webp(still, lossless=lossless)


def jpeg(still: Still) -> bytes:
    """Progressive, 4:2:0, with Huffman tables of its own."""
    return _saved(
        still,
        "JPEG",
        quality=JPEG_QUALITY,
        subsampling="4:2:0",
        progressive=True,
        optimize=True,
    )


def png(still: Still) -> bytes:
    """As many channels as before; what had a palette gets one again."""
    if not still.indexed:
        return _saved(still, "PNG", compress_level=PNG_LEVEL)
    method = Image.Quantize.FASTOCTREE if still.picture.mode in ALPHA else Image.Quantize.MEDIANCUT
    indexed = still.picture.quantize(PALETTE_COLOURS, method=method)
    return _saved(still._replace(picture=indexed), "PNG", compress_level=PNG_INDEXED_LEVEL)


def webp(still: Still, *, lossless: bool = False) -> bytes:
    """As the source was: with loss, or without."""
    from PIL import WebPImagePlugin  # noqa: F401, PLC0415 - registers itself

    return _saved(
        still, "WEBP", quality=WEBP_QUALITY, method=WEBP_METHOD, lossless=lossless, exact=lossless
    )


def avif(still: Still) -> bytes:
    """In one thread: the bytes depend on how many there are."""
    from PIL import AvifImagePlugin  # noqa: F401, PLC0415 - registers itself

    return _saved(still, "AVIF", quality=AVIF_QUALITY, speed=AVIF_SPEED, max_threads=1)


def sibling(still: Still, name: str) -> bytes:
    """Encode a picture in one of the other formats."""
    return avif(still) if name == "avif" else webp(still)


def animation(pictures: Sequence[Image.Image], format_name: str, **options: object) -> bytes:
    """Encode frames, all of one size."""
    first = Still(pictures[0], None, indexed=False)
    return _saved(first, format_name, save_all=True, append_images=pictures[1:], **options)


def quantized(picture: Image.Image, colours: int, *, pixels_in_all: int) -> Image.Image:
    """Choose a palette for a picture, and put every pixel to its nearest colour.

    Args:
        picture: RGB, or anything with transparency.
        colours: How many there may be.
        pixels_in_all: Of all frames: a thorough choice takes 0.3 to 1 s a megapixel.
    """
    hasty = picture.mode in ALPHA or pixels_in_all > THOROUGH_PIXELS_MAX
    method = Image.Quantize.FASTOCTREE if hasty else Image.Quantize.MEDIANCUT
    return picture.quantize(colours, method=method)


def _saved(still: Still, format_name: str, **options: object) -> bytes:
    if still.profile is not None:
        options["icc_profile"] = still.profile
    result = io.BytesIO()
    try:
        with named():
            still.picture.save(result, format_name, **options)
    except Refusal as refusal:
        # Sound pixels were there: an encoder only fails for want of memory, and cannot say so.
        raise Refusal("out_of_memory", refusal.detail) from refusal
    return result.getvalue()
