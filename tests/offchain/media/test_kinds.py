"""Which bytes are of which type."""

import io
import mmap
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from offchain.media.kinds import ACCEPTED, HEADER_BYTES, purpose_fault

OOXML = "application/vnd.openxmlformats-officedocument."
DOCX, XLSX = f"{OOXML}wordprocessingml.document", f"{OOXML}spreadsheetml.sheet"
CFB = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504)


def picture(kind: str) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (9, 9)).save(target, kind)
    return target.getvalue()


def mp4(main: bytes = b"isom", *others: bytes) -> bytes:
    brands = b"".join(others)
    box = b"ftyp" + main + bytes(4) + brands
    return (len(box) + 4).to_bytes(4, "big") + box + bytes(64)


def ebml(doc_type: bytes) -> bytes:
    name = bytes.fromhex("4282") + bytes([0x80 + len(doc_type)]) + doc_type
    return bytes.fromhex("1a45dfa39f4286810142f7810142f2810442f38108") + name + bytes(40)


def cfb(stream: str) -> bytes:
    return CFB + bytes(5 * 1024) + stream.encode("utf-16-le") + bytes(100)


def zipped() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    return target.getvalue()


SAMPLES = {
    "image/jpeg": picture("JPEG"),
    "image/png": picture("PNG"),
    "image/webp": picture("WEBP"),
    "image/gif": picture("GIF"),
    "video/mp4": mp4(b"isom", b"iso2", b"avc1"),
    "video/webm": ebml(b"webm"),
    "application/pdf": b"%PDF-1.4\n",
    "application/msword": cfb("WordDocument"),
    DOCX: zipped(),
    "application/vnd.ms-excel": cfb("Workbook"),
    XLSX: zipped(),
}


def test_samples_are_of_every_accepted_type() -> None:
    assert set(SAMPLES) == set(ACCEPTED)


@pytest.mark.parametrize("declared", sorted(ACCEPTED))
@pytest.mark.parametrize("real", sorted(SAMPLES))
def test_bytes_fit_their_own_type_and_no_other(declared: str, real: str) -> None:
    both_zip = {declared, real} <= {DOCX, XLSX}  # told apart by what is inside
    assert ACCEPTED[declared].fits(SAMPLES[real]) is (declared == real or both_zip)


@pytest.mark.parametrize("declared", sorted(ACCEPTED))
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<!doctype html><script>",
        b"MZ\x90\x00",
        bytes(HEADER_BYTES * 2),
        b"\x00\x00\x00\x00ftyp",
        b"\xff\xff\xff\xffftypisom",
        bytes.fromhex("1a45dfa3"),
        CFB,
        b"RIFF\x00\x00\x00\x00WAVE",
    ],
)
def test_other_bytes_fit_nothing(declared: str, content: bytes) -> None:
    assert not ACCEPTED[declared].fits(content)


@pytest.mark.parametrize("brand", [b"avif", b"heic", b"mif1", b"qt  ", b"M4A ", b"3gp4"])
def test_other_files_of_boxes_are_no_mp4(brand: bytes) -> None:
    assert not ACCEPTED["video/mp4"].fits(mp4(brand, brand))


def test_still_picture_that_also_claims_to_be_a_film_is_no_mp4() -> None:
    assert not ACCEPTED["video/mp4"].fits(mp4(b"avif", b"isom"))


def test_matroska_is_no_webm() -> None:
    assert not ACCEPTED["video/webm"].fits(ebml(b"matroska"))


@pytest.mark.parametrize("declared", sorted(ACCEPTED))
def test_mapped_file_is_judged_like_its_bytes(declared: str, tmp_path: Path) -> None:
    path = tmp_path / "sample"
    path.write_bytes(SAMPLES[declared])
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        assert ACCEPTED[declared].fits(content)


@pytest.mark.parametrize("declared", sorted(ACCEPTED))
def test_only_pictures_are_shown_in_a_page_and_serve_as_a_cover(declared: str) -> None:
    kind, is_picture = ACCEPTED[declared], declared.startswith("image/")
    assert kind.disposition == (None if is_picture else "attachment")
    assert (purpose_fault("cover", kind) is None) is is_picture
    assert purpose_fault("document", kind) is None


def test_extensions_tell_types_apart() -> None:
    assert len({kind.extension for kind in ACCEPTED.values()}) == len(ACCEPTED)
