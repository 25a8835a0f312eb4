"""README and .env.example say what the settings classes say."""

from stack.settings_reference import env_example, readme_table
from tests.architecture.tree import CHECKOUT


def test_readme_holds_the_settings_table() -> None:
    assert readme_table() in (CHECKOUT / "README.md").read_text(), "lastro config readme"


def test_env_example_holds_every_setting() -> None:
    assert (CHECKOUT / ".env.example").read_text() == env_example(), "lastro config env"
