"""The chunks of a PNG (W3C PNG specification, third edition), animated or not."""

import zlib
from typing import BinaryIO

from offchain.media.imaging import exif
from offchain.media.imaging.budget import Size
from offchain.media.imaging.headers.header import (
    PROFILE_BYTES_MAX,
    Header,
    check_magic,
    exactly,
    file_size,
    joined,
)
from offchain.media.imaging.refusal import Refusal

MAGIC = b"\x89PNG\r\n\x1a\n"
CHUNKS_MAX = 100_000
"""Libraries write chunks of 8 KiB and more: 20 MB are 2,500."""
NEEDED = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"}
SHOWN = {
    *NEEDED,
    *(b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV", b"cLLI"),
    *(b"sBIT", b"bKGD", b"hIST", b"pHYs"),
}
"""With what colours and size depend on."""
ANCILLARY = 0x20
"""Of a name's first letter: a viewer can do without the chunk (section 5.4)."""
METADATA = {b"tEXt", b"zTXt", b"iTXt", b"tIME"}
IHDR_BYTES = 13
INDEXED = 3
"""IHDR's colour type of a picture with a palette."""
FRAME_CHUNK = 12
"""Length, type and checksum around a chunk's body."""
EXIF_BYTES_MAX = 64 * 1024


class _Found:
    """What the chunks said so far."""

    def __init__(self) -> None:
        self.stored: Size | None = None
        self.is_animated = False
        self.declared_frames = 1
        self.counted_frames = 0
        self.default_image = 0
        self.indexed = False
        self.orientation = exif.UPRIGHT
        self.has_metadata = False
        self.profile: bytes | None = None
        self.has_pixels = False


def read(file: BinaryIO) -> Header:
    """Read the header of a PNG, and walk its chunks to the end.

    Raises:
        Refusal: It is none, or it ends before its end.
    """
    check_magic(file, MAGIC)
    size, found = file_size(file), _Found()
    spans, clean = [(0, len(MAGIC))], [(0, len(MAGIC))]
    file.seek(len(MAGIC))
    for _ in range(CHUNKS_MAX):
        start = file.tell()
        head = exactly(file, 8)
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        if start + length + FRAME_CHUNK > size:
            raise Refusal("truncated", "a chunk is longer than what is left of the file")
        if found.stored is None and name != b"IHDR":
            raise Refusal("corrupt", "the first chunk is no IHDR")
        _note(file, name, length, found)
        file.seek(start + length + FRAME_CHUNK)
        if name in NEEDED:
            spans.append((start, length + FRAME_CHUNK))
        if name in SHOWN or not name[0] & ANCILLARY:
            clean.append((start, length + FRAME_CHUNK))
        if name == b"IEND":
            return _header(found, spans, clean)
    raise Refusal("corrupt", f"more than {CHUNKS_MAX:,} chunks")


def _header(found: _Found, spans: list[tuple[int, int]], clean: list[tuple[int, int]]) -> Header:
    if found.stored is None or not found.has_pixels:
        raise Refusal("corrupt", "no pixels between its first and its last chunk")
    return Header(
        found.stored,
        frames=max(found.declared_frames, found.counted_frames, 1) + found.default_image,
        orientation=found.orientation,
        has_metadata=found.has_metadata,
        profile=found.profile,
        lossless=True,
        indexed=found.indexed,
        spans=joined(spans),
        clean=joined(clean),
    )


def _note(file: BinaryIO, name: bytes, length: int, found: _Found) -> None:
    """Note what a chunk says; the file is left anywhere in it."""
    found.has_metadata = found.has_metadata or name in METADATA
    if name == b"IHDR":
        if found.stored is not None or length < IHDR_BYTES:
            raise Refusal("corrupt", "two IHDR chunks, or a short one")
        body = exactly(file, 10)
        found.stored = Size(int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big"))
        found.indexed = body[9] == INDEXED
    elif name == b"IDAT":
        if found.is_animated and not found.counted_frames:
            found.default_image = 1  # only for viewers that do not animate, but a picture as well
        found.has_pixels = True
    elif name == b"acTL" and length >= 8:  # noqa: PLR2004 - frames and repetitions
        found.is_animated = True
        found.declared_frames = int.from_bytes(exactly(file, 4), "big")
    elif name == b"fcTL":
        found.counted_frames += 1
    elif name == b"eXIf":
        block = exactly(file, min(length, EXIF_BYTES_MAX))
        found.orientation = exif.orientation(block)
        found.has_metadata = found.has_metadata or not exif.is_bare(block)
    elif name == b"iCCP" and found.profile is None:
        found.profile = _profile(exactly(file, min(length, PROFILE_BYTES_MAX)))


def _profile(body: bytes) -> bytes | None:
    """Unpack an iCCP chunk; None if it is broken, or a bomb."""
    packed = body.partition(b"\0")[2][1:]
    unpacking = zlib.decompressobj()
    try:
        profile = unpacking.decompress(packed, PROFILE_BYTES_MAX)
    except zlib.error:
        return None
    return profile if unpacking.eof else None
