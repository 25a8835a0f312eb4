"""Shrink a still picture with libvips, where pyvips is installed. Faster on PNG.

libvips has no bound on pixels and reads truncated files without a word by default; the header was
checked before, and ``fail_on`` is set. Its untrusted loaders and savers are blocked.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

from offchain.media.imaging import budget
from offchain.media.imaging.budget import Size
from offchain.media.imaging.headers.header import Header
from offchain.media.imaging.refusal import EngineMissing, Refusal

JPEG_QUALITY, WEBP_QUALITY, AVIF_QUALITY = 82, 80, 63
AVIF_EFFORT = 1
"""libvips counts upwards: 9 minus libaom's speed of 8."""
PNG_COMPRESSION = 6
PNG_FILTER = "paeth"
"""Trying all of them for every row takes longer and saves 1 % of a photograph."""
HEIGHT_MAX = 10_000_000
"""libvips's own bound on coordinates: the width alone decides."""
LOADERS = ("VipsForeignLoadJpeg", "VipsForeignLoadPng", "VipsForeignLoadWebp")
DETAIL_MAX = 160


class VipsStill(NamedTuple):
    """A small, upright picture in sRGB, and the module that encodes it."""

    picture: Any
    vips: ModuleType
    indexed: bool

    @property
    def size(self) -> Size:
        """As shown."""
        return Size(self.picture.width, self.picture.height)


def shrunk_still(path: str, header: Header, *, reused: bool) -> VipsStill:
    """Decode, scale, convert and turn in one stream.

    Args:
        path: The file.
        header: What was read from it before.
        reused: Whether the pixels are encoded more than once; if not, encoding is the end of the
            same stream, and whatever is wrong with the file comes to light there.

    Raises:
        EngineMissing: pyvips is not installed.
        Refusal: The picture is broken, or does not fit into memory.
    """
    vips = _library()
    target = budget.shrunk(budget.shown(header.stored, header.orientation))
    # Only with a profile: it would make grey pictures coloured.
    conversion = {} if header.profile is None else {"output_profile": "srgb", "intent": "relative"}
    with _named(vips):
        picture = vips.Image.thumbnail(
            path,
            target.width,
            height=HEIGHT_MAX,
            size="down",
            fail_on="error",
            **conversion,
        )
        if reused:
            picture = picture.copy_memory()
    return VipsStill(picture, vips, header.indexed)


def encoded(still: VipsStill, content_type: str, *, lossless: bool) -> bytes:
    """Encode a picture in its own format, without its metadata or profile.

    Raises:
        Refusal: It cannot be encoded.
    """
    picture = still.picture
    with _named(still.vips):
        match content_type:
            case "image/jpeg":
                result = picture.jpegsave_buffer(
                    Q=JPEG_QUALITY, interlace=True, optimize_coding=True, keep="none"
                )
            case "image/png":
                result = picture.pngsave_buffer(
                    compression=PNG_COMPRESSION,
                    filter="none" if still.indexed else PNG_FILTER,
                    palette=still.indexed,
                    keep="none",
                )
            case _:
                result = picture.webpsave_buffer(Q=WEBP_QUALITY, lossless=lossless, keep="none")
    return bytes(result)


def sibling(still: VipsStill, name: str) -> bytes:
    """Encode a picture in one of the other formats.

    Raises:
        Refusal: It cannot be encoded.
    """
    if name == "webp":
        return encoded(still, "image/webp", lossless=False)
    with _named(still.vips):
        return bytes(
            still.picture.heifsave_buffer(
                compression="av1", Q=AVIF_QUALITY, effort=AVIF_EFFORT, keep="none"
            )
        )


def _library() -> ModuleType:
    """Import libvips with all loaders blocked but three, and no cache."""
    try:
        vips = importlib.import_module("pyvips")
    except (ImportError, OSError) as error:
        raise EngineMissing(f"pyvips: {error}") from error
    vips.block_untrusted_set(True)
    vips.operation_block_set("VipsForeignLoad", True)
    for loader in LOADERS:
        vips.operation_block_set(loader, False)
    vips.cache_set_max(0)
    return vips


@contextmanager
def _named(vips: ModuleType) -> Iterator[None]:
    """Turn libvips's errors into refusals."""
    try:
        yield
    except vips.Error as error:
        words = " ".join(str(error).split())[:DETAIL_MAX]
        code = "corrupt"
        if "out of memory" in words:
            code = "out_of_memory"
        elif any(sign in words.lower() for sign in ("premature", "truncated", "end of file")):
            code = "truncated"
        raise Refusal(code, words) from error
    except MemoryError as error:
        raise Refusal("out_of_memory", "the picture does not fit into memory") from error
