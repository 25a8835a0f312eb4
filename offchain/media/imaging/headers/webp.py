"""The chunks of a WebP (RFC 9649), animated or not."""

from typing import BinaryIO

from offchain.media.imaging import exif
from offchain.media.imaging.budget import FRAMES_MAX, Size
from offchain.media.imaging.headers.header import (
    PROFILE_BYTES_MAX,
    Header,
    check_magic,
    exactly,
    file_size,
    joined,
)
from offchain.media.imaging.refusal import Refusal

CHUNKS_MAX = 100_000
LOSSY, LOSSLESS, EXTENDED, FRAME = b"VP8 ", b"VP8L", b"VP8X", b"ANMF"
SHOWN = {LOSSY, LOSSLESS, EXTENDED, FRAME, b"ALPH", b"ANIM", b"ICCP"}
METADATA = b"XMP "
EXIF_BYTES_MAX = 64 * 1024
FRAME_HEADER = 16
"""Bytes of an ANMF chunk before the frame's own chunks."""


class _Found:
    """What the chunks said so far."""

    def __init__(self) -> None:
        self.canvas: Size | None = None
        self.frames = 0
        self.lossless = 0
        self.orientation = exif.UPRIGHT
        self.has_metadata = False
        self.profile: bytes | None = None
        self.clean: list[tuple[int, int]] = []


def read(file: BinaryIO) -> Header:
    """Read the header of a WebP, and walk its chunks to the end.

    Raises:
        Refusal: It is none, or it ends before its end.
    """
    check_magic(file, b"RIFF")
    head, size, found = file.read(12), file_size(file), _Found()
    if head[8:] != b"WEBP":
        raise Refusal("not_the_declared_type", "a RIFF file of another kind")
    end = int.from_bytes(head[4:8], "little") + 8
    if end > size:
        raise Refusal("truncated", f"{size} bytes of {end}")
    for _ in range(CHUNKS_MAX):
        start = file.tell()
        if start + 8 > end:
            return _header(found)
        chunk = exactly(file, 8)
        name, length = chunk[:4], int.from_bytes(chunk[4:], "little")
        if start + 8 + length > end:
            raise Refusal("truncated", "a chunk is longer than what is left of the file")
        _note(file, name, length, found)
        padded = 8 + length + length % 2
        file.seek(start + padded)
        if name in SHOWN:
            found.clean.append((start, padded))
    raise Refusal("corrupt", f"more than {CHUNKS_MAX:,} chunks")


def _header(found: _Found) -> Header:
    if found.canvas is None or not found.frames:
        raise Refusal("corrupt", "no picture in it")
    return Header(
        found.canvas,
        frames=found.frames,
        orientation=found.orientation,
        has_metadata=found.has_metadata,
        profile=found.profile,
        clean=joined(found.clean),
        lossless=found.lossless == found.frames,
    )


def _note(file: BinaryIO, name: bytes, length: int, found: _Found) -> None:
    """Note what a chunk says; the file is left anywhere in it."""
    found.has_metadata = found.has_metadata or name == METADATA
    if name == EXTENDED:
        body = exactly(file, 10)
        found.canvas = Size(_number(body[4:7]) + 1, _number(body[7:10]) + 1)
    elif name in {LOSSY, LOSSLESS}:
        found.frames += 1
        found.lossless += name == LOSSLESS
        stored = _stored(file, name, length)
        found.canvas = found.canvas or stored
    elif name == FRAME:
        found.frames += 1
        found.lossless += _frame_is_lossless(file, length)
        if found.frames > FRAMES_MAX:
            raise Refusal("too_many_frames", f"more than {FRAMES_MAX:,} frames")
    elif name == b"EXIF":
        body = exactly(file, min(length, EXIF_BYTES_MAX)).removeprefix(b"Exif\0\0")
        found.orientation = exif.orientation(body)
        found.has_metadata = found.has_metadata or not exif.is_bare(body)
    elif name == b"ICCP" and found.profile is None and length <= PROFILE_BYTES_MAX:
        found.profile = exactly(file, length)


def _stored(file: BinaryIO, name: bytes, length: int) -> Size:
    """Read the size from a bitstream's own header (RFC 6386 section 9.1; RFC 9649 section 3.4)."""
    body = exactly(file, min(length, 10))
    if name == LOSSY and body[3:6] == b"\x9d\x01\x2a" and len(body) == 10:  # noqa: PLR2004
        return Size(_number(body[6:8]) & 0x3FFF, _number(body[8:10]) & 0x3FFF)
    if name == LOSSLESS and body[:1] == b"\x2f" and len(body) >= 5:  # noqa: PLR2004
        bits = _number(body[1:5])
        return Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    raise Refusal("corrupt", "no header in its bitstream")


def _frame_is_lossless(file: BinaryIO, length: int) -> bool:
    """Whether the picture chunk of a frame is VP8L; a VP8 one may follow an alpha chunk."""
    body = exactly(file, min(length, FRAME_HEADER + 4))
    return body[FRAME_HEADER:] == LOSSLESS


def _number(body: bytes) -> int:
    return int.from_bytes(body, "little")
