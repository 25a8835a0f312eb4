"""Pictures for tests and benchmarks, made anew each time: the same arguments, the same bytes."""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageDraw

ORIENTATION = 0x0112
GPS = 0x8825
JPEG, PNG, GIF, WEBP = "image/jpeg", "image/png", "image/gif", "image/webp"
SECRET = b"Rua Secreta 42, -23.55052, -46.63331"
"""What must not be found in a result."""
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def photo(width: int, height: int, *, seed: int = 1, noise: int = 8) -> Image.Image:
    """Light of seven sizes, three tints and a sensor's noise: as hard to compress as a photograph.

    Args:
        noise: Greatest deviation of a pixel; what most of a file's size comes from.
    """
    random = np.random.default_rng(seed)

    def blurred(across: int, strength: float) -> np.ndarray[Any, np.dtype[np.float32]]:
        down = max(2, across * height // width)
        coarse = random.standard_normal((down, across)).astype(np.float32)
        fine = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        return np.asarray(fine) * np.float32(strength)

    light = blurred(8, 60)
    for octave in range(2, 8):
        light += blurred(4 * 2**octave, 60 / octave**1.2)
    pixels = np.empty((height, width, 3), np.uint8)
    for channel, (gain, base) in enumerate(((0.9, 130), (1.0, 120), (0.8, 110))):
        grain = random.integers(-noise, noise + 1, size=(height, width), dtype=np.int8)
        pixels[..., channel] = np.clip(light * gain + base + blurred(8, 18) + grain, 0, 255)
    return Image.fromarray(pixels)


def marked(width: int, height: int) -> Image.Image:
    """Four corners of four colours on grey: which way is up can be seen at any size."""
    picture = Image.new("RGB", (width, height), (128, 128, 128))
    draw = ImageDraw.Draw(picture)
    x, y = width // 2, height // 2
    draw.rectangle((0, 0, x - 1, y - 1), (220, 30, 30))
    draw.rectangle((x, 0, width, y - 1), (30, 200, 30))
    draw.rectangle((0, y, x - 1, height), (30, 30, 220))
    return picture


def exif(orientation: int = 1, *, gps: bool = False) -> Image.Exif:
    """An EXIF block; with GPS it holds a place, and ``SECRET`` as its description."""
    block = Image.Exif()
    block[ORIENTATION] = orientation
    if gps:
        block[0x010E] = SECRET.decode()
        block[GPS] = {1: "S", 2: (23.0, 33.0, 1.87), 3: "W", 4: (46.0, 37.0, 59.9)}
    return block


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Encode a picture."""
    result = io.BytesIO()
    picture.save(result, kind.removeprefix("image/").upper(), **options)
    return result.getvalue()


def animated(frames: Sequence[Image.Image], kind: str, **options: Any) -> bytes:
    """Encode an animation."""
    return saved(frames[0], kind, save_all=True, append_images=list(frames[1:]), **options)


def moving(width: int, height: int, frames: int, *, noise: int = 30) -> list[Image.Image]:
    """A bright square that crosses a noisy ground."""
    ground = photo(width, height, noise=noise)
    shown = []
    for number in range(frames):
        picture = ground.copy()
        left = number * (width - width // 4) // max(1, frames - 1)
        ImageDraw.Draw(picture).rectangle(
            (left, height // 3, left + width // 4, height // 3 * 2), (250, 240, 10)
        )
        shown.append(picture)
    return shown


def png_chunk(name: bytes, body: bytes) -> bytes:
    """A PNG chunk with its checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_png_chunks(png: bytes, *chunks: bytes) -> bytes:
    """A PNG with further chunks after its header."""
    end = len(PNG_MAGIC) + 25
    return png[:end] + b"".join(chunks) + png[end:]


def jpeg_segment(marker: int, body: bytes) -> bytes:
    """A JPEG segment."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def with_jpeg_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """A JPEG with further segments at its front."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def wide_gamut_profile() -> bytes:
    """A sound RGB profile that is not sRGB: its red and its green are swapped."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    entries = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * profile[131], 12)}
    red, green = entries[b"rXYZ"], entries[b"gXYZ"]
    swapped = bytes(profile[red + 4 : red + 8])
    profile[red + 4 : red + 8] = profile[green + 4 : green + 8]
    profile[green + 4 : green + 8] = swapped
    return bytes(profile)


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference of two pictures, 0 to 255, without regard to transparency."""
    left = np.asarray(one.convert("RGB"), np.int16)
    right = np.asarray(other.convert("RGB"), np.int16)
    return float(np.abs(left - right).mean())
