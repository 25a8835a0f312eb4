"""README and .env.example say what the settings classes say."""

import re

import pytest

from api.settings import ApiSettings
from indexer.settings import IndexerSettings, settings_table
from offchain.settings import HttpSettings, WorkerSettings
from settlement.settings import SettlementSettings
from stack.settings import StackSettings
from tests.architecture.tree import CHECKOUT

ROWS = settings_table(
    [IndexerSettings, SettlementSettings, HttpSettings, WorkerSettings, ApiSettings, StackSettings]
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["variable"])
def test_readme_describes_every_setting(row: dict[str, str]) -> None:
    readme = (CHECKOUT / "README.md").read_text()
    assert re.search(rf"^\| `{row['variable']}` \|", readme, re.MULTILINE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["variable"])
def test_env_example_names_every_setting(row: dict[str, str]) -> None:
    example = (CHECKOUT / ".env.example").read_text()
    assert re.search(rf"^#? ?{row['variable']}=", example, re.MULTILINE)


def test_readme_names_no_setting_that_is_gone() -> None:
    known = {row["variable"] for row in ROWS} | {"LASTRO_PYTHON", "LASTRO_NODE", "ONCE"}
    named = set(
        re.findall(r"^\| `([A-Z_]+)` \|", (CHECKOUT / "README.md").read_text(), re.MULTILINE)
    )
    assert named <= known
