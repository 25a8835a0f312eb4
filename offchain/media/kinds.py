"""Which files are taken, and by which of their bytes each is known. Pure.

Sources of the signatures: JPEG (ITU-T T.81 B.1.1), PNG (W3C PNG 5.2), WebP (RFC 9649 2.4), GIF89a
17, MP4 (ISO/IEC 14496-12 4.3; brands: mp4ra.org), WebM (RFC 8794 11.2.4, webmproject.org container
guidelines), PDF (ISO 32000-1 7.5.2), Word and Excel 97-2003 ([MS-CFB] 2.2, [MS-DOC] 2.1, [MS-XLS]
2.1), Office Open XML (PKWARE APPNOTE 4.3.7).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from mmap import mmap
from typing import Final, Literal

BYTES_MAX: Final = 20 * 1024 * 1024
COMPRESS_ABOVE_BYTES: Final = 5 * 1024 * 1024
HEADER_BYTES: Final = 4096
"""A type is known by no more than this; for the older Office formats only by the whole file."""

Family = Literal["image", "video", "pdf", "office", "ooxml"]
Purpose = Literal["cover", "gallery", "document"]
Content = bytes | mmap

_MP4_BRANDS = frozenset(
    (
        b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"iso7", b"iso8", b"iso9", b"mp41",
        b"mp42", b"mp71", b"avc1", b"dash", b"M4V ", b"M4VH", b"M4VP", b"MSNV", b"mmp4", b"f4v ",
    )
)  # fmt: skip
_STILL_BRANDS = frozenset((b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"))
_EBML = bytes.fromhex("1a45dfa3")
_EBML_DOC_TYPE = bytes.fromhex("4282")
_CFB = bytes.fromhex("d0cf11e0a1b11ae1")
_WORD_STREAM = "WordDocument".encode("utf-16-le")
_EXCEL_STREAMS = ("Workbook".encode("utf-16-le"), "Book".encode("utf-16-le"))


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of files that is taken.

    Attributes:
        content_type: Its media type.
        extension: What its keys end with, without a dot.
        family: What is checked of it besides its first bytes.
        fits: Whether a file's bytes are of this type.
    """

    content_type: str
    extension: str
    family: Family
    fits: Callable[[Content], bool]

    @property
    def disposition(self) -> str | None:
        """``Content-Disposition`` it is stored with; None shows it in the page."""
        return None if self.family == "image" else "attachment"


def _is_jpeg(content: Content) -> bool:
    return content[:3] == b"\xff\xd8\xff"


def _is_png(content: Content) -> bool:
    return content[:8] == b"\x89PNG\r\n\x1a\n"


def _is_webp(content: Content) -> bool:
    return content[:4] == b"RIFF" and content[8:12] == b"WEBP"


def _is_gif(content: Content) -> bool:
    return content[:6] in {b"GIF87a", b"GIF89a"}


def _is_mp4(content: Content) -> bool:
    """Whether its file-type box names a brand of MP4, and its main one is no still picture's."""
    length = int.from_bytes(content[:4], "big")
    if content[4:8] != b"ftyp" or not 16 <= length <= HEADER_BYTES:  # noqa: PLR2004 - its header
        return False
    box = content[8 : min(length, HEADER_BYTES)]
    brands = {box[:4], *(box[at : at + 4] for at in range(8, len(box) - 3, 4))}
    return box[:4] not in _STILL_BRANDS and not brands.isdisjoint(_MP4_BRANDS)


def _is_webm(content: Content) -> bool:
    header = content[:HEADER_BYTES]
    at = header.find(_EBML_DOC_TYPE, len(_EBML))
    return header.startswith(_EBML) and at > 0 and header[at + 2 : at + 7] == b"\x84webm"


def _is_pdf(content: Content) -> bool:
    return content[:5] == b"%PDF-"


def _is_word(content: Content) -> bool:
    return content[:8] == _CFB and content.find(_WORD_STREAM) > 0


def _is_excel(content: Content) -> bool:
    return content[:8] == _CFB and any(content.find(name) > 0 for name in _EXCEL_STREAMS)


def _is_zip(content: Content) -> bool:
    return content[:4] == b"PK\x03\x04"


_OOXML = "application/vnd.openxmlformats-officedocument."
_KINDS = (
    Kind("image/jpeg", "jpg", "image", _is_jpeg),
    Kind("image/png", "png", "image", _is_png),
    Kind("image/webp", "webp", "image", _is_webp),
    Kind("image/gif", "gif", "image", _is_gif),
    Kind("video/mp4", "mp4", "video", _is_mp4),
    Kind("video/webm", "webm", "video", _is_webm),
    Kind("application/pdf", "pdf", "pdf", _is_pdf),
    Kind("application/msword", "doc", "office", _is_word),
    Kind(f"{_OOXML}wordprocessingml.document", "docx", "ooxml", _is_zip),
    Kind("application/vnd.ms-excel", "xls", "office", _is_excel),
    Kind(f"{_OOXML}spreadsheetml.sheet", "xlsx", "ooxml", _is_zip),
)
ACCEPTED: Final[Mapping[str, Kind]] = {kind.content_type: kind for kind in _KINDS}
"""Every type that is taken, by its media type. SVG is none: it is a page with scripts."""


def purpose_fault(purpose: Purpose, kind: Kind) -> str | None:
    """Why a type cannot serve a purpose; None when it can."""
    if purpose == "cover" and kind.family != "image":
        return "a cover is an image"
    return None
