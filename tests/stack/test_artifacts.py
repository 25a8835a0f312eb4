"""contracts/artifacts is what contracts/ compiles to; no network, no Ape."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

CONTRACTS = Path(__file__).parents[2] / "contracts"
MANIFEST = "manifest.json"


def run_build(contracts: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(contracts / "build.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


def load_build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("contracts_build", CONTRACTS / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the contracts that a test may spoil, at a path with a space in it."""
    copy = tmp_path / "a checkout" / "contracts"
    shutil.copytree(CONTRACTS, copy, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    (copy / "node_modules").symlink_to(CONTRACTS / "node_modules")
    return copy


def test_artifacts_are_what_the_sources_compile_to() -> None:
    checked = run_build(CONTRACTS, "--check")
    assert checked.returncode == 0, checked.stderr


def test_artifacts_name_every_contract_with_code_and_its_compiler() -> None:
    manifest = json.loads((CONTRACTS / "artifacts" / MANIFEST).read_text(encoding="utf-8"))
    assert manifest["compiler"] == "0.8.30"
    assert manifest["settings"]["evmVersion"] == "cancun"
    for name in manifest["artifacts"]:
        artifact = json.loads((CONTRACTS / "artifacts" / name).read_text(encoding="utf-8"))
        assert artifact["bytecode"].startswith("0x60")
        # A linked library may have nothing that is called from outside.
        assert artifact["abi"] or artifact["sourceName"].startswith("contracts/libraries/")
        assert artifact["compiler"]["settings"] == manifest["settings"]


def test_check_fails_at_once_when_a_source_changed(checkout: Path) -> None:
    source = checkout / "PaymentTreasury.sol"
    source.write_text(source.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    stale = run_build(checkout, "--check")
    assert stale.returncode == 1
    assert stale.stderr == "the sources changed; run: .venv/bin/python contracts/build.py\n"


def test_check_fails_at_once_when_an_artifact_was_edited(checkout: Path) -> None:
    artifact = checkout / "artifacts" / "TestBRLA.json"
    spoilt = artifact.read_text(encoding="utf-8").replace('"0x60', '"0x61')
    artifact.write_text(spoilt, encoding="utf-8")
    stale = run_build(checkout, "--check")
    assert stale.returncode == 1
    assert stale.stderr.startswith("TestBRLA.json was edited; run:")


def test_stale_files_names_what_differs_is_missing_or_left_over() -> None:
    built = {"same": "1", "changed": "2", "missing": "3"}
    committed = {"same": "1", "changed": "x", "left over": "4"}
    assert load_build().stale_files(built, committed) == ["changed", "left over", "missing"]
    assert load_build().stale_files(built, built) == []
