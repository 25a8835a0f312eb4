"""A view of a file that leaves parts of it out: decoders see pixels, never metadata."""

from typing import BinaryIO


class Splice:
    """Chosen spans of a file, read as one file.

    It has as much of a file as Pillow asks for. Corrupt EXIF, text bombs and broken colour
    profiles are nothing a decoder could stumble over when it never sees them.
    """

    def __init__(self, file: BinaryIO, spans: tuple[tuple[int, int], ...]) -> None:
        """View spans of offset and length, in order."""
        self._file = file
        self._spans: list[tuple[int, int, int]] = []
        """Where a span begins in the view, where it begins in the file, and its length."""
        self._size = 0
        for start, length in spans:
            self._spans.append((self._size, start, length))
            self._size += length
        self._at = 0
        self._span = 0

    def read(self, size: int = -1, /) -> bytes:
        """Read up to so many bytes; fewer only at the end."""
        wanted = self._size - self._at if size < 0 else min(size, self._size - self._at)
        parts: list[bytes] = []
        while wanted > 0:
            begins, start, length = self._spans[self._span]
            within = self._at - begins
            if within >= length:
                self._span += 1
                continue
            self._file.seek(start + within)
            part = self._file.read(min(wanted, length - within))
            if not part:
                break
            parts.append(part)
            self._at += len(part)
            wanted -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move, as in any file."""
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        self._span = 0
        return self._at

    def tell(self) -> int:
        """Where the next byte comes from."""
        return self._at
