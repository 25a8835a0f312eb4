"""Shrink an animation, frame by frame, and a GIF of one frame."""

from typing import Any, BinaryIO, NamedTuple

from PIL import Image, ImageFile

from offchain.media.imaging import budget, encoding
from offchain.media.imaging.budget import Size
from offchain.media.imaging.colour import to_srgb
from offchain.media.imaging.decoding import named, opened
from offchain.media.imaging.headers.header import Header
from offchain.media.imaging.stills import PLAIN, TURNS, in_working_mode

OPAQUE_FROM = 128
"""A GIF knows pixels that are there and pixels that are not."""
GIF_COLOURS = 255
"""One is left for the pixels that are not there."""
GIF_LEAVE, GIF_CLEAR = 1, 2
"""What becomes of a frame before the next one: GIF89a, section 23."""
WEBP_METHOD = 2


class _Frames(NamedTuple):
    """Frames as a viewer shows them, each complete.

    Attributes:
        pictures: Of one size; all RGBA if any is transparent, else all RGB. P for a GIF.
        durations_ms: How long each is shown.
        loop: How often all of it is shown, in the format's own terms; None: it does not say.
        transparent: Whether pixels are missing anywhere.
        default_image: Whether the first one is only for viewers that do not animate (APNG).
    """

    pictures: list[Image.Image]
    durations_ms: list[float]
    loop: int | None
    transparent: bool
    default_image: bool


def shrunk_animation(file: BinaryIO, content_type: str, header: Header) -> tuple[Size, bytes]:
    """Resize every frame; durations and repetitions stay, and so does what a viewer shows.

    Returns:
        The result's size as shown, and its bytes.

    Raises:
        Refusal: A frame is broken, or missing.
        StaysAsItIs: It is too much to decode.
    """
    budget.check_resizable(header.stored, header.frames)
    source = opened(file, content_type, header)
    target = budget.shrunk(budget.shown(header.stored, header.orientation))
    with named():
        frames = _frames(source, header, target, is_gif=content_type == "image/gif")
        match content_type:
            case "image/gif":
                return target, _gif(frames)
            case "image/png":
                return target, _png(frames)
            case _:
                return target, _webp(frames, header)


def _frames(source: ImageFile.ImageFile, header: Header, target: Size, *, is_gif: bool) -> _Frames:
    pictures: list[Image.Image] = []
    durations: list[float] = []
    transparent = False
    pixels_in_all = target.width * target.height * header.frames
    for index in range(header.frames):
        source.seek(index)
        source.load()
        picture = _frame(source, header, target)
        transparent = transparent or picture.mode in encoding.ALPHA
        pictures.append(_indexed(picture, pixels_in_all) if is_gif else picture)
        durations.append(float(source.info.get("duration", 0)))
    if not is_gif:
        mode = "RGBA" if transparent else "RGB"
        pictures = [picture.convert(mode) for picture in pictures]
    return _Frames(
        pictures,
        durations,
        source.info.get("loop"),
        transparent,
        bool(getattr(source, "default_image", False)),
    )


def _frame(source: Image.Image, header: Header, target: Size) -> Image.Image:
    """One frame, small, upright, in sRGB: RGB, or RGBA if pixels are missing."""
    working = in_working_mode(source)
    if working.size != header.stored:  # a GIF's screen grows with a frame that exceeds it
        canvas = Image.new(working.mode, header.stored)
        canvas.paste(working, (0, 0))
        working = canvas
    stored = budget.shown(target, header.orientation)
    if working.size != stored:
        factor = budget.reduction(Size(*working.size), stored)
        gap = budget.REDUCE_GAP if factor > 1 else None
        working = working.resize(stored, Image.Resampling.LANCZOS, reducing_gap=gap)
    plain = working.convert(PLAIN[working.mode]) if working.mode in PLAIN else working
    coloured = to_srgb(plain, header.profile).picture
    if header.orientation in TURNS:
        coloured = coloured.transpose(TURNS[header.orientation])
    result = coloured.convert("RGBA" if coloured.mode in encoding.ALPHA else "RGB")
    result.info.clear()
    return result


def _indexed(picture: Image.Image, pixels_in_all: int) -> Image.Image:
    """Give a frame a palette: 255 colours, and one for pixels that are not there."""
    opaque = picture.convert("RGB")
    result = encoding.quantized(opaque, GIF_COLOURS, pixels_in_all=pixels_in_all)
    if picture.mode == "RGBA":
        missing = picture.getchannel("A").point([255] * OPAQUE_FROM + [0] * (256 - OPAQUE_FROM))
        result.putpalette((result.getpalette() or []) + [0, 0, 0])
        result.paste(GIF_COLOURS, mask=missing)
        result.info["transparency"] = GIF_COLOURS
    return result


def _gif(frames: _Frames) -> bytes:
    options: dict[str, Any] = {}
    if len(frames.pictures) > 1:
        # Frames are complete: only where pixels are missing must the one before be cleared.
        options["disposal"] = GIF_CLEAR if frames.transparent else GIF_LEAVE
        options["duration"] = frames.durations_ms
    if frames.loop is not None:
        options["loop"] = frames.loop
    return encoding.animation(frames.pictures, "GIF", **options)


def _png(frames: _Frames) -> bytes:
    return encoding.animation(
        frames.pictures,
        "PNG",
        duration=frames.durations_ms[1:] if frames.default_image else frames.durations_ms,
        loop=frames.loop or 0,
        default_image=frames.default_image,
        compress_level=encoding.PNG_LEVEL,
    )


def _webp(frames: _Frames, header: Header) -> bytes:
    return encoding.animation(
        frames.pictures,
        "WEBP",
        duration=[round(duration) for duration in frames.durations_ms],
        loop=frames.loop or 0,
        quality=encoding.WEBP_QUALITY,
        method=WEBP_METHOD,
        lossless=header.lossless,
    )
