"""Every known encoding of receipts, against roots that other libraries compute from listed fields.

A fixture is a block as a node tells it (``header``, ``receipts``) and, listed by hand from the
source that it names, what its receipts trie commits to (``committed``).
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from trie.hexary import HexaryTrie

from indexer.chain.blocks import Header
from indexer.chain.receipts import (
    KINDS,
    UnknownReceiptType,
    encode_receipt,
    encode_wire_receipt,
)
from indexer.chain.wire import WireHeader, WireLog, WireReceipt
from indexer.verify import (
    Contradicted,
    Proven,
    ProvenWire,
    Unprovable,
    check_header,
    prove_receipts,
    prove_wire_receipts,
    receipts_root,
    receipts_root_raw,
)

FIXTURES = sorted((Path(__file__).parent / "fixtures").glob("*.json"))


@pytest.fixture(params=FIXTURES, ids=lambda path: path.stem)
def block(request: pytest.FixtureRequest) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(request.param.read_bytes())
    return loaded


def header_of(block: dict[str, Any]) -> Header:
    return check_header(msgspec.convert(block["header"], WireHeader).value())


def wires_of(block: dict[str, Any]) -> list[WireReceipt]:
    return msgspec.convert(block["receipts"], list[WireReceipt])


def unhex(value: Any) -> Any:
    return [unhex(one) for one in value] if isinstance(value, list) else bytes.fromhex(value[2:])


def independent_root(committed: list[dict[str, Any]]) -> bytes:
    theirs = HexaryTrie({})
    for index, receipt in enumerate(committed):
        kind = int(receipt["type"], 16)
        prefix = bytes([kind]) if kind else b""
        theirs[rlp.encode(index)] = prefix + rlp.encode(unhex(receipt["fields"]))
    return bytes(theirs.root_hash)


def test_receipts_are_proven_by_the_root_that_other_libraries_compute(
    block: dict[str, Any],
) -> None:
    header, wires = header_of(block), wires_of(block)
    count = len(block["committed"])
    assert header.receipts_root == independent_root(block["committed"])
    assert header.receipts_root == unhex(block["expected_root"])
    assert prove_wire_receipts(header, wires) == ProvenWire(tuple(wires[:count]))
    values = tuple(wire.value() for wire in wires)
    assert prove_receipts(header, values) == Proven(values[:count])


def test_receipts_are_contradicted_when_one_log_is_missing(block: dict[str, Any]) -> None:
    spoilt = next(one for one in block["receipts"] if one["logs"])
    del spoilt["logs"][0]
    assert isinstance(prove_wire_receipts(header_of(block), wires_of(block)), Contradicted)


def test_every_known_type_has_a_fixture() -> None:
    shown = {
        int(receipt["type"], 16)
        for path in FIXTURES
        for receipt in json.loads(path.read_bytes())["committed"]
    }
    assert shown == set(KINDS)


def load(name: str) -> dict[str, Any]:
    path = next(path for path in FIXTURES if path.stem == name)
    loaded: dict[str, Any] = json.loads(path.read_bytes())
    return loaded


@pytest.mark.parametrize(
    ("name", "place", "change"),
    [
        ("celo_fee_currency", 1, {"baseFee": "0x1"}),
        ("celo_fee_currency", 1, {"baseFee": None}),
        ("optimism_deposit", 0, {"depositNonce": "0x1"}),
        ("optimism_deposit", 1, {"depositReceiptVersion": None}),
        ("polygon_state_sync", 2, {"type": "0x0"}),
        ("standard_types", 0, {"status": "0x0"}),
        ("standard_types", 0, {"logsBloom": "0x" + "00" * 256}),
        ("standard_types", 0, {"logsBloom": "0x00"}),
        ("standard_types", 0, {"transactionIndex": "0x1"}),
        ("standard_types", 0, {"transactionHash": "0x" + "11" * 32}),
        ("standard_types", 0, {"blockNumber": "0x1"}),
        ("standard_types", 0, {"cumulativeGasUsed": "many"}),
    ],
)
def test_receipts_are_contradicted_when_a_field_was_changed(
    name: str, place: int, change: dict[str, Any]
) -> None:
    block = load(name)
    block["receipts"][place] |= change
    assert isinstance(prove_wire_receipts(header_of(block), wires_of(block)), Contradicted)


@pytest.mark.parametrize(
    "change",
    [
        {"address": "0x" + "11" * 19},
        {"topics": ["0x11"]},
        {"data": "0x1"},
        {"data": "0x" + "zz" * 32},
        {"logIndex": "0x7"},
        {"blockHash": "0x" + "11" * 32},
    ],
    ids=str,
)
def test_receipts_are_contradicted_when_a_log_was_changed(change: dict[str, Any]) -> None:
    block = load("standard_types")
    block["receipts"][0]["logs"][0] |= change
    assert isinstance(prove_wire_receipts(header_of(block), wires_of(block)), Contradicted)


def test_receipts_are_unprovable_when_a_type_is_unknown() -> None:
    block = load("legacy")
    block["receipts"][0]["type"] = "0x6a"
    verdict = prove_wire_receipts(header_of(block), wires_of(block))
    assert verdict == Unprovable("no encoding is known for receipts of type 0x6a")


def test_place_may_be_written_in_upper_case() -> None:
    block = load("legacy")
    for receipt in block["receipts"]:
        receipt["blockHash"] = "0x" + receipt["blockHash"][2:].upper()
    assert isinstance(prove_wire_receipts(header_of(block), wires_of(block)), ProvenWire)


LOGS = st.builds(
    WireLog,
    address=st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex()),
    topics=st.lists(
        st.binary(min_size=32, max_size=32).map(lambda raw: "0x" + raw.hex()), max_size=4
    ),
    data=st.binary(max_size=300).map(lambda raw: "0x" + raw.hex()),
    block_number=st.just("0x1"),
    block_hash=st.just("0x" + "11" * 32),
    transaction_hash=st.just("0x" + "22" * 32),
    transaction_index=st.just("0x0"),
    log_index=st.just("0x0"),
)


@settings(max_examples=60, deadline=None)
@given(logs=st.lists(LOGS, max_size=6), kind=st.sampled_from(sorted(KINDS)), gas=st.integers(0))
def test_encoding_from_hex_equals_the_one_from_values(
    logs: list[WireLog], kind: int, gas: int
) -> None:
    wire = WireReceipt(
        type=hex(kind),
        status="0x1",
        cumulative_gas_used=hex(gas % 2**64),
        gas_used="0x1",
        logs_bloom="0x" + "0f" * 256,
        logs=logs,
        transaction_hash="0x" + "22" * 32,
        transaction_index="0x0",
        block_number="0x1",
        block_hash="0x" + "11" * 32,
        deposit_nonce="0x80",
        deposit_receipt_version="0x1",
        base_fee="0x7f",
    )
    assert encode_wire_receipt(wire) == encode_receipt(wire.value())
    assert receipts_root_raw([wire] * 3) == receipts_root([wire.value()] * 3)


def test_unknown_type_has_no_encoding() -> None:
    (first, *_) = (wire.value() for wire in wires_of(load("legacy")))
    with pytest.raises(UnknownReceiptType, match="0x6a"):
        encode_receipt(replace(first, type=0x6A))
