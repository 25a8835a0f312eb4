"""The markers of a JPEG, up to its first scan (ITU-T T.81, annex B)."""

from typing import BinaryIO, NamedTuple

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

MAGIC = b"\xff\xd8\xff"
MARKERS_MAX = 2_000
JUNK_BYTES_MAX = 64 * 1024
"""Between two segments; decoders skip it."""
SOI, EOI, SOS, TEM = 0xD8, 0xD9, 0xDA, 0x01
RESTARTS = range(0xD0, 0xD8)
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
DECODABLE = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
"""Baseline, extended and progressive, with Huffman or arithmetic coding."""
APP0, APP1, APP2, APP14, APP15, COM = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
BITS, INKS = 8, 4
EXIF, ICC, ADOBE, JFIF = b"Exif\0\0", b"ICC_PROFILE\0", b"Adobe", b"JFIF\0"


class _Needs(NamedTuple):
    """Who needs a segment: what decodes pixels, or what shows them."""

    decoder: bool
    viewer: bool


class _Found:
    """What the segments said so far."""

    def __init__(self) -> None:
        self.stored: Size | None = None
        self.orientation: int | None = None
        self.has_metadata = False
        self.inks = False
        self.inverted = False
        self.profile: list[tuple[int, bytes]] = []

    def frame(self, marker: int, body: bytes) -> None:
        if marker not in DECODABLE or body[0] != BITS:
            raise Refusal("unsupported", f"JPEG process {marker:#x} with {body[0]} bits")
        if self.stored is not None:
            raise Refusal("corrupt", "two frame headers")
        self.inks = body[5] == INKS
        self.stored = Size(int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big"))

    def application(self, marker: int, body: bytes) -> "_Needs":
        """Note an application segment or comment; says who needs it."""
        if marker == APP14 and body.startswith(ADOBE):
            self.inverted = True
            return _Needs(decoder=True, viewer=True)
        if marker == APP0:  # JFIF: settles which colours three components are
            return _Needs(decoder=True, viewer=body.startswith(JFIF))
        if marker == APP2 and body.startswith(ICC):
            self.profile.append((body[len(ICC)], body[len(ICC) + 2 :]))
            return _Needs(decoder=False, viewer=True)
        if marker == APP1 and body.startswith(EXIF) and self.orientation is None:
            block = body[len(EXIF) :]
            self.orientation = exif.orientation(block)
            self.has_metadata = self.has_metadata or not exif.is_bare(block)
        else:
            self.has_metadata = True
        return _Needs(decoder=False, viewer=False)

    def whole_profile(self) -> bytes | None:
        parts = [part for _, part in sorted(self.profile)]
        return b"".join(parts) if 0 < sum(map(len, parts)) <= PROFILE_BYTES_MAX else None


def read(file: BinaryIO) -> Header:
    """Read the header of a JPEG.

    Raises:
        Refusal: It is none, or none that can be decoded.
    """
    check_magic(file, MAGIC)
    size, found = file_size(file), _Found()
    spans, clean = [(0, 2)], [(0, 2)]
    file.seek(2)
    for _ in range(MARKERS_MAX):
        start, marker = _next_marker(file)
        if marker in RESTARTS or marker in {SOI, TEM}:
            continue
        if marker == EOI:
            break
        if marker == SOS:
            if found.stored is None:
                break
            spans.append((start, size - start))
            return Header(
                found.stored,
                orientation=found.orientation or exif.UPRIGHT,
                has_metadata=found.has_metadata,
                profile=found.whole_profile(),
                inks=found.inks,
                inverted=found.inverted,
                spans=joined(spans),
                clean=(*clean, (start, size - start)),
            )
        needs = _segment(file, marker, found)
        if needs.decoder:
            spans.append((start, file.tell() - start))
        if needs.viewer:
            clean.append((start, file.tell() - start))
    raise Refusal("corrupt", "no picture before the end of its markers")


def _segment(file: BinaryIO, marker: int, found: _Found) -> _Needs:
    """Read one segment; says who needs it."""
    length = int.from_bytes(exactly(file, 2), "big") - 2
    if length < 0:
        raise Refusal("corrupt", "a segment shorter than its own length")
    body = exactly(file, length)
    if marker in FRAMES:
        found.frame(marker, body.ljust(6, b"\0"))
        return _Needs(decoder=True, viewer=True)
    if APP0 <= marker <= APP15 or marker == COM:
        return found.application(marker, body.ljust(len(ICC) + 2, b"\0"))
    return _Needs(decoder=True, viewer=True)


def _next_marker(file: BinaryIO) -> tuple[int, int]:
    """Find the next marker; returns its offset and code."""
    for _ in range(JUNK_BYTES_MAX):
        if exactly(file, 1) != b"\xff":
            continue
        code = exactly(file, 1)[0]
        while code == 0xFF:  # noqa: PLR2004 - fill bytes, B.1.1.2
            code = exactly(file, 1)[0]
        if code:
            return file.tell() - 2, code
    raise Refusal("corrupt", "junk instead of a marker")
