"""What a benchmark stands on: an embedded Postgres of its own, migrated databases in it."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from migrations.run import migrate
from stack.ports import free_port
from stack.postgres import EmbeddedPostgres


@dataclass(frozen=True, slots=True)
class Ground:
    """A running server."""

    postgres: EmbeddedPostgres

    def database(self) -> str:
        """A fresh, migrated database; its URL."""
        name = f"bench_{uuid4().hex}"
        self.postgres.create_database(name)
        url = self.postgres.url(name)
        migrate(url)
        return url


@contextmanager
def ground() -> Iterator[Ground]:
    """Run an embedded Postgres, durable as in production, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="lastro-bench-") as home:
        directory = Path(home)
        directory.chmod(0o755)  # Postgres runs as another user
        postgres = EmbeddedPostgres(directory, free_port())
        postgres.initialize()
        server = subprocess.Popen(
            postgres.command({"shared_buffers": "256MB", "max_wal_size": "4GB"}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not postgres.answers():
                time.sleep(0.05)
            postgres.create_database()
            yield Ground(postgres)
        finally:
            server.terminate()
            server.wait()
