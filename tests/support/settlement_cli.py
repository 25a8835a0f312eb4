"""``lastro settlement`` run against a database in this process."""

import json
from dataclasses import dataclass, field
from typing import Any

from typer.testing import CliRunner, Result

from indexer.errors import ConfigurationError
from stack.cli import app


@dataclass(frozen=True, slots=True)
class SettlementCli:
    """The command line to one database."""

    database_url: str
    more: dict[str, str] = field(default_factory=dict)
    """Further variables, such as where a node is."""

    def run(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code, and what was said as JSON; a refusal exits with 2, as ``main`` has it."""
        result = self._invoke(*arguments, "--json")
        if isinstance(result.exception, ConfigurationError):
            return 2, {"refused": str(result.exception)}
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, json.loads(result.stdout.splitlines()[-1])

    def say(self, *arguments: str) -> str:
        """What a person reads."""
        result = self._invoke(*arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.stdout

    def _invoke(self, *arguments: str) -> Result:
        environment = {"DATABASE_URL": self.database_url, "USER": "ana", **self.more}
        return CliRunner().invoke(app, ["settlement", *arguments], env=environment)
