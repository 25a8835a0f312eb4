"""Read the header of a picture by its declared type."""

from collections.abc import Callable, Mapping
from typing import BinaryIO

from offchain.media.imaging.budget import check_picture
from offchain.media.imaging.headers import gif, jpeg, png, webp
from offchain.media.imaging.headers.header import Header
from offchain.media.imaging.refusal import Refusal

READERS: Mapping[str, Callable[[BinaryIO], Header]] = {
    "image/jpeg": jpeg.read,
    "image/png": png.read,
    "image/gif": gif.read,
    "image/webp": webp.read,
}


def read_header(file: BinaryIO, content_type: str) -> Header:
    """Read a header as the declared type's, and check it against the budget.

    Raises:
        Refusal: Not of this type, broken, or too large.
    """
    reader = READERS.get(content_type)
    if reader is None:
        raise Refusal("unsupported", f"{content_type} is no picture type of ours")
    header = reader(file)
    check_picture(header.stored, header.frames)
    return header
