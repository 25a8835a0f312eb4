"""The house as it was drawn: what may stand at the root, and what nothing may be called."""

import re
from pathlib import Path

import pytest

from tests.architecture.tree import CHECKOUT, tracked

ROOT = {
    "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "ape-config.yaml", "api", "benchmarks",
    "contracts", "docs", "indexer", "migrations", "offchain", "pyproject.toml", "requirements",
    "settlement", "stack", "tests",
}  # fmt: skip
EMPTY_NAMES = {"common", "core", "utils", "helpers", "util", "helper", "misc"}
REGISTRY = re.compile(
    r"https?://[^\s\"']*(pypi|pythonhosted|npmjs|yarnpkg|artifactory|nexus)[^\s\"']*", re.IGNORECASE
)


def test_root_holds_only_what_was_drawn() -> None:
    found = {path.relative_to(CHECKOUT).parts[0] for path in tracked()}
    assert {name for name in found if not name.startswith(".")} <= ROOT


def test_nothing_has_an_empty_name() -> None:
    named = [
        path for path in tracked() if EMPTY_NAMES & {part.split(".")[0] for part in path.parts}
    ]
    assert not named


@pytest.mark.parametrize(
    "path",
    [
        *tracked("requirements/*.txt", "requirements/*.in", "contracts/package*.json"),
        *tracked("pyproject.toml", "contracts/.npmrc", "Makefile", "stack/setup.sh", ".ci/run"),
    ],
    ids=lambda path: str(path.relative_to(CHECKOUT)),
)
def test_locks_and_configuration_name_no_registry(path: Path) -> None:
    assert not REGISTRY.search(path.read_text())


def test_every_locked_package_has_hashes() -> None:
    for lock in tracked("requirements/*.txt"):
        requirements = re.findall(
            r"^[a-z0-9][^ ]*==[^\\]*\\?\n(.*)", lock.read_text(), re.MULTILINE
        )
        assert requirements
        assert all("--hash=sha256:" in following for following in requirements)
