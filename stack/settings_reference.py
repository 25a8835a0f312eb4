"""Every setting of every process, as the README's table and as ``.env.example``."""

from pydantic_settings import BaseSettings

from api.settings import ApiSettings
from indexer.settings import IndexerSettings, Variable, environment_variables
from offchain.settings import CronSettings, HttpSettings, WorkerSettings
from settlement.settings import SettlementSettings
from stack.settings import CHECKOUT, StackSettings

PROCESSES: dict[str, type[BaseSettings]] = {
    "indexer": IndexerSettings,
    "settlement": SettlementSettings,
    "http": HttpSettings,
    "worker": WorkerSettings,
    "cron": CronSettings,
    "api": ApiSettings,
    "stack": StackSettings,
}
"""``stack`` is the local stack itself: it sets what its processes need, and asks for nothing."""


def variables() -> list[Variable]:
    """Every environment variable, by name."""
    return environment_variables(PROCESSES)


def readme_table() -> str:
    """The settings table of the README, as Markdown."""
    rows = ["| variable | default | meaning | read by |", "|---|---|---|---|"]
    for variable in variables():
        default = "required" if variable.default is None else f"`{_portable(variable)}`"
        shown = "" if default == "``" else default
        readers = ", ".join(variable.readers)
        rows.append(f"| `{variable.name}` | {shown} | {variable.meaning} | {readers} |")
    return "\n".join(rows)


def env_example() -> str:
    """The text of ``.env.example``: required ones bare, the others commented out."""
    lines = [
        "# Settings of Lastro's processes. The local stack ('lastro up', 'make demo') needs none.",
        "",
    ]
    for variable in variables():
        lines.append(f"# {variable.meaning} Read by: {', '.join(variable.readers)}.")
        if variable.default is None:
            lines += [f"{variable.name}=", ""]
        else:
            lines += [f"# {variable.name}={_portable(variable)}", ""]
    return "\n".join(lines)


def _portable(variable: Variable) -> str:
    """A default without this checkout's own path."""
    return (variable.default or "").replace(f"{CHECKOUT}/", "").strip('"')
