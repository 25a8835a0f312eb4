"""Committed contract artifacts: ABI and bytecode, read without any compiler."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from indexer.errors import ConfigurationError

ARTIFACTS = Path(__file__).resolve().parents[2] / "contracts" / "artifacts"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract."""

    name: str
    abi: tuple[dict[str, Any], ...]
    bytecode: str
    """Creation code, ``0x`` hex."""


@cache
def load_artifact(name: str) -> Artifact:
    """Read a committed artifact by contract name.

    Raises:
        ConfigurationError: There is no such artifact.
    """
    path = ARTIFACTS / f"{name}.json"
    try:
        raw = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ConfigurationError(
            f"no artifact of contract {name}: run 'make contracts' to compile"
        ) from None
    return Artifact(name=name, abi=tuple(raw["abi"]), bytecode=str(raw["bytecode"]))
