"""What is shrunk: photographs made by arithmetic, of the sizes that phones and cameras give.

The same arguments give the same bytes. Noise is chosen so that a file is as large as a camera's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from tests.support import pictures

Case = Literal["jpeg", "progressive", "png", "small"]
CASES: tuple[Case, ...] = ("jpeg", "progressive", "png", "small")
SIDEWAYS = 6
"""EXIF orientation of a phone held upright."""
MIX: tuple[Case, ...] = (*("small",) * 13, *("jpeg",) * 4, "progressive", "png", "png")
"""Twenty uploads: what is above 5 MB is shrunk, the rest as well here, to have short work too."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to be shrunk.

    Attributes:
        case: What it is called in the figures.
        path: Where it lies.
        content_type: Its media type.
        best: What a full decode and a Lanczos filter over every pixel make of it.
    """

    case: Case
    path: Path
    content_type: str
    best: Image.Image


def made(directory: Path, scale: float) -> Iterator[Source]:
    """Write the sources, one after the other.

    Args:
        directory: Where to.
        scale: Of their sides; 1 for what is measured, less for what is merely tried.
    """
    photo = pictures.photo(_side(8000, scale), _side(6000, scale), seed=1, noise=20)
    sideways = pictures.exif(SIDEWAYS)
    jpeg = directory / "photo.jpg"
    photo.save(jpeg, quality=92, exif=sideways)
    yield _source("jpeg", jpeg, "image/jpeg", photo)
    progressive = directory / "progressive.jpg"
    photo.save(progressive, quality=92, exif=sideways, progressive=True)
    yield _source("progressive", progressive, "image/jpeg", photo)
    photo = pictures.photo(_side(4000, scale), _side(3000, scale), seed=2, noise=8)
    png = directory / "photo.png"
    photo.save(png, compress_level=6)
    yield _source("png", png, "image/png", photo)
    photo = pictures.photo(_side(2400, scale), _side(1800, scale), seed=3, noise=10)
    small = directory / "small.jpg"
    photo.save(small, quality=90, exif=sideways)
    yield _source("small", small, "image/jpeg", photo)


def _side(pixels: int, scale: float) -> int:
    return round(pixels * scale)


def _source(case: Case, path: Path, content_type: str, photo: Image.Image) -> Source:
    upright = photo
    if content_type == "image/jpeg":
        upright = photo.transpose(Image.Transpose.ROTATE_270)
    width = min(1024, upright.width)
    best = upright.resize(
        (width, round(upright.height * width / upright.width)), Image.Resampling.LANCZOS
    )
    return Source(case, path, content_type, best)
