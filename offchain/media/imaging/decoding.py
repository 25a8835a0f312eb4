"""Open a picture with the one decoder that fits its declared type, and name what goes wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO, cast

from PIL import Image, ImageFile

from offchain.media.imaging.headers.header import Header
from offchain.media.imaging.refusal import Refusal, trouble
from offchain.media.imaging.splice import Splice

DETAIL_MAX = 160


def opened(file: BinaryIO, content_type: str, header: Header) -> ImageFile.ImageFile:
    """Let the format's own decoder parse the header, without decoding.

    The decoder is called by name: ``Image.open`` would import five others first, and guess.

    Raises:
        Refusal: The decoder finds no such picture, or another size than the header's reader.
    """
    source = cast("IO[bytes]", Splice(file, header.spans)) if header.spans else file
    source.seek(0)
    with named():
        picture = _decoder(content_type)(source)
    if picture.size != header.stored and header.frames == 1:
        raise Refusal("corrupt", f"a picture of {header.stored} that decodes to {picture.size}")
    return picture


def _decoder(content_type: str) -> type[ImageFile.ImageFile]:
    match content_type:
        case "image/jpeg":
            from PIL import JpegImagePlugin  # noqa: PLC0415 - only what is needed is imported

            return JpegImagePlugin.JpegImageFile
        case "image/png":
            from PIL import PngImagePlugin  # noqa: PLC0415

            return PngImagePlugin.PngImageFile
        case "image/gif":
            from PIL import GifImagePlugin  # noqa: PLC0415

            return GifImagePlugin.GifImageFile
        case "image/webp":
            from PIL import WebPImagePlugin  # noqa: PLC0415

            return WebPImagePlugin.WebPImageFile
        case _:
            raise Refusal("unsupported", f"{content_type} is no picture type of ours")


@contextmanager
def named() -> Iterator[None]:
    """Turn whatever a decoder raises into a refusal.

    Raises:
        Refusal: ``truncated``, ``out_of_memory``, ``too_many_pixels`` or ``corrupt``.
        Trouble: It is not the file's fault.
    """
    try:
        yield
    except Refusal:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise Refusal("too_many_pixels", _words(error)) from error
    except MemoryError as error:
        raise Refusal("out_of_memory", "the picture does not fit into memory") from error
    except EOFError as error:
        raise Refusal("truncated", _words(error)) from error
    except Exception as error:
        if (fault := trouble(error)) is not None:
            raise fault from error
        words = _words(error)
        code = "truncated" if "truncated" in words.lower() else "corrupt"
        raise Refusal(code, words) from error


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:DETAIL_MAX]
