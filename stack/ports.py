"""Ports of the local stack: one base, fixed offsets, and a clear word when one is taken."""

import socket
from dataclasses import dataclass

from indexer.errors import ConfigurationError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ports:
    """Every port of one stack, counted up from a base."""

    base: int

    @property
    def api(self) -> int:
        """Read API."""
        return self.base

    @property
    def http(self) -> int:
        """Webhooks, checkout and every other write."""
        return self.base + 1

    @property
    def crowdsplit(self) -> int:
        """Fake CrowdSplit gateway."""
        return self.base + 2

    @property
    def postgres(self) -> int:
        """Embedded Postgres."""
        return self.base + 3

    @property
    def valkey(self) -> int:
        """Embedded Valkey."""
        return self.base + 4

    @property
    def celo(self) -> int:
        """Anvil playing Celo."""
        return self.base + 5

    @property
    def polygon(self) -> int:
        """Anvil playing Polygon."""
        return self.base + 6

    @property
    def stripe(self) -> int:
        """Fake Stripe gateway."""
        return self.base + 7

    @property
    def paystack(self) -> int:
        """Fake Paystack gateway."""
        return self.base + 8

    @property
    def s3(self) -> int:
        """Local S3, and its queue."""
        return self.base + 9


def free_port() -> int:
    """Ask the kernel for a port that is free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether this machine lets us listen on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def require_free(port: int, purpose: str) -> None:
    """Refuse to start on a port that another process holds.

    Raises:
        ConfigurationError: Names the port, what it was for and the setting that moves it.
    """
    if not is_free(port):
        raise ConfigurationError(
            f"port {port} ({purpose}) is in use: stop what listens there, or choose another "
            "block of ports with LASTRO_PORT_BASE"
        )
