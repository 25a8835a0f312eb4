"""Slither over our contracts, from the pinned compiler's syntax trees: no code is generated.

Slither would call the compiler itself, through Yul for minutes; the trees are all it reads.
"""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING

import build
from crytic_compile import CryticCompile
from crytic_compile.compilation_unit import CompilationUnit
from crytic_compile.compiler.compiler import CompilerVersion
from crytic_compile.platform.solc_standard_json import SolcStandardJson, parse_standard_json_output
from slither import Slither
from slither.detectors import all_detectors
from slither.detectors.abstract_detector import AbstractDetector

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "@openzeppelin/"
INSTALLED = f"contracts/node_modules/{PACKAGE}"
MOCKS = "contracts/mocks/"
NO_CODE = {"object": "", "sourceMap": ""}


class Trees(SolcStandardJson):
    """The compiler's answer, in place of a compilation by Slither's own means."""

    def compile(self, crytic_compile: CryticCompile, **_: str) -> None:
        unit = CompilationUnit(crytic_compile, "lastro")
        unit.compiler_version = CompilerVersion("solc", build.SOLC_VERSION, optimized=True)
        parse_standard_json_output(compile_trees(), unit)


class Complaints(logging.Handler):
    """What Slither could not read: it goes on without, and would find nothing there."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def compile_trees() -> dict:
    """Parse our sources and OpenZeppelin's, under the names of their files."""
    sources = {
        name.replace(PACKAGE, INSTALLED, 1) if name.startswith(PACKAGE) else name: text
        for name, text in build.read_sources().items()
        if not name.startswith(MOCKS)
    }
    settings = {"remappings": [f"{PACKAGE}={INSTALLED}"], "viaIR": False}
    build_settings, build.SETTINGS = build.SETTINGS, {**build.SETTINGS, **settings}
    try:
        output = build.run_compiler(sources, {"*": {"": ["ast"], "*": ["abi"]}})
    finally:
        build.SETTINGS = build_settings
    for contracts in output["contracts"].values():
        for contract in contracts.values():
            contract["evm"] = {"bytecode": NO_CODE, "deployedBytecode": NO_CODE}
    return output


def place_of(element: dict) -> str:
    """Where a finding is: contract, function and variable, without line numbers."""
    fields = element.get("type_specific_fields", {})
    if element["type"] == "pragma":
        return "pragma"
    parent = fields.get("parent")
    inside = f"{place_of(parent)}." if parent and parent["type"] != "file" else ""
    return place_of(parent) if element["type"] == "node" else inside + element["name"]


def findings(results: list[list[dict]]) -> Iterator[tuple[str, str]]:
    """Detector and place of every finding in our own sources."""
    for found in (finding for of_detector in results for finding in of_detector):
        elements = found["elements"]
        files = {each["source_mapping"]["filename_relative"] for each in elements}
        if any("node_modules" not in name for name in files):
            yield found["check"], place_of(elements[0])


def analyse() -> tuple[set[tuple[str, str]], list[str]]:
    """Run every detector; returns what they found, and what Slither could not read."""
    complaints = Complaints()
    logging.getLogger().addHandler(complaints)
    slither = Slither(CryticCompile(Trees({})), exclude_dependencies=True)
    for _, detector in inspect.getmembers(all_detectors, inspect.isclass):
        if issubclass(detector, AbstractDetector):
            slither.register_detector(detector)
    return set(findings(slither.run_detectors())), complaints.texts
