"""Modules small enough to hold in the head. The exceptions may only shrink."""

import ast
from pathlib import Path

import pytest

from tests.architecture.tree import CHECKOUT, PACKAGES, tracked

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
MEDIAN_MODULE_LINES_MAX = 300

EXCEPTIONS: dict[str, int] = {}
"""Module → lines it had when it was let through."""

SOURCES = [
    path
    for path in tracked("*.py", "*.sol")
    if not path.is_relative_to(CHECKOUT / "migrations" / "versions")
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_module_holds_in_the_head(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    allowed = EXCEPTIONS.get(str(path.relative_to(CHECKOUT)), MODULE_LINES_MAX)
    assert lines <= allowed, f"{lines} lines: split it by what it knows"


def test_few_modules_are_long() -> None:
    long = [
        path for path in SOURCES if len(path.read_text().splitlines()) > MEDIAN_MODULE_LINES_MAX
    ]
    assert len(long) <= len(SOURCES) // 20, [str(path.relative_to(CHECKOUT)) for path in long]


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.suffix == ".py"],
    ids=lambda path: str(path.relative_to(CHECKOUT)),
)
def test_functions_are_short(path: Path) -> None:
    too_long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert not too_long


@pytest.mark.parametrize("package", PACKAGES)
def test_package_init_exports_nothing(package: str) -> None:
    for path in (CHECKOUT / package).rglob("__init__.py"):
        body = ast.parse(path.read_text()).body
        assert len(body) == 1, f"{path}: only the docstring of the package's guarantees"
        assert ast.get_docstring(ast.parse(path.read_text()))
