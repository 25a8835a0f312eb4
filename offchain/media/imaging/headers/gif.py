"""The blocks of a GIF (GIF89a specification), to its end."""

from typing import BinaryIO

from offchain.media.imaging.budget import FRAMES_MAX, Size
from offchain.media.imaging.headers.header import Header, check_magic, exactly, joined
from offchain.media.imaging.refusal import Refusal

MAGICS = (b"GIF87a", b"GIF89a")
BLOCKS_MAX = 400_000
"""Blocks hold 255 bytes at most: 20 MB are 80,000 full ones."""
TRAILER, EXTENSION, IMAGE = b"\x3b", b"\x21", b"\x2c"
CONTROL, APPLICATION = 0xF9, 0xFF
APPLICATIONS = (b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012")
"""Repetitions, under two names, and the colour profile."""
HAS_TABLE, TABLE_BITS = 0x80, 0x07


class _Blocks:
    """Walks sub-blocks, of which a file may hold only so many."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = BLOCKS_MAX

    def skip(self) -> bytes:
        """Skip a chain of sub-blocks; returns the first one."""
        first = b""
        while length := exactly(self._file, 1)[0]:
            self._left -= 1
            if self._left < 0:
                raise Refusal("corrupt", f"more than {BLOCKS_MAX:,} blocks")
            body = exactly(self._file, length)
            first = first or body
        return first


def read(file: BinaryIO) -> Header:
    """Walk a GIF and count its frames.

    Raises:
        Refusal: It is none, ends within a frame, or a frame is empty.
    """
    check_magic(file, *MAGICS)
    screen = exactly(file, 13)
    width, height = _number(screen, 6), _number(screen, 8)
    _skip_table(file, screen[10])
    blocks, frames, has_metadata = _Blocks(file), 0, False
    clean = [(0, file.tell())]
    # A file that merely lacks its trailer is shown by everybody.
    while (separator := file.read(1)) not in {TRAILER, b""}:
        start, needed = file.tell() - 1, False
        if separator == EXTENSION:
            label = exactly(file, 1)[0]
            first = blocks.skip()
            needed = label == CONTROL or (label == APPLICATION and first.startswith(APPLICATIONS))
            has_metadata = has_metadata or not needed
        elif separator == IMAGE:
            right, bottom = _frame(file, blocks)
            # Viewers enlarge the screen for a frame that exceeds it, and so does the decoder.
            width, height, frames = max(width, right), max(height, bottom), frames + 1
            needed = True
            if frames > FRAMES_MAX:
                raise Refusal("too_many_frames", f"more than {FRAMES_MAX:,} frames")
        elif separator != b"\0":  # some writers leave an empty block too many
            raise Refusal("corrupt", "neither a frame nor an extension")
        if needed:
            clean.append((start, file.tell() - start))
    if separator == TRAILER:
        clean.append((file.tell() - 1, 1))
    if not frames:
        raise Refusal("corrupt", "no frame in it")
    size = Size(width, height)
    return Header(size, frames=frames, has_metadata=has_metadata, clean=joined(clean))


def _frame(file: BinaryIO, blocks: _Blocks) -> tuple[int, int]:
    """Skip a frame; returns its right and lower edges."""
    body = exactly(file, 9)
    width, height = _number(body, 4), _number(body, 6)
    if not width or not height:
        raise Refusal("corrupt", f"a frame of {width} x {height} pixels")
    _skip_table(file, body[8])
    exactly(file, 1)
    blocks.skip()
    return _number(body, 0) + width, _number(body, 2) + height


def _skip_table(file: BinaryIO, flags: int) -> None:
    if flags & HAS_TABLE:
        exactly(file, 3 << ((flags & TABLE_BITS) + 1))


def _number(body: bytes, at: int) -> int:
    return int.from_bytes(body[at : at + 2], "little")
