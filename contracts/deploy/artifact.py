"""The committed build, as a deployment needs it: code to link and compare, calls to encode.

Nothing is compiled to deploy, and what is compared with a live contract is what contracts/build.py
makes of the sources, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from eth_abi import decode, encode
from eth_utils import function_signature_to_4byte_selector, keccak, to_checksum_address

CONTRACTS = Path(__file__).resolve().parent.parent
ARTIFACTS = CONTRACTS / "artifacts"
LAYOUT = CONTRACTS / "storage-layout.json"

Json = dict[str, Any]


@cache
def load(name: str) -> Json:
    """Load an artifact."""
    document: Json = json.loads((ARTIFACTS / f"{name}.json").read_text(encoding="utf-8"))
    return document


def manifest_hash() -> str:
    """Hash the build as a whole: sha256 of contracts/artifacts/manifest.json."""
    return "0x" + hashlib.sha256((ARTIFACTS / "manifest.json").read_bytes()).hexdigest()


def compiler_settings() -> Json:
    """Say how the build was compiled, in the record's words."""
    manifest = json.loads((ARTIFACTS / "manifest.json").read_text(encoding="utf-8"))
    settings = manifest["settings"]
    return {
        "version": manifest["compiler"],
        "evm_version": settings["evmVersion"],
        "optimizer_runs": settings["optimizer"]["runs"],
        "via_ir": settings["viaIR"],
        "metadata": settings["metadata"]["bytecodeHash"],
    }


@cache
def slot_of(namespace: str, label: str) -> tuple[int, int]:
    """Find a namespaced struct's member by contracts/storage-layout.json: slot, offset in bytes."""
    layout = json.loads(LAYOUT.read_text(encoding="utf-8"))
    space = layout["namespaces"][namespace]
    member = next(found for found in layout["structs"][space["struct"]] if found["label"] == label)
    return int(space["slot"], 16) + member["slot"], member["offset"]


def libraries_of(name: str) -> list[str]:
    """Name the libraries that a contract's code calls, in order."""
    found = load(name)
    references = [found["linkReferences"], found["deployedLinkReferences"]]
    return sorted({library for of in references for named in of.values() for library in named})


def _link(code: str, references: Json, libraries: dict[str, str]) -> bytes:
    text = code.removeprefix("0x")
    for named in references.values():
        for library, places in named.items():
            address = libraries[library].removeprefix("0x").lower()
            for place in places:
                start = 2 * place["start"]
                text = text[:start] + address + text[start + 2 * place["length"] :]
    return bytes.fromhex(text)


def creation_code(name: str, libraries: dict[str, str], arguments: list[Any]) -> bytes:
    """Make the data of the transaction that creates a contract."""
    found = load(name)
    constructor = [entry for entry in found["abi"] if entry["type"] == "constructor"]
    types = [_type(entry) for entry in constructor[0]["inputs"]] if constructor else []
    code = _link(found["bytecode"], found["linkReferences"], libraries)
    return code + encode(types, [_plain(*pair) for pair in zip(types, arguments, strict=True)])


def runtime_code(name: str, libraries: dict[str, str]) -> bytes:
    """Make the code that stands at a contract's address, with zeros for its immutables."""
    found = load(name)
    return _link(found["deployedBytecode"], found["deployedLinkReferences"], libraries)


def split_immutables(name: str, code: bytes) -> tuple[bytes, set[bytes]]:
    """Take the immutables out of live code: the code with zeros in their place, and their values.

    Code of another length is not this artifact's, and comes back as it is.
    """
    found = load(name)
    if 2 * len(code) != len(found["deployedBytecode"]) - 2:
        return code, set()
    masked, values = bytearray(code), set()
    for place in found["immutableReferences"]:
        part = slice(place["start"], place["start"] + place["length"])
        values.add(bytes(masked[part]))
        masked[part] = bytes(place["length"])
    return bytes(masked), values


def code_hash(code: bytes) -> str:
    """Hash code as EXTCODEHASH does."""
    return "0x" + keccak(code).hex()


def encode_call(name: str, function: str, arguments: tuple[object, ...]) -> bytes:
    """Make the data of a call."""
    entry = _function(name, function, len(arguments))
    types = [_type(found) for found in entry["inputs"]]
    selector = function_signature_to_4byte_selector(f"{function}({','.join(types)})")
    plain = [_plain(kind, value) for kind, value in zip(types, arguments, strict=True)]
    return bytes(selector) + encode(types, plain)


def decode_result(name: str, function: str, arguments: tuple[object, ...], data: bytes) -> Any:  # noqa: ANN401 -- as its ABI says
    """Read what a call returns: one value, or a tuple of several."""
    entry = _function(name, function, len(arguments))
    values = decode([_type(found) for found in entry["outputs"]], data)
    readable = [
        _readable(found["type"], value)
        for found, value in zip(entry["outputs"], values, strict=True)
    ]
    return readable[0] if len(readable) == 1 else tuple(readable)


def _function(name: str, function: str, inputs: int) -> Json:
    for entry in load(name)["abi"]:
        named = entry["type"] == "function" and entry["name"] == function
        if named and len(entry["inputs"]) == inputs:
            return dict(entry)
    raise KeyError(f"{name} has no function {function} of {inputs} arguments")


def _type(entry: Json) -> str:
    if not entry["type"].startswith("tuple"):
        return str(entry["type"])
    return f"({','.join(map(_type, entry['components']))}){entry['type'][5:]}"


def _plain(kind: str, value: Any) -> Any:  # noqa: ANN401 -- as its ABI says
    """Turn an argument as records hold it, bytes as hex, into what the encoder takes."""
    if kind.startswith("bytes") and isinstance(value, str):
        return bytes.fromhex(value.removeprefix("0x"))
    return value


def _readable(kind: str, value: Any) -> Any:  # noqa: ANN401 -- as its ABI says
    if kind == "address":
        return to_checksum_address(value)
    if kind == "address[]":
        return [to_checksum_address(found) for found in value]
    return "0x" + value.hex() if isinstance(value, bytes) else value
