"""What is known of a picture before any pixel is decoded."""

from typing import BinaryIO, NamedTuple

from offchain.media.imaging.budget import Size
from offchain.media.imaging.refusal import Refusal

PROFILE_BYTES_MAX = 1024 * 1024
"""Colour profiles above this are dropped: those of printing presses are half of it."""


class Header(NamedTuple):
    """One picture's header.

    Attributes:
        stored: Size of the canvas, before orientation.
        frames: 1 for a still picture; all that can be decoded, shown or not.
        orientation: EXIF's, 1 to 8.
        has_metadata: Whether anything is in it that speaks of more than pixels.
        profile: The ICC profile, if it has a usable one.
        lossless: Whether it was encoded without loss, where the format leaves a choice.
        indexed: Whether it has a palette, where the format leaves a choice.
        inks: Whether a JPEG has four channels: CMYK.
        inverted: Whether its inks are stored as Adobe does.
        spans: Offset and length of the parts that a decoder needs, in order; without metadata.
            Empty: it needs the whole file.
        clean: Offset and length of the parts that viewers need, in order: colour profiles too, but
            no metadata, and nothing unknown. Of a JPEG, the last one is all from its first scan on.
    """

    stored: Size
    frames: int = 1
    orientation: int = 1
    has_metadata: bool = False
    profile: bytes | None = None
    lossless: bool = False
    indexed: bool = False
    inks: bool = False
    inverted: bool = False
    spans: tuple[tuple[int, int], ...] = ()
    clean: tuple[tuple[int, int], ...] = ()


def exactly(file: BinaryIO, size: int) -> bytes:
    """Read so many bytes.

    Raises:
        Refusal: ``truncated``; the file ends before.
    """
    found = file.read(size)
    if len(found) < size:
        raise Refusal("truncated", "the file ends within its header or structure")
    return found


def file_size(file: BinaryIO) -> int:
    """Size of the file in bytes; its position stays."""
    here = file.tell()
    size = file.seek(0, 2)
    file.seek(here)
    return size


def check_magic(file: BinaryIO, *magics: bytes) -> None:
    """Check the first bytes of a file, and leave it at its start.

    Raises:
        Refusal: ``not_the_declared_type``, or ``truncated`` within the magic.
    """
    file.seek(0)
    found = file.read(max(map(len, magics)))
    file.seek(0)
    if any(found.startswith(magic) for magic in magics):
        return
    if any(magic.startswith(found) for magic in magics):
        raise Refusal("truncated", f"{len(found)} bytes are less than a header")
    raise Refusal("not_the_declared_type", "the first bytes are of something else")


def joined(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Join spans that touch each other."""
    result: list[tuple[int, int]] = []
    for start, length in spans:
        if result and sum(result[-1]) == start:
            result[-1] = (result[-1][0], result[-1][1] + length)
        else:
            result.append((start, length))
    return tuple(result)
