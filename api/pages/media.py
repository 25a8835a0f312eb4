"""A campaign's files as its page shows them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from api.pages.formats import Formats
from api.reads.files import ShownFile
from offchain.media.urls import PublicUrls

KIND_NAMES: Final = {
    "application/pdf": "PDF",
    "application/msword": "Word",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "Word",
    "application/vnd.ms-excel": "Excel",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "Excel",
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WebP",
    "image/gif": "GIF",
    "video/mp4": "MP4",
    "video/webm": "WebM",
}
_BEST_FIRST: Final = ("image/avif", "image/webp")
"""Order in which a browser is offered the formats of one picture: the smallest first."""


@dataclass(frozen=True, slots=True)
class Source:
    """A picture in a format that not every browser knows."""

    url: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture; with its size, so that nothing moves when it comes."""

    id: UUID
    url: str
    width: int
    height: int
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Video:
    """A film."""

    id: UUID
    url: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Document:
    """A file that is not shown but fetched."""

    id: UUID
    url: str
    kind: str
    size: str


@dataclass(frozen=True, slots=True)
class Media:
    """Everything a page shows of a campaign's files."""

    cover: Picture | None
    gallery: tuple[Picture | Video, ...]
    documents: tuple[Document, ...]


def arrange(files: Sequence[ShownFile], urls: PublicUrls, formats: Formats) -> Media:
    """Put files where they are shown: the newest cover, then the others in the order they came.

    Args:
        files: Of one campaign, newest first.
        urls: Where they are.
        formats: For readers of which language.
    """
    covers = [file for file in files if file.purpose == "cover"]
    cover = next((shown for file in covers if (shown := _picture(file, urls)) is not None), None)
    gallery: list[Picture | Video] = []
    documents: list[Document] = []
    for file in reversed(files):
        if file.purpose == "cover":
            continue
        seen = None if file.purpose == "document" else _picture(file, urls) or _video(file, urls)
        if seen is None:
            documents.append(_document(file, urls, formats))
        else:
            gallery.append(seen)
    return Media(cover, tuple(gallery), tuple(documents))


def _picture(file: ShownFile, urls: PublicUrls) -> Picture | None:
    if file.width is None or file.height is None or not file.media_type.startswith("image/"):
        return None
    sources = [
        # Made from this version of the file: its tag is theirs.
        Source(urls.of(sibling.object_key, file.etag), sibling.media_type)
        for media_type in _BEST_FIRST
        for sibling in file.siblings
        if sibling.media_type == media_type
    ]
    return Picture(
        file.id, urls.of(file.object_key, file.etag), file.width, file.height, tuple(sources)
    )


def _video(file: ShownFile, urls: PublicUrls) -> Video | None:
    if not file.media_type.startswith("video/"):
        return None
    return Video(file.id, urls.of(file.object_key, file.etag), file.media_type)


def _document(file: ShownFile, urls: PublicUrls, formats: Formats) -> Document:
    return Document(
        file.id,
        urls.of(file.object_key, file.etag),
        KIND_NAMES.get(file.media_type, file.media_type),
        formats.size(file.size_bytes),
    )
