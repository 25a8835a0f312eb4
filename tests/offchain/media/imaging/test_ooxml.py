import zipfile
from pathlib import Path

import pytest

from offchain.media.imaging.ooxml import ENTRIES_MAX
from offchain.media.imaging.outcomes import FailureCode, ImageFailure
from offchain.media.imaging.running import check_ooxml
from tests.support.confined import account
from tests.support.hostile_files import cut, html, zipped

OFFICE = "application/vnd.openxmlformats-officedocument."
WORD = f"{OFFICE}wordprocessingml.document"
EXCEL = f"{OFFICE}spreadsheetml.sheet"
TYPES = {"[Content_Types].xml": b"<Types/>"}
DOCUMENT = zipped({**TYPES, "word/document.xml": b"<w:document/>" * 500})
SHEET = zipped({**TYPES, "xl/workbook.xml": b"<workbook/>" * 500})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


def code(source: Path, whole: bytes, kind: str) -> FailureCode:
    source.write_bytes(whole)
    with pytest.raises(ImageFailure) as caught:
        check_ooxml(source, kind)
    assert source.read_bytes() == whole
    return caught.value.code


@pytest.mark.parametrize(("kind", "whole"), [(WORD, DOCUMENT), (EXCEL, SHEET)])
def test_check_ooxml_passes_a_document(kind: str, whole: bytes, source: Path) -> None:
    source.write_bytes(whole)
    check_ooxml(source, kind)
    assert source.read_bytes() == whole


@pytest.mark.parametrize(
    ("kind", "whole", "expected"),
    [
        (EXCEL, DOCUMENT, "not_the_declared_type"),
        (WORD, SHEET, "not_the_declared_type"),
        (WORD, zipped({"word/document.xml": b""}), "not_the_declared_type"),
        (WORD, zipped({"page.html": html()}), "not_the_declared_type"),
        (WORD, html(), "not_the_declared_type"),
        (WORD, b"", "truncated"),
        (WORD, b"PK\x03\x04" + bytes(99), "corrupt"),
        (WORD, cut(DOCUMENT), "corrupt"),
        ("application/pdf", DOCUMENT, "unsupported"),
    ],
)
def test_check_ooxml_refuses_anything_else(
    kind: str, whole: bytes, expected: FailureCode, source: Path
) -> None:
    assert code(source, whole, kind) == expected


def test_check_ooxml_refuses_a_part_whose_bytes_were_changed(source: Path) -> None:
    at = DOCUMENT.index(b"word/document.xml") + 40
    damaged = DOCUMENT[:at] + b"\xff\xff\xff" + DOCUMENT[at + 3 :]
    assert code(source, damaged, WORD) == "corrupt"


def test_check_ooxml_refuses_an_encrypted_part(source: Path) -> None:
    encrypted = bytearray(DOCUMENT)
    encrypted[6] |= 1
    at = DOCUMENT.index(b"PK\x01\x02")
    encrypted[at + 8] |= 1
    assert code(source, bytes(encrypted), WORD) == "unsupported"


def test_check_ooxml_refuses_too_many_parts(source: Path) -> None:
    many = zipped({**TYPES, **{f"word/{number}": b"" for number in range(ENTRIES_MAX)}})
    assert code(source, many, WORD) == "unsupported"


def test_check_ooxml_refuses_a_zip_bomb_within_bounds(source: Path) -> None:
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", b"<Types/>")
        with archive.open("word/document.xml", "w") as part:
            for _ in range(400):
                part.write(bytes(1024 * 1024))
    used = account("check", source, WORD)
    assert used.verdict["code"] == "unsupported"
    assert used.peak_mib < 64
    assert used.wall_s < 20
