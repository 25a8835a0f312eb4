"""The form of an export: published for others to check against, and read in one way only."""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from settlement.audit.chain import GENESIS, hash_row
from settlement.audit.format import HEADING
from settlement.audit.merkle import merkle_path, root_of_path
from settlement.audit.verify import NotARecordError, main, parse_heads, verify, write_head
from stack.settings import CHECKOUT
from tests.settlement.audit import audit_vectors
from tests.settlement.audit.exports import lines, record


@pytest.mark.parametrize("told", [[], [b""], [b"{}"], [b"PK\x03\x04"]])
def test_verify_refuses_what_is_no_record(told: list[bytes]) -> None:
    with pytest.raises(NotARecordError):
        verify(told)


@pytest.mark.parametrize(
    "line",
    [b"", b"null", b"[]", b"{}", b'{"block":7}', b'{"block":{}}', b"\xff", b"[" * 100_000],
)
def test_verify_refuses_a_line_that_is_neither_row_nor_block(line: bytes) -> None:
    found = verify([HEADING, line]).fault
    assert found is not None
    assert (found.kind, found.block) == ("unreadable", 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b'"number":1', b'"number":1e999'),
        (b'"number":1', b'"number":true'),
        (b'"number":1', b'"number":"1"'),
        (b'"number":1', b'"number": 1'),
        (b'"version":1', b'"version":2'),
        (b'Z"', b'"'),
        (b'"table":"moves"', b'"table":"\\ud800"'),
    ],
)
def test_verify_refuses_a_block_that_is_written_otherwise(field: bytes, value: bytes) -> None:
    told = lines(record([1]))
    assert field in told[-1]
    told[-1] = told[-1].replace(field, value)
    found = verify(told).fault
    assert found is not None
    assert (found.kind, found.block) == ("unreadable", 1)


def test_verify_refuses_a_block_with_a_second_reading() -> None:
    """Survives: a key that is there twice, of which readers show one or the other."""
    told = lines(record([1]))
    told[-1] = told[-1].replace(b'{"block":{', b'{"block":{"number":9,')
    found = verify(told).fault
    assert found is not None
    assert found.kind == "unreadable"


@pytest.mark.parametrize(
    "text", ["", "1", "1:0x", f"x:0x{'0' * 64}", f"1:{'0' * 64}", f"1:0x{'z' * 64}"]
)
def test_parse_heads_refuses_what_is_no_head(text: str) -> None:
    with pytest.raises(ValueError, match=r"head|hex"):
        parse_heads([text])


def test_heads_are_read_as_they_are_written() -> None:
    head = record([1, 1])[-1].block.head
    assert parse_heads([write_head(head)]) == {2: head.hash}
    assert parse_heads([write_head(GENESIS)]) == {0: bytes(32)}


def test_published_record_is_what_is_hashed() -> None:
    told = audit_vectors.FILE.read_bytes().splitlines()
    assert told == audit_vectors.lines()
    verdict = verify(told, parse_heads([audit_vectors.HEAD]))
    assert verdict.fault is None
    assert write_head(verdict.head) == audit_vectors.HEAD


def test_row_hash_is_what_the_form_says() -> None:
    _, first, second, _, block, *_ = audit_vectors.FILE.read_bytes().splitlines()
    one = sha256(bytes.fromhex("0001" + "0000000000000001" + "00" * 32) + first).digest()
    two = sha256(bytes.fromhex("0001" + "0000000000000002") + one + second).hexdigest()
    sealed = json.loads(block)["block"]["row_hashes"]
    assert sealed.startswith("0x" + one.hex() + two)


def test_one_row_is_proven_without_the_others() -> None:
    block = audit_vectors.blocks()[0]
    path = merkle_path(block.row_hashes, 1)
    leaf = hash_row(2, block.row_hashes[0], audit_vectors.ROWS[0][1].text)
    assert root_of_path(leaf, path, index=1, leaves=block.rows) == block.merkle_root


def test_verifier_needs_nothing_but_python() -> None:
    """Survives: an auditor's machine without our packages, and without a network."""
    bare = [sys.executable, "-S", "-m", "settlement.audit.verify", str(audit_vectors.FILE)]
    done = subprocess.run(
        [*bare, audit_vectors.HEAD], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"good: 4 rows, head {audit_vectors.HEAD}\n")


def test_verifier_says_how_a_file_is_bad(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = tmp_path / "record.jsonl"
    spoilt.write_bytes(audit_vectors.FILE.read_bytes().replace(b"stopped", b"allowed"))
    assert main([str(spoilt)]) == 1
    assert "block 2: notes 2, at position 4, is not as it was sealed" in capsys.readouterr().out
    assert main([str(tmp_path / "nothing")]) == 2
    assert main([]) == 2
    assert main([str(audit_vectors.FILE), "1:0x"]) == 2
