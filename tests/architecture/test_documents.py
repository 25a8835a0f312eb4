"""README and .env.example say what the settings classes say; the departures name their tests."""

import re

from stack.settings_reference import env_example, readme_table
from tests.architecture.tree import CHECKOUT


def test_readme_holds_the_settings_table() -> None:
    assert readme_table() in (CHECKOUT / "README.md").read_text(), "lastro config readme"


def test_env_example_holds_every_setting() -> None:
    assert (CHECKOUT / ".env.example").read_text() == env_example(), "lastro config env"


def test_compatibility_page_names_tests_that_exist() -> None:
    page = (CHECKOUT / "docs" / "compatibility.md").read_text()
    sources = [path.read_text() for path in (CHECKOUT / "tests" / "contracts").glob("*.py")]
    written = {
        name for text in sources for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)
    }
    named = set(re.findall(r"`(test_\w+)`", page))
    assert len(named) > 30
    assert named <= written, sorted(named - written)
