"""The verifier, on records of every shape, spoilt in every way: it names the first bad block."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from settlement.audit.chain import GENESIS, Row, SealedBlock, hash_block, seal
from settlement.audit.verify import Fault, FaultKind, verify
from tests.settlement.audit.audit_vectors import BEGAN
from tests.settlement.audit.exports import Part, lines, record, row


def heads(parts: list[Part]) -> dict[int, bytes]:
    return {part.block.number: part.block.hash for part in parts}


def fault(parts: list[Part], remembered: dict[int, bytes] | None = None) -> Fault:
    found = verify(lines(parts), remembered).fault
    assert found is not None
    return found


Spoil = Callable[[list[bytes], int], None]


def edit(rows: list[bytes], at: int) -> None:
    rows[at] = row(10**6).text


def delete(rows: list[bytes], at: int) -> None:
    del rows[at]


def insert(rows: list[bytes], at: int) -> None:
    rows.insert(at, row(10**6).text)


def swap(rows: list[bytes], at: int) -> None:
    assume(len(rows) > 1)
    other = at - 1
    rows[at], rows[other] = rows[other], rows[at]


SPOILS: dict[FaultKind, Spoil] = {
    "row_edited": edit,
    "row_deleted": delete,
    "row_inserted": insert,
    "rows_reordered": swap,
}
SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=5)


@given(SIZES)
def test_verify_finds_nothing_when_nothing_was_changed(sizes: list[int]) -> None:
    parts = record(sizes)
    verdict = verify(lines(parts), heads(parts))
    assert verdict.fault is None
    assert verdict.head == parts[-1].block.head


@given(SIZES, st.sampled_from(sorted(SPOILS)), st.data())
def test_verify_names_block_and_row_when_rows_are_spoilt(
    sizes: list[int], kind: FaultKind, data: st.DataObject
) -> None:
    parts = record(sizes)
    number = data.draw(st.integers(1, len(sizes)))
    part = parts[number - 1]
    at = data.draw(st.integers(0, len(part.rows) - 1))
    SPOILS[kind](part.rows, at)
    found = fault(parts)
    assert (found.kind, found.block) == (kind, number)
    if kind != "rows_reordered":
        assert found.position == part.block.first_position + at


@given(SIZES, st.data())
def test_verify_names_the_lowest_block_when_several_are_spoilt(
    sizes: list[int], data: st.DataObject
) -> None:
    parts = record(sizes)
    numbers = data.draw(st.sets(st.integers(1, len(sizes)), min_size=1))
    for number in numbers:
        SPOILS[data.draw(st.sampled_from(sorted(SPOILS)))](parts[number - 1].rows, 0)
    assert fault(parts).block == min(numbers)


@given(SIZES, st.data())
def test_verify_names_the_block_when_one_byte_is_another(
    sizes: list[int], data: st.DataObject
) -> None:
    parts = record(sizes)
    told = lines(parts)
    line = data.draw(st.integers(1, len(told) - 1))
    at = data.draw(st.integers(0, len(told[line]) - 1))
    spoilt = bytearray(told[line])
    spoilt[at] ^= data.draw(st.integers(1, 255))
    told[line] = bytes(spoilt)
    owner = [part.block.number for part in parts for _ in range(len(part.rows) + 1)]
    found = verify(told).fault
    assert found is not None
    assert found.block == owner[line - 1]


@given(SIZES, st.data())
def test_verify_names_a_missing_block(sizes: list[int], data: st.DataObject) -> None:
    parts = record(sizes)
    number = data.draw(st.integers(1, len(sizes)))
    remembered = heads(parts)
    del parts[number - 1]
    found = fault(parts, remembered)
    is_last = number == len(sizes)
    assert (found.kind, found.block) == ("chain_truncated" if is_last else "block_missing", number)


@given(SIZES, st.data())
def test_verify_names_a_block_that_was_sealed_again(sizes: list[int], data: st.DataObject) -> None:
    parts = record(sizes)
    remembered = heads(parts)
    number = data.draw(st.integers(1, len(sizes)))
    before = parts[number - 2].block.head if number > 1 else GENESIS
    rows = [row(10**6, said="sealed again")]
    parts[number - 1] = Part([one.text for one in rows], seal(before, rows, sealed_at=BEGAN))
    found = fault(parts, remembered)
    assert (found.kind, found.block) == ("block_resealed", number)
    if number < len(sizes):
        assert fault(parts).block == number, "the next block tells, too"


@given(SIZES, st.data())
def test_verify_names_the_first_remembered_block_when_all_behind_was_sealed_again(
    sizes: list[int], data: st.DataObject
) -> None:
    parts = record(sizes)
    first = data.draw(st.integers(1, len(sizes)))
    kept = data.draw(st.sets(st.integers(1, len(sizes)), min_size=1))
    remembered = {number: sha for number, sha in heads(parts).items() if number in kept}
    head = parts[first - 2].block.head if first > 1 else GENESIS
    for part in parts[first - 1 :]:
        rows = [Row(part.block.until, one.replace(b"said", b"SAID")) for one in part.rows]
        part.rows = [one.text for one in rows]
        part.block = seal(head, rows, sealed_at=BEGAN)
        head = part.block.head
    seen = [number for number in kept if number >= first]
    found = verify(lines(parts), remembered).fault
    assert (None if found is None else found.block) == min(seen, default=None)


def resealed(block: SealedBlock, **fields: object) -> SealedBlock:
    """A block whose own hash fits, whatever its fields say."""
    changed = replace(block, **fields)  # type: ignore[arg-type]
    return replace(changed, hash=hash_block(changed))


@pytest.mark.parametrize(
    "fields",
    [
        {"first_position": 2, "last_position": 3},
        {"last_position": 0},
        {"rows_hash": bytes(32)},
        {"merkle_root": bytes(32)},
        {"row_hashes": ()},
    ],
)
def test_verify_refuses_a_block_whose_fields_contradict_one_another(
    fields: dict[str, object],
) -> None:
    parts = record([2])
    parts[0].block = resealed(parts[0].block, **fields)
    found = fault(parts)
    assert (found.kind, found.block) == ("block_edited", 1)


def test_verify_refuses_a_first_block_behind_another() -> None:
    parts = record([2])
    parts[0].block = resealed(parts[0].block, previous_hash=b"x" * 32)
    assert (fault(parts).kind, fault(parts).block) == ("block_resealed", 1)


def test_verify_tells_the_row_by_its_table_and_id() -> None:
    parts = record([2])
    edit(parts[0].rows, 1)
    assert "moves 1000000" in fault(parts).detail
    for unreadable in (b'{"row":', b'{"row":7}', b'{"row":' + b"[" * 100_000):
        parts[0].rows[1] = unreadable
        assert "a row that cannot be read" in fault(parts).detail


def test_verify_refuses_rows_without_their_block() -> None:
    told = lines(record([1, 2]))[:-1]
    found = verify(told).fault
    assert found is not None
    assert (found.kind, found.block) == ("chain_truncated", 2)
