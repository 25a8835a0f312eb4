"""Files that mean harm, or that harm has come to. All are made here; none is stored."""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator

from PIL import Image

from tests.support import pictures
from tests.support.pictures import GIF, JPEG, PNG, PNG_MAGIC, WEBP, jpeg_segment, png_chunk

SCRIPT = b"<script>alert(document.domain)</script>"


def blank_png(width: int, height: int, *, bits: int, colour_type: int) -> bytes:
    """A PNG of zeros, packed row by row: a few kilobytes, however large."""
    channels = {0: 1, 2: 3, 6: 4}[colour_type]
    row = bytes(1 + (width * bits * channels + 7) // 8)
    packing = zlib.compressobj(9)
    packed = [*(packing.compress(row) for _ in range(height)), packing.flush()]
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    return (
        PNG_MAGIC
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", b"".join(packed))
        + png_chunk(b"IEND", b"")
    )


def claimed_png(width: int, height: int) -> bytes:
    """A PNG of a hundred bytes that claims any size."""
    return _claim(pictures.saved(Image.new("RGB", (8, 8)), PNG), width, height)


def _claim(png: bytes, width: int, height: int) -> bytes:
    header = struct.pack(">II", width, height) + png[24:29]
    return png[:8] + png_chunk(b"IHDR", header) + png[33:]


def lossless_webp_of(side: int) -> bytes:
    """34 bytes of WebP that claim a square of any side up to 16,384."""
    bits = (side - 1) | (side - 1) << 14
    body = b"\x2f" + struct.pack("<I", bits) + bytes(9)
    chunk = b"VP8L" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def claimed_jpeg(width: int, height: int) -> bytes:
    """A JPEG of less than a kilobyte that claims any size."""
    jpeg = bytearray(pictures.saved(Image.new("RGB", (16, 16)), JPEG))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(jpeg)


def gif_of(frames: int, side: int) -> bytes:
    """A GIF of one-coloured frames that cover a square screen."""
    whole = pictures.saved(Image.new("P", (side, side)), GIF)
    start = whole.index(b",", 13)
    frame = whole[start:-1]
    return whole[:start] + frame * frames + b";"


def gif_with_empty_frame() -> bytes:
    """A GIF with a frame of no width between two others."""
    one = pictures.saved(pictures.marked(64, 64).quantize(16), GIF)
    start = one.rindex(b",", 0, len(one) - 1)
    empty = struct.pack("<cHHHHB", b",", 0, 0, 0, 64, 0) + b"\x02\x01\x00\x00"
    return one[:-1] + empty + b";" if start else one


def cut(whole: bytes) -> bytes:
    """The first half of a file."""
    return whole[: len(whole) // 2]


def html() -> bytes:
    """A page that runs a script."""
    return b"<!doctype html><html><body>" + SCRIPT + b"</body></html>"


def svg() -> bytes:
    """A drawing that runs a script."""
    return b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">' + SCRIPT + b"</svg>"


def jpeg_magic_and_script() -> bytes:
    """What a sniffer takes for a JPEG and a browser for a page."""
    return b"\xff\xd8\xff\xe0" + SCRIPT * 20


def zipped(entries: dict[str, bytes]) -> bytes:
    """A zip of named parts."""
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in entries.items():
            archive.writestr(zipfile.ZipInfo(name), body, zipfile.ZIP_DEFLATED)
    return result.getvalue()


def polyglot(picture: bytes) -> bytes:
    """A sound picture that is a page and a zip archive, too."""
    return picture + html() + zipped({"payload.html": html()})


def text_bombs(png: bytes) -> bytes:
    """A PNG whose texts unpack to a thousand times their size."""
    bomb = zlib.compress(bytes(100_000_000), 9)
    return pictures.with_png_chunks(
        png,
        png_chunk(b"zTXt", b"Comment\0\0" + bomb),
        png_chunk(b"iTXt", b"Comment\0\1\0\0\0" + bomb),
    )


def profile_bomb(png: bytes) -> bytes:
    """A PNG whose colour profile unpacks to a thousand times its size."""
    body = b"icc\0\0" + zlib.compress(bytes(200_000_000), 9)
    return pictures.with_png_chunks(png, png_chunk(b"iCCP", body))


def with_jpeg_profile(jpeg: bytes, profile: bytes) -> bytes:
    """A JPEG with a profile of up to 64 KiB, whatever it is."""
    return pictures.with_jpeg_segments(jpeg, jpeg_segment(0xE2, b"ICC_PROFILE\0\1\1" + profile))


def with_jpeg_exif(jpeg: bytes, tiff: bytes) -> bytes:
    """A JPEG with an EXIF block, whatever it is."""
    return pictures.with_jpeg_segments(jpeg, jpeg_segment(0xE1, b"Exif\0\0" + tiff))


def orientation_block(value: int) -> bytes:
    """A TIFF header with one entry: an orientation, in its range or not."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, value, 0, 0)


def mutated(whole: bytes, seed: int) -> bytes:
    """A file with a few bytes changed, removed or doubled."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    found = bytearray(whole)
    for _ in range(chance.randint(1, 12)):
        # Half of the faults go into the header, where structure is.
        at = chance.randrange(min(len(found), 200) if chance.random() < 0.5 else len(found))
        length = chance.randint(1, 40)
        match chance.randrange(4):
            case 0:
                found[at] = chance.randrange(256)
            case 1:
                del found[at : at + length]
            case 2:
                found[at:at] = found[at : at + length]
            case _:
                found[at : at + length] = chance.randbytes(length)
    return bytes(found)


REFUSED: dict[str, tuple[str, Callable[[], bytes], set[str]]] = {
    "rgb png of 169 MP": (
        PNG,
        lambda: blank_png(13_000, 13_000, bits=8, colour_type=2),
        {"too_many_pixels"},
    ),
    "1-bit png of 400 MP": (
        PNG,
        lambda: blank_png(20_000, 20_000, bits=1, colour_type=0),
        {"too_many_pixels"},
    ),
    "webp of 34 bytes and 256 MP": (WEBP, lambda: lossless_webp_of(16_000), {"too_many_pixels"}),
    "png of a few bytes that claims 2**62": (
        PNG,
        lambda: claimed_png(2**31 - 1, 2**31 - 1),
        {"too_many_pixels"},
    ),
    "jpeg of a few bytes that claims 4 GP": (
        JPEG,
        lambda: claimed_jpeg(65_500, 65_500),
        {"too_many_pixels"},
    ),
    "png without pixels": (PNG, lambda: claimed_png(0, 8), {"corrupt"}),
    "gif of 400 frames of 1500 x 1500": (GIF, lambda: gif_of(400, 1_500), {"too_many_frames"}),
    "gif of 20,000 frames": (GIF, lambda: gif_of(20_000, 16), {"too_many_frames"}),
    "gif with an empty frame": (GIF, gif_with_empty_frame, {"corrupt"}),
    "html as jpeg": (JPEG, html, {"not_the_declared_type"}),
    "svg as png": (PNG, svg, {"not_the_declared_type"}),
    "script after a jpeg's magic": (JPEG, jpeg_magic_and_script, {"corrupt", "truncated"}),
    "jpeg as png": (
        PNG,
        lambda: pictures.saved(pictures.marked(64, 64), JPEG),
        {"not_the_declared_type"},
    ),
    "png as webp": (
        WEBP,
        lambda: pictures.saved(pictures.marked(64, 64), PNG),
        {"not_the_declared_type"},
    ),
    "empty file": (JPEG, lambda: b"", {"truncated"}),
    "one byte": (PNG, lambda: b"\x89", {"truncated"}),
    "random bytes": (
        WEBP,
        lambda: random.Random(5).randbytes(100_000),  # noqa: S311
        {"not_the_declared_type"},
    ),
}
"""What is refused from its header on: declared type, content, and the codes that fit."""


def cut_pictures() -> Iterator[tuple[str, bytes]]:
    """Pictures that end in their middle."""
    picture = pictures.photo(1600, 1200)
    for kind, options in (
        (JPEG, {"quality": 92}),
        (JPEG, {"quality": 92, "progressive": True}),
        (PNG, {"compress_level": 1}),
        (WEBP, {"quality": 90}),
        (GIF, {}),
    ):
        source = picture.quantize(64) if kind == GIF else picture
        yield kind, cut(pictures.saved(source, kind, **options))
