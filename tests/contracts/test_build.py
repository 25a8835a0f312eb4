"""Ape's own compiler run and contracts/build.py make the same code; storage stays where it is."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import ape
import build
import pytest
import storage_layout
from eth_utils import keccak
from solcx import compile_standard

ROOT = Path(__file__).parents[2]
OURS = [
    name
    for name, source in build.TARGETS.items()
    if source.startswith("contracts/") and not source.startswith("contracts/mocks/")
]
LINK_HOLE = "__$"


def artifact(name):
    return json.loads((build.ARTIFACTS / f"{name}.json").read_text(encoding="utf-8"))


def compiled(given, names):
    """The code that the compiler makes of these contracts, by name."""
    outputs = ["evm.bytecode.object", "evm.deployedBytecode.object"]
    selection = {build.TARGETS[name]: {name: outputs} for name in names}
    settings = given["settings"] | {"outputSelection": selection}
    output = compile_standard(
        given | {"settings": settings}, solc_binary=build.SOLC, base_path=ROOT
    )["contracts"]
    return {name: output[build.TARGETS[name]][name]["evm"] for name in names}


def test_ape_compiles_to_the_committed_code():
    """Ape's own input, sources, remappings and settings, makes our code byte for byte.

    Only what Ape has no setting for is added: leaving out the metadata. It embeds a contract that
    another one creates, so that code compiled with it cannot be compared.
    """
    os.environ["SOLCX_BINARY_PATH"] = str(ROOT / "contracts" / "toolchain")
    project = ape.Project(ROOT)
    paths = [ROOT / build.TARGETS[name] for name in OURS]
    inputs = ape.compilers.solidity.get_standard_input_json(paths, project=project)
    ((version, given),) = inputs.items()
    assert version.base_version == build.SOLC_VERSION
    ours = {key: value for key, value in build.SETTINGS.items() if key != "metadata"}
    assert {key: given["settings"][key] for key in ours} == ours
    given["settings"]["metadata"] = build.SETTINGS["metadata"]
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(partial(compiled, given), [OURS[0::2], OURS[1::2]])
    for name, evm in (first | second).items():
        committed = artifact(name)
        assert "0x" + evm["bytecode"]["object"] == committed["bytecode"], name
        assert "0x" + evm["deployedBytecode"]["object"] == committed["deployedBytecode"], name


def without_links(code, references):
    """Code with zeros where libraries are linked."""
    code = code.removeprefix("0x")
    for libraries in references.values():
        for place in (place for places in libraries.values() for place in places):
            start, end = 2 * place["start"], 2 * (place["start"] + place["length"])
            code = code[:start] + "0" * (end - start) + code[end:]
    return code


def test_artifacts_say_where_every_library_is_linked():
    for name in build.TARGETS:
        found = artifact(name)
        for code, references in (
            ("bytecode", "linkReferences"),
            ("deployedBytecode", "deployedLinkReferences"),
        ):
            assert LINK_HOLE not in without_links(found[code], found[references]), (name, code)
        for place in found["immutableReferences"]:
            start, end = 2 + 2 * place["start"], 2 + 2 * (place["start"] + place["length"])
            assert set(found["deployedBytecode"][start:end]) == {"0"}, name


def test_storage_layout_is_the_committed_one():
    """A slot that moves breaks deployed proxies: run contracts/build.py only if none is."""
    layout = build.render_layout(build.read_sources())
    assert layout == build.LAYOUT.read_text(encoding="utf-8")


def test_storage_layout_covers_every_contract_with_state():
    layout = json.loads(build.LAYOUT.read_text(encoding="utf-8"))
    covered = {space["struct"].split(".")[0] for space in layout["namespaces"].values()}
    assert covered | layout["contracts"].keys() >= {
        "CampaignInfo", "CampaignInfoFactory", "GlobalParams", "LiveParams",
        "MirrorPaymentTreasury", "PaymentTreasury", "RefundEscrow",
        "TimeConstrainedPaymentTreasury", "TreasuryFactory",
    }  # fmt: skip
    for namespace, space in layout["namespaces"].items():
        inner = int.from_bytes(keccak(text=namespace)) - 1
        slot = int.from_bytes(keccak(inner.to_bytes(32))) & ~0xFF
        assert int(space["slot"], 16) == slot


SOURCE = """
contract Moved {{
    /// @custom:storage-location erc7201:lastro.storage.Moved
    /// @dev A remark.
    struct State {{ {members} }}
    uint256 private _own;
}}
"""


def test_storage_layout_tells_slot_and_offset_of_namespaced_members():
    members = "uint128 a; uint128 b; mapping(bytes32 => uint256) c;"
    text = "pragma solidity 0.8.30;" + SOURCE.format(members=members)
    layout = storage_layout.read_layouts(
        {"contracts/Moved.sol": text}, {"Moved": "contracts/Moved.sol"}, build.run_compiler
    )
    assert layout["structs"]["Moved.State"] == [
        {"label": "a", "slot": 0, "offset": 0, "type": "uint128"},
        {"label": "b", "slot": 0, "offset": 16, "type": "uint128"},
        {"label": "c", "slot": 1, "offset": 0, "type": "mapping(bytes32 => uint256)"},
    ]
    own = {"label": "_own", "slot": 0, "offset": 0, "type": "uint256"}
    assert layout["contracts"] == {"Moved": [own]}


@pytest.mark.parametrize("head", ["contract", "abstract contract", "library"])
def test_storage_layout_finds_namespaced_structs_in(head):
    source = SOURCE.format(members="uint256 a;").replace("contract", head, 1)
    assert storage_layout.namespaced_structs(source) == [("Moved", "State", "lastro.storage.Moved")]
