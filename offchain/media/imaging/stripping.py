"""Copy a picture without its metadata, byte by byte: no pixel is decoded, none is changed.

What stays is what a viewer needs: pixels, timing and repetitions, transparency, the colour profile,
and which way is up. What follows the picture's end in the file goes as well: phones put further
pictures there, with metadata of their own.
"""

import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from offchain.media.imaging import exif
from offchain.media.imaging.headers import jpeg, webp
from offchain.media.imaging.headers.header import Header, file_size
from offchain.media.imaging.headers.png import IHDR_BYTES
from offchain.media.imaging.headers.png import MAGIC as PNG_MAGIC

PNG_FRONT = len(PNG_MAGIC) + 12 + IHDR_BYTES
"""Signature and IHDR, which must be the first chunk."""
JPEG_FRONT = 2
RIFF_HEADER = 12
HAS_XMP, HAS_EXIF = 0x04, 0x08
"""Flags of a VP8X chunk (RFC 9649, section 2.7.1)."""
FLAGS = 8
"""Where they are in it."""
MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""Within a scan, zero stands for a byte of 255, and restarts belong to it (ITU-T T.81, B.1.1.5)."""
SEGMENT_HEADER = 4
"""Of a JPEG: its marker and its length, which counts itself."""


def stripped(file: BinaryIO, content_type: str, header: Header) -> list[bytes] | None:
    """Leave a picture's metadata out.

    Args:
        file: The picture.
        content_type: Its type, one of the four.
        header: What was read from it before.

    Returns:
        The copy, in parts that follow each other; None if nothing can be left out.
    """
    file.seek(0)
    whole = memoryview(file.read())
    upright = header.orientation == exif.UPRIGHT
    block = b"" if upright else exif.bare(header.orientation)
    match content_type:
        case "image/jpeg":
            parts = list(_jpeg(whole, header, block))
        case "image/png":
            parts = list(_png(whole, header, block))
        case "image/webp":
            parts = list(_webp(whole, header, block))
        case _:
            parts = _kept(whole, header.clean)
    smaller = sum(map(len, parts)) < file_size(file)
    return parts if smaller else None


def _kept(whole: memoryview, spans: tuple[tuple[int, int], ...]) -> list[bytes]:
    return [bytes(whole[start : start + length]) for start, length in spans]


def _png(whole: memoryview, header: Header, block: bytes) -> Iterator[bytes]:
    clean = b"".join(_kept(whole, header.clean))
    yield clean[:PNG_FRONT]
    if block:
        body = b"eXIf" + block
        yield len(block).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    yield clean[PNG_FRONT:]


def _webp(whole: memoryview, header: Header, block: bytes) -> Iterator[bytes]:
    clean = bytearray().join(_kept(whole, header.clean))
    if clean.startswith(webp.EXTENDED):
        clean[FLAGS] = clean[FLAGS] & ~(HAS_XMP | HAS_EXIF) | (HAS_EXIF if block else 0)
    clean += bytes(len(clean) % 2)  # a file may end without the last chunk's padding
    chunk = b"EXIF" + len(block).to_bytes(4, "little") + block if block else b""
    size = len(b"WEBP") + len(clean) + len(chunk)
    yield b"RIFF" + size.to_bytes(4, "little") + b"WEBP"
    yield bytes(clean)
    yield chunk


def _jpeg(whole: memoryview, header: Header, block: bytes) -> Iterator[bytes]:
    front = b"".join(_kept(whole, header.clean[:-1]))
    at = JPEG_FRONT
    if front[at : at + 2] == bytes((0xFF, jpeg.APP0)):  # JFIF's is the first, EXIF's follows it
        at += 2 + int.from_bytes(front[at + 2 : at + SEGMENT_HEADER], "big")
    yield front[:at]
    if block:
        body = jpeg.EXIF + block
        yield bytes((0xFF, jpeg.APP1)) + (len(body) + 2).to_bytes(2, "big") + body
    yield front[at:]
    yield from _scans(whole, header.clean[-1][0])


def _scans(whole: memoryview, start: int) -> Iterator[bytes]:
    """A JPEG from its first scan to its end, without what is written between two scans."""
    kept_from = at = start
    while (found := MARKER.search(whole, at)) is not None:
        here, code = found.start(), whole[found.start() + 1]
        if code == jpeg.EOI:
            yield bytes(whole[kept_from : here + 2])
            return
        length = int.from_bytes(whole[here + 2 : here + SEGMENT_HEADER], "big")
        at = here + 2 + (0 if code in {jpeg.SOI, jpeg.TEM} else length)
        if jpeg.APP0 <= code <= jpeg.APP15 or code == jpeg.COM:
            yield bytes(whole[kept_from:here])
            kept_from = at
    yield bytes(whole[kept_from:])
    if kept_from > len(whole):  # the file ended within what was left out, and the picture before
        yield bytes((0xFF, jpeg.EOI))
