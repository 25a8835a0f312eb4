"""Where every contract keeps its state: the snapshot contracts/storage-layout.json.

A proxy keeps its storage when its code is replaced, so a slot that moves corrupts it silently; the
snapshot makes such a move visible in review. The deployment reads values that have no getter by it.

The compiler reports declared variables only. Namespaced structs (ERC-7201) are declared nowhere:
for each, a contract of one variable of that type is compiled beside ours, and never deployed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Compile = Callable[[dict[str, str], dict[str, Any]], dict[str, Any]]

Json = dict[str, Any]
Structs = dict[str, list[Json]]

# A namespaced struct, and the contract or library around it: the last one named before it.
NAMESPACED = re.compile(
    r"^(?:abstract )?(?:contract|library|interface) (?P<container>\w+)"
    r"|@custom:storage-location erc7201:(?P<namespace>\S+)(?:\s+///[^\n]*)*\s+struct (?P<name>\w+)",
    re.MULTILINE,
)
OURS = "contracts/"
MOCKS = "contracts/mocks/"
PROBE = "probe/Probe{0}.sol"


def namespaced_structs(source: str) -> list[tuple[str, str, str]]:
    """Find the namespaced structs of one source: (container, struct, namespace), in order."""
    found, container = [], ""
    for match in NAMESPACED.finditer(source):
        if match["container"]:
            container = match["container"]
        else:
            found.append((container, match["name"], match["namespace"]))
    return found


def probe(number: int, source: str, container: str, struct: str) -> str:
    """Write a contract whose only variable is of a namespaced struct's type."""
    return (
        "// SPDX-License-Identifier: MIT\npragma solidity >=0.8.20;\n"
        f'import {{{container}}} from "{source}";\n'
        f"contract Probe{number} {{ {container}.{struct} private state; }}\n"
    )


def read_layouts(sources: dict[str, str], targets: dict[str, str], compile_with: Compile) -> Json:
    """Compute the layouts of our contracts, tests' mocks left out.

    Args:
        sources: Every source unit by name.
        targets: The contracts that become artifacts: name -> source.
        compile_with: Takes sources and an output selection, returns the compiler's output.

    Returns:
        ``contracts``: contract -> variables, where it has any. ``namespaces``: ERC-7201 namespace
        -> its struct's name and base slot. ``structs``: every struct they mention -> members.
        A variable is {label, slot, offset, type}; slots are relative in structs.
    """
    ours = {
        name: source
        for name, source in targets.items()
        if source.startswith(OURS) and not source.startswith(MOCKS)
    }
    spaces = [
        (name, *found)
        for name, text in sources.items()
        if name.startswith(OURS) and not name.startswith(MOCKS)
        for found in namespaced_structs(text)
    ]
    probes = {
        PROBE.format(number): probe(number, source, container, struct)
        for number, (source, container, struct, _) in enumerate(spaces)
    }
    selection = {source: {name: ["storageLayout"]} for name, source in ours.items()}
    selection |= {path: {"*": ["storageLayout"]} for path in probes}
    output = compile_with({**sources, **probes}, selection)["contracts"]
    structs: Structs = {}
    contracts = {
        name: variables
        for name, source in ours.items()
        if (variables := _variables(output[source][name]["storageLayout"], structs))
    }
    namespaces = {}
    for number, (_, container, struct, namespace) in enumerate(spaces):
        layout = output[PROBE.format(number)][f"Probe{number}"]["storageLayout"]
        _variables(layout, structs)
        namespaces[namespace] = {
            "struct": f"{container}.{struct}",
            "slot": hex(base_slot(namespace)),
        }
    return {"contracts": contracts, "namespaces": namespaces, "structs": structs}


def base_slot(namespace: str) -> int:
    """Compute the slot at which a namespace begins, as ERC-7201 defines it."""
    inner = int.from_bytes(_keccak(namespace.encode())) - 1
    return int.from_bytes(_keccak(inner.to_bytes(32))) & ~0xFF


def _keccak(data: bytes) -> bytes:
    from eth_utils import keccak  # noqa: PLC0415 -- the cheap staleness check does without it

    return bytes(keccak(data))


def _variables(layout: Json, structs: Structs) -> list[Json]:
    """Describe a layout's variables, and add the structs that it mentions to ``structs``."""
    types = layout["types"] or {}
    for described in types.values():
        if "members" in described:
            name = described["label"].removeprefix("struct ")
            structs[name] = [_variable(part, types) for part in described["members"]]
    return [_variable(part, types) for part in layout["storage"]]


def _variable(part: Json, types: Json) -> Json:
    return {
        "label": part["label"],
        "slot": int(part["slot"]),
        "offset": part["offset"],
        "type": types[part["type"]]["label"],
    }
