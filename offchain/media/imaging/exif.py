"""The one EXIF tag that matters here. Whatever the bytes, an answer comes out."""

from typing import Literal

ORIENTATION = 0x0112
SHORT = 3
ENTRIES_MAX = 1_000
UPRIGHT, LAST = 1, 8


def bare(value: int) -> bytes:
    """The least EXIF block there is: a TIFF header, and one directory of one entry.

    Args:
        value: The orientation, 1 to 8.
    """
    header = b"MM\0*" + (8).to_bytes(4, "big")
    entry = b"".join(number.to_bytes(2, "big") for number in (ORIENTATION, SHORT, 0, 1, value, 0))
    return header + (1).to_bytes(2, "big") + entry + bytes(4)


def is_bare(tiff: bytes) -> bool:
    """Whether an EXIF block says nothing but which way is up."""
    return tiff == bare(orientation(tiff))


def orientation(tiff: bytes) -> int:
    """Read the orientation from an EXIF block.

    Args:
        tiff: What follows the ``Exif`` marker: a TIFF header and its first directory.

    Returns:
        1 to 8 (CIPA DC-008, tag 0x0112); 1 if there is none, or no sense in it.
    """
    order: Literal["little", "big"]
    if tiff.startswith(b"II*\0"):
        order = "little"
    elif tiff.startswith(b"MM\0*"):
        order = "big"
    else:
        return UPRIGHT

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], order)

    start = number(4, 4)
    for index in range(min(number(start, 2), ENTRIES_MAX)):
        entry = start + 2 + 12 * index
        if entry + 12 > len(tiff):
            break
        if number(entry, 2) == ORIENTATION and number(entry + 2, 2) == SHORT:
            found = number(entry + 8, 2)
            return found if UPRIGHT <= found <= LAST else UPRIGHT
    return UPRIGHT
