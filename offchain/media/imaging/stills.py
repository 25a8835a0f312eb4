"""Shrink a still picture with Pillow."""

from typing import BinaryIO, NamedTuple

from PIL import Image, ImageFile

from offchain.media.imaging import budget
from offchain.media.imaging.budget import Size
from offchain.media.imaging.colour import to_srgb
from offchain.media.imaging.decoding import named, opened
from offchain.media.imaging.headers.header import Header

BAND_PIXELS = 2_000_000
"""A picture is converted band by band: never is a second copy of all of it in memory."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture of that EXIF orientation upright."""
PREMULTIPLIED = {"LA": "La", "RGBA": "RGBa"}
PLAIN = {"La": "LA", "RGBa": "RGBA"}
PALETTE_COLOURS = 256


class Still(NamedTuple):
    """A picture that is ready to be encoded.

    Attributes:
        picture: Upright, small, in sRGB; of mode L, LA, RGB or RGBA, or P if it was small before.
        profile: To be embedded; None nearly always.
        indexed: Whether the source had a palette.
    """

    picture: Image.Image
    profile: bytes | None
    indexed: bool


def shrunk_still(file: BinaryIO, content_type: str, header: Header) -> Still:
    """Decode, resize, convert and turn, in the order that touches the fewest pixels.

    Raises:
        Refusal: The picture is broken, or does not fit into memory.
    """
    source = opened(file, content_type, header)
    target = budget.shrunk(budget.shown(header.stored, header.orientation))
    stored = budget.shown(target, header.orientation)
    with named():
        if content_type == "image/jpeg":
            picture = _from_jpeg(source, stored, header)
        else:
            picture = _from_pixels(source, stored, header)
        coloured = to_srgb(picture, header.profile)
        upright = coloured.picture
        if header.orientation in TURNS:
            upright = upright.transpose(TURNS[header.orientation])
    # Transparency is a colour of the palette where one is left, and in the pixels everywhere else.
    kept = {"transparency"} if upright.mode == "P" else set()
    upright.info = {name: upright.info[name] for name in kept & upright.info.keys()}
    return Still(upright, coloured.profile, header.indexed)


def _from_jpeg(source: ImageFile.ImageFile, stored: Size, header: Header) -> Image.Image:
    """Let the decoder scale by 1/2, 1/4 or 1/8 first: it skips the pixels it need not make."""
    drafted = source.draft(None, stored)
    source.load()
    box = None if drafted is None else drafted[1]
    picture: Image.Image = source
    if source.size != stored:
        picture = source.resize(stored, Image.Resampling.LANCZOS, box=box)
    if picture.mode == "CMYK" and not header.inverted:
        # Pillow takes every JPEG of four inks for one of Adobe's, which are stored inverted.
        picture = Image.merge("CMYK", [band.point(range(255, -1, -1)) for band in picture.split()])
    return picture


def _from_pixels(source: Image.Image, stored: Size, header: Header) -> Image.Image:
    """Average down by a whole number, then resize what is left."""
    source.load()
    width, height = source.size
    if (width, height) == stored:
        return _as_it_is(source, header)
    factor = budget.reduction(Size(width, height), stored)
    if _working_mode(source) == source.mode == "RGB":
        picture = source.reduce(factor) if factor > 1 else source
    else:
        picture = _reduced_in_bands(source, factor)
        source.close()  # its memory is needed for what follows
    exact = (0, 0, width / factor, height / factor)
    picture = picture.resize(stored, Image.Resampling.LANCZOS, box=exact)
    return picture.convert(PLAIN[picture.mode]) if picture.mode in PLAIN else picture


def _as_it_is(source: Image.Image, header: Header) -> Image.Image:
    """Leave the pixels of a picture that is small enough, and its palette if it is in sRGB."""
    if source.mode in PREMULTIPLIED or (source.mode == "P" and header.profile is None):
        return source
    if _working_mode(source) == source.mode:
        return source
    working = in_working_mode(source)
    return working.convert(PLAIN[working.mode]) if working.mode in PLAIN else working


def _reduced_in_bands(source: Image.Image, factor: int) -> Image.Image:
    """Average down, band by band, in a mode whose numbers may be averaged."""
    width, height = -(-source.width // factor), -(-source.height // factor)
    result = Image.new(_working_mode(source), (width, height))
    rows = max(1, BAND_PIXELS // (source.width * factor)) * factor
    for top in range(0, source.height, rows):
        band = source.crop((0, top, source.width, min(top + rows, source.height)))
        working = in_working_mode(band)
        result.paste(working.reduce(factor) if factor > 1 else working, (0, top // factor))
    return result


def _working_mode(source: Image.Image) -> str:
    return in_working_mode(source.crop((0, 0, 1, 1))).mode


def in_working_mode(picture: Image.Image) -> Image.Image:
    """Convert to L, La, RGB or RGBa: palettes resolved, 8 bits, colours weighed by their alpha."""
    if picture.mode.startswith("I"):
        # 16 bits of grey; Pillow's own conversion would cut them off at 255.
        wide = picture if picture.mode == "I" else picture.convert("I")
        picture = wide.point(lambda value: value * (1 / 256)).convert("L")
    transparent = picture.has_transparency_data
    if picture.mode in {"1", "L", "LA"}:
        plain = picture.convert("LA" if transparent else "L")
    else:
        plain = picture.convert("RGBA" if transparent else "RGB")
    return plain.convert(PREMULTIPLIED[plain.mode]) if plain.mode in PREMULTIPLIED else plain
