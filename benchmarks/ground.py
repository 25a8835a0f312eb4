"""What a benchmark stands on: an embedded Postgres of its own, migrated databases in it."""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from migrations.run import migrate
from stack.ports import free_port
from stack.postgres import EmbeddedPostgres

FAST_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For what outlives the death of processes, but not of the machine."""
_SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "4GB"}


@dataclass(slots=True)
class Ground:
    """A running server."""

    postgres: EmbeddedPostgres
    options: Mapping[str, str] = field(default_factory=dict)
    """Server settings beside our own."""
    _server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        self._server = subprocess.Popen(
            self.postgres.command({**_SETTINGS, **self.options}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not self.postgres.answers():
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server; whoever is connected loses the connection."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait()

    def crash(self) -> None:
        """End the server at once, without writing anything more: its next start recovers."""
        if self._server is not None:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait()

    def database(self) -> str:
        """A fresh, migrated database; its URL."""
        name = f"bench_{uuid4().hex}"
        self.postgres.create_database(name)
        url = self.postgres.url(name)
        migrate(url)
        return url


def end_in_order() -> None:
    """Let SIGTERM end this process as Ctrl-C does: every server that it started is stopped."""

    def leave(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)


@contextmanager
def ground(options: Mapping[str, str] | None = None) -> Iterator[Ground]:
    """Run an embedded Postgres until the block ends.

    Args:
        options: Server settings beside our own; none: it is durable, as in production.
    """
    with tempfile.TemporaryDirectory(prefix="lastro-bench-") as home:
        directory = Path(home)
        directory.chmod(0o755)  # Postgres runs as another user
        base = Ground(EmbeddedPostgres(directory, free_port()), options or {})
        base.postgres.initialize()
        try:
            base.start()
            base.postgres.create_database()
            yield base
        finally:
            base.stop()
